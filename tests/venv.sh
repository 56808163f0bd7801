#!/bin/sh
# Makes build/venv with exactly what tests/requirements.txt pins.
# Does nothing when it is already there.  Prints nothing when all is well.
#
#   tests/venv.sh [DIRECTORY]        (PYTHON= chooses the interpreter)

set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-$here/../build/venv}
python=${PYTHON:-python3}
lock=$here/requirements.txt

want="$("$python" -c 'import sys; print(sys.version)') $(sha256sum < "$lock")"

if [ -f "$venv/.stamp" ] && [ "$(cat "$venv/.stamp")" = "$want" ]; then
    exit 0
fi

rm -rf "$venv"
mkdir -p "$(dirname "$venv")"

if ! "$python" -m venv "$venv"; then
    echo "tests/venv.sh: cannot make a virtual environment;" \
         "on Debian: apt-get install python3-venv" >&2
    exit 1
fi

"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    --requirement "$lock"
"$venv/bin/pip" check --quiet

printf '%s\n' "$want" > "$venv/.stamp"
