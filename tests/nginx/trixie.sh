#!/bin/bash
# The whole of "make test" inside a fresh Debian 13 (or the suite that is
# named), on its own nginx: build, unit tests, end to end.  The root is made by
# mmdebstrap below build/ and kept as a tar.  Needs root.
#
#   tests/nginx/trixie.sh [SUITE] [COMMAND...]

set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
suite=${1:-trixie}
[ $# -gt 0 ] && shift
work=$here/build/chroot
root=$work/$suite

skip() { echo "SKIPPED: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "a chroot needs root"
command -v mmdebstrap > /dev/null || skip "mmdebstrap is not installed"

mkdir -p "$work"

if ! [ -f "$work/$suite.tar" ]; then
    mmdebstrap --quiet --mode=root --variant=minbase \
        --include=git,make,ca-certificates,iproute2,procps \
        --format=tar "$suite" "$work/new.tar" 2> "$work/log" \
        || { tail -3 "$work/log"; skip "no $suite can be made here"; }
    mv "$work/new.tar" "$work/$suite.tar"
fi

finish() {
    umount "$root/proc" "$root/dev" 2> /dev/null || true
}
trap finish EXIT

if ! [ -d "$root" ]; then
    mkdir -p "$root"
    tar -C "$root" -xf "$work/$suite.tar"
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
fi

mkdir -p "$root/src"
cp /etc/resolv.conf "$root/etc/resolv.conf"
for ca in /usr/local/share/ca-certificates; do
    [ -d $ca ] && mkdir -p "$root$ca" && cp -r $ca/. "$root$ca/"
done
find "$root/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
(cd "$here" && git ls-files -z --cached --others --exclude-standard |
    tar -c --null -T - --ignore-failed-read) | tar -C "$root/src" -x

mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"

[ $# -gt 0 ] || set -- make test
chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 bash -c 'command -v update-ca-certificates > /dev/null &&
    update-ca-certificates > /dev/null 2>&1; cd /src && exec "$@"' - "$@"
