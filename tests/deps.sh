#!/bin/sh
# Installs what is missing of Debian's packages.  "a|b" is a or, where the
# release does not have it, b.  Needs root or sudo only if something is
# missing.
#
#   tests/deps.sh PACKAGE...

set -eu

installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2> /dev/null |
        grep -qx installed
}

missing=

for package; do
    any=no
    for name in $(echo "$package" | tr '|' ' '); do
        if installed "$name"; then
            any=yes
        fi
    done
    [ $any = yes ] || missing="$missing $package"
done

[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo > /dev/null; then
    sudo=sudo
else
    echo "missing:$missing" >&2
    echo "As root: apt-get install$(echo "$missing" | sed 's/|[^ ]*//g')" >&2
    exit 1
fi

echo "installing:$missing"
$sudo apt-get update -qq

names=
for package in $missing; do
    for name in $(echo "$package" | tr '|' ' '); do
        if [ -n "$(apt-cache madison "$name")" ]; then
            names="$names $name"
            break
        fi
    done
done

if ! said=$($sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
    --no-install-recommends $names 2>&1)
then
    printf '%s\n' "$said" | tail -20 >&2
    exit 1
fi
