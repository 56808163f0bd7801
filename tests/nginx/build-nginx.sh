#!/bin/bash
# Builds an nginx of our own, with the module, from a plain source tree.
#
#   tests/nginx/build-nginx.sh asan [DIRECTORY]     1.22.1, ASAN + UBSAN, dynamic
#   tests/nginx/build-nginx.sh 1.26.3 [DIRECTORY]   that version, dynamic
#   tests/nginx/build-nginx.sh static [DIRECTORY]   1.22.1, --add-module
#
# The result is build/nginx-asan/{nginx,ngx_llmops_module.so} and so on.  The
# trees are Debian's "orig" tarballs, got by apt-get from a private list of
# sources below build/apt, and checked against the digests below; the system's
# own lists are not touched.  Called again, it compiles what has changed.

set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
what=${1:?asan, static or a version}
out=${2:-$here/build/nginx-$what}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

declare -A suites=([1.22.1]=bookworm [1.26.3]=trixie)
declare -A digests=(
    [1.22.1]=9ebb333a9e82b952acd3e2b4aeb1d4ff6406f72491bab6cd9fe69f0dea737f31
    [1.26.3]=69ee2b237744036e61d24b836668aad3040dda461fe6f570f1787eab570c75aa
)

version=1.22.1
link=dynamic
cc_opt="-O2"
ld_opt=
options=(--with-compat --with-debug --with-threads --with-http_ssl_module
         --with-http_v2_module --with-http_realip_module
         --with-http_auth_request_module --with-http_stub_status_module)

case $what in
    asan)
        # NGX_DEBUG_PALLOC makes each ngx_palloc() a malloc(), so that the
        # sanitizer sees what lies in nginx's pools.  nginx's own code is not
        # free of what UBSAN objects to (offsets of null pointers, function
        # pointers of other types): only the checks that it passes are on.
        sanitize="-fsanitize=address,undefined"
        sanitize+=" -fno-sanitize=pointer-overflow,alignment,nonnull-attribute"
        cc_opt="-O1 $sanitize"
        cc_opt+=" -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1"
        ld_opt="-fsanitize=address,undefined"
        ;;
    static)
        link=static
        ;;
    *)
        version=$what
        ;;
esac

if [ -z "${suites[$version]:-}" ]; then
    echo "$0: no digest is known for nginx $version" >&2
    exit 1
fi


fetch() {       # the tarball, into build/dl
    local dl=$here/build/dl apt=$here/build/apt
    local tarball=$dl/nginx_$version.orig.tar.gz

    if ! [ -f "$tarball" ]; then
        mkdir -p "$dl" "$apt"/{lists/partial,cache/archives/partial,empty}
        for suite in "${suites[@]}"; do
            echo "deb-src $mirror $suite main"
        done > "$apt/sources.list"
        : > "$apt/status"

        cat > "$apt/apt.conf" << END
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/empty";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
END
        export APT_CONFIG=$apt/apt.conf
        apt-get update -qq
        (cd "$dl" && apt-get source -qq --download-only --tar-only \
            "nginx/${suites[$version]}")
    fi

    echo "${digests[$version]}  $tarball" | sha256sum --check --quiet
}


configure() {
    # what the present configuration was made of
    local inputs
    inputs=$(printf '%s\n' "$version $link $cc_opt $ld_opt ${options[*]}" \
        "$here"/ngx_llmops_module/*/*.[ch]
        cat "$here/config" "$here/docs/openapi.json" \
            "$here/ngx_llmops_module/ops/status.html" | cksum)

    if [ -f objs/Makefile ] && [ "$(cat objs/inputs 2>/dev/null)" = "$inputs" ]
    then
        return
    fi

    local add=--add-dynamic-module
    [ $link = static ] && add=--add-module

    ./configure --prefix="$out" --modules-path="$out" \
        --error-log-path=stderr --with-cc-opt="-g $cc_opt" \
        --with-ld-opt="$ld_opt" "${options[@]}" "$add=$here" \
        > configure.log 2>&1 || { tail -20 configure.log >&2; exit 1; }

    printf '%s\n' "$inputs" > objs/inputs
}


fetch
mkdir -p "$out"
cd "$out"

if ! [ -d src-tree ]; then
    mkdir src-tree.new
    tar -C src-tree.new --strip-components=1 -xf \
        "$here/build/dl/nginx_$version.orig.tar.gz"
    mv src-tree.new src-tree
fi

cd src-tree
configure
make -s -j"$(nproc)" > make.log 2>&1 || { tail -40 make.log >&2; exit 1; }

cp objs/nginx "$out/nginx"
if [ $link = dynamic ]; then
    cp objs/ngx_llmops_module.so "$out/ngx_llmops_module.so"
fi
