#!/bin/bash
# Builds docker/Dockerfile and runs the image, without a daemon and without a
# registry: buildah and podman, on a base that mmdebstrap makes of Debian's
# packages.  All of it lies below build/image; containers, images and networks
# of the host are not touched.
#
# What this does not show: the official base image, BuildKit.

set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
work=$here/build/image
suite=${1:-bookworm}
tag=$suite-slim

skip() { echo "SKIPPED: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "the image can be tested as root only"
for command in buildah podman runc mmdebstrap ip; do
    command -v $command > /dev/null || skip "$command is not installed"
done

mkdir -p "$work"

cat > "$work/storage.conf" << END
[storage]
driver = "overlay"
graphroot = "$work/root"
runroot = "$work/run"
END
cat > "$work/containers.conf" << END
[containers]
default_ulimits = ["nofile=$(ulimit -Sn):$(ulimit -Hn)", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
export CONTAINERS_STORAGE_CONF=$work/storage.conf
export CONTAINERS_CONF=$work/containers.conf

net=llmops$$ id= passed=0 failed=0

finish() {
    [ -z "$id" ] || podman rm -f "$id" > /dev/null 2>&1
    ip netns del $net 2> /dev/null
}
trap finish EXIT

check() {       # WHAT COMMAND...
    local what=$1
    shift
    if "$@" > "$work/check.log" 2>&1; then
        passed=$((passed + 1)); echo "ok      $what"
    else
        failed=$((failed + 1)); echo "FAILED  $what"
        tail -20 "$work/check.log"
    fi
}

inside() { ip netns exec $net "$@"; }

base() {
    buildah images -q docker.io/library/debian:$tag 2> /dev/null | grep -q . \
        && return
    [ -f "$work/$suite.tar" ] || mmdebstrap --quiet --mode=root \
        --variant=minbase "$suite" "$work/$suite.tar" || return
    local c
    c=$(buildah from scratch) || return
    buildah add --quiet "$c" "$work/$suite.tar" / > /dev/null &&
    buildah config --cmd bash --env \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "$c" &&
    buildah commit --quiet --rm --format docker "$c" \
        docker.io/library/debian:$tag > /dev/null
}

if ! base > "$work/base.log" 2>&1; then
    tail -3 "$work/base.log"
    skip "no base image can be made here"
fi

check "the image builds" buildah bud --isolation chroot --layers \
    --pull-never --format docker --build-arg DEBIAN=$tag \
    -t nginx-llmops:$suite -f "$here/docker/Dockerfile" "$here"

if [ $failed -gt 0 ]; then
    echo "$passed passed, $failed failed"
    exit 1
fi

ip netns add $net && inside ip link set lo up || skip "no network namespace"

id=$(podman run -d --network ns:/var/run/netns/$net --read-only --tmpfs /tmp \
    --cap-drop ALL --security-opt no-new-privileges nginx-llmops:$suite \
    2> "$work/run.log") || skip "podman cannot run: $(tail -1 "$work/run.log")"

# soon COMMAND...: until it succeeds, but not for ever
soon() {
    for _ in $(seq 300); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

soon inside curl -fs -o /dev/null http://127.0.0.1:8080/healthz

body='{"model":"mock","messages":[{"role":"user","content":"Hello"}]}'

ask() {
    inside curl -fsS http://127.0.0.1:8080/v1/chat/completions \
        -H 'content-type: application/json' -d "$body" |
        grep '"chat.completion"'
}

users() { podman top "$id" user | tail -n +2 | sort -u | grep -qx www-data; }
logged() { podman logs "$id" 2>&1 | grep '"target":"mock"'; }
bare() { ! podman exec "$id" sh -c 'command -v cc || command -v make'; }
stop() {
    podman stop -t 30 "$id" &&
    [ "$(podman inspect -f '{{.State.ExitCode}}' "$id")" = 0 ]
}

check "it answers" ask
check "it runs as www-data" users
check "it is healthy" soon podman healthcheck run "$id"
check "it shows metrics" inside curl -fsS http://127.0.0.1:8080/metrics
check "it logs to its output" soon logged
check "it reloads" podman kill -s HUP "$id"
check "it answers after a reload" ask
check "there is no compiler in it" bare
check "llm-eval is in it" podman exec "$id" llm-eval --help
check "it stops at once" stop

# the package: what dh_nginx adds without a word if all names are right, and
# that it leaves nothing behind

packaged() {
    local c rc
    c=$(buildah from --pull-never nginx-llmops:$suite) || return
    buildah run --isolation chroot --user root "$c" sh -ec '
        dpkg -s libnginx-mod-llmops | grep -q "^Depends:.* nginx-abi-"
        test -L /etc/nginx/modules-enabled/50-mod-llmops.conf
        test -s /etc/nginx/lua-free-rules/secrets/pack.conf
        dpkg --remove libnginx-mod-llmops
        test ! -e /etc/nginx/modules-enabled/50-mod-llmops.conf
        dpkg --purge libnginx-mod-llmops
        ! find / -xdev \( -iname "*llmops*" -o -name lua-free-rules \) \
            -not -path "/proc/*" -not -path "/var/log/*" | grep .'
    rc=$?
    buildah rm "$c" > /dev/null
    return $rc
}

check "its package comes and goes" packaged

echo "$passed passed, $failed failed"
[ $failed = 0 ]
