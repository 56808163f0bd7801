#!/bin/bash
# Installs the coding agents that package-lock.json pins, and promptfoo, into
# build/agents and runs their tests.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
agents=$root/build/agents

# put FROM INTO WORDS...: what the lock in FROM says, with npm's WORDS; of all
# install scripts none is run
put() {
    local from=$1 into=$2 want
    shift 2
    want=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum)

    if [ -f "$into/stamp" ] && [ "$(cat "$into/stamp")" = "$want" ]; then
        return
    fi

    rm -rf "$into/node_modules" "$into/stamp"
    mkdir -p "$into"
    cp "$from/package.json" "$from/package-lock.json" "$into"

    if ! (cd "$into" && npm ci --ignore-scripts --no-audit --no-fund "$@" &&
          finish) > "$into/npm.log" 2>&1
    then
        tail -5 "$into/npm.log"
        echo "SKIPPED: npm cannot install the agents here"
        exit 77
    fi
    printf '%s\n' "$want" > "$into/stamp"
}

# but for the one that puts Claude Code's binary in place
finish() { node node_modules/@anthropic-ai/claude-code/install.cjs; }
put "$here" "$agents"

# promptfoo's optional packages are browsers and models that are run locally;
# it needs a newer node than many systems have, which npm has as well
finish() { :; }
put "$here/promptfoo" "$agents/promptfoo" --omit=optional

cd "$root"
build/venv/bin/python -m pytest -c tests/pytest.ini --rootdir tests -q \
    tests/agents
