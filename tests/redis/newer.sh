#!/bin/bash
# Redis 8 or Valkey, from Debian 13, beside the machine's own Redis: unpacked
# below build/, run with the libraries that came with it.  Prints the path of
# a program that takes a server's arguments.
#
#   tests/redis/newer.sh redis|valkey

set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
name=${1:?redis or valkey}
root=$here/build/redis/root
program=$here/build/redis/$name-server

skip() { echo "SKIPPED: $*" >&2; exit 77; }

if ! [ -d "$root" ]; then
    [ "$(id -u)" = 0 ] || skip "unpacking Debian 13's packages needs root"
    command -v mmdebstrap > /dev/null || skip "mmdebstrap is not installed"

    mkdir -p "${root%/*}"
    rm -rf "$root.new"
    mmdebstrap --quiet --mode=root --variant=extract \
        --include=redis-server,valkey-server trixie "$root.new" \
        2> "$root.log" \
        || { tail -3 "$root.log" >&2; skip "no Debian 13 can be had here"; }
    mv "$root.new" "$root"
fi

loader=$(find "$root" -name 'ld-linux*.so.*' | head -1)

cat > "$program" << END
#!/bin/sh
exec $loader --library-path $(dirname "$loader") \\
    $root/usr/bin/$name-server "\$@"
END
chmod 755 "$program"
echo "$program"
