#!/bin/bash
# Installs the coding agents that package-lock.json pins into build/agents and
# runs their tests.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
agents=$root/build/agents
stamp=$agents/stamp
want=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum)

if ! [ -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
    rm -rf "$agents"
    mkdir -p "$agents"
    cp "$here/package.json" "$here/package-lock.json" "$agents"

    # of all install scripts only the one that puts Claude Code's binary in
    # place is run
    if ! (cd "$agents" &&
        npm ci --ignore-scripts --no-audit --no-fund &&
        node node_modules/@anthropic-ai/claude-code/install.cjs) \
        > "$agents/npm.log" 2>&1
    then
        tail -5 "$agents/npm.log"
        echo "SKIPPED: npm cannot install the agents here"
        exit 77
    fi
    printf '%s\n' "$want" > "$stamp"
fi

cd "$root"
build/venv/bin/python -m pytest -c tests/pytest.ini --rootdir tests -q \
    tests/agents
