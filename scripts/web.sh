#!/usr/bin/env bash
# Checks the types of the pages, tests their model, and checks that web/dist is what their sources make. `scripts/web.sh build` makes it anew.
set -euo pipefail
cd "$(dirname "$0")/../web"

skip() {
    echo "web: skipped: $*" >&2
    [ "${CI:-}" != true ]
    exit
}
command -v npm >/dev/null 2>&1 || skip "npm is missing (Node 20 or later)"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "Node 20 or later is needed"
# What is installed already, as the lock file says, is not fetched again.
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --silent --no-audit --no-fund >&2 || skip "the packages are not to be had from npm"
    cp package-lock.json node_modules/.installed
fi

npm run --silent check
npm run --silent test >&2
if [ "${1:-}" = build ]; then
    rm -rf dist
    node build.mjs
    exit
fi
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
node build.mjs "$made"
if ! diff -rq "$made" dist >&2; then
    echo "web: web/dist is not what its sources make: run make web" >&2
    exit 1
fi
echo "web: the types are right and web/dist is fresh" >&2
