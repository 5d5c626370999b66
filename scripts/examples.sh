#!/usr/bin/env bash
# Runs the examples against a Nova of its own, and the tests of the TypeScript client that one of them is written with: what the
# documentation shows must work. What cannot be had on this machine is skipped and said so; in CI it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nova.sh

skip() {
    echo "examples: skipped: $*" >&2
    [ "${CI:-}" != true ] || exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
run() {
    printf '\n== %s\n' "$*"
    timeout 90 "$@"
}

start_nova examples
export NOVA_URL=$address

if has curl && has python3; then
    run examples/curl/chat.sh
else
    skip "examples/curl needs curl and python3"
fi

if has python3; then
    run python3 examples/python/chat.py
    tools=target/tools/bin
    if { [ -x "$tools/pip" ] || python3 -m venv target/tools; } >&2 &&
        "$tools/pip" install --quiet --disable-pip-version-check --requirement examples/python/requirements.txt >&2; then
        run "$tools/python3" examples/python/grpc_chat.py
    else
        skip "the packages of examples/python/requirements.txt are not to be had from PyPI"
    fi
else
    skip "examples/python needs python3"
fi

# Both folders are installed as their lock files say; the example takes the client from its folder.
install() { (cd "$1" && npm ci --silent --no-audit --no-fund) >&2; }
if has node && has npm && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ]; then
    if install clients/typescript && install examples/typescript; then
        run npm --prefix clients/typescript --silent test
        run npm --prefix examples/typescript --silent start
    else
        skip "TypeScript is not to be had from npm"
    fi
else
    skip "clients/typescript and examples/typescript need Node 20 or later with npm"
fi
