#!/usr/bin/env bash
# Tries the pages in a real browser against a Nova of its own. Installs what is missing: Debian's Chromium, and the program that
# drives it. With SCREENSHOTS=1 only the looks are tried, and the pictures in docs/images are made anew.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nova.sh

skip() {
    echo "browser: skipped: $*" >&2
    [ "${CI:-}" != true ]
    exit
}
find_chromium() {
    local program
    for program in chromium chromium-browser google-chrome; do
        command -v "$program" 2>/dev/null && return
    done
    return 1
}
install_chromium() {
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && sudo=(sudo -n) || return 1
    fi
    command -v apt-get >/dev/null 2>&1 || return 1
    echo "browser: installing chromium" >&2
    "${sudo[@]}" apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends chromium >/dev/null
}
command -v npm >/dev/null 2>&1 || skip "npm is missing (Node 20 or later)"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "Node 20 or later is needed"
CHROMIUM=$(find_chromium) || { install_chromium && CHROMIUM=$(find_chromium); } || skip "there is no Chromium, and it cannot be installed"
export CHROMIUM
(cd tests/browser && npm ci --silent --no-audit --no-fund) >&2 || skip "playwright-core is not to be had from npm"

# All the people of the tests come from one address.
export NOVA_AUTH__RATE_LIMITS__REGISTER_PER_ADDRESS=off NOVA_AUTH__RATE_LIMITS__LOGIN_PER_ADDRESS=off
start_nova browser
export NOVA_URL=$address
# shellcheck disable=SC2154 # start_nova sets it
NOVA_DATA_DIR=$data/nova "${NOVA_PROGRAM:-target/debug/nova}" admin create-user admin admin@example.org --role admin --password "for the tests" >/dev/null 2>&1
export NOVA_ADMIN="admin:for the tests"
tests=tests/browser/
[ "${SCREENSHOTS:-}" != 1 ] || tests=tests/browser/look.test.mjs
timeout 180 node --test --test-concurrency=2 --test-reporter=spec "$tests"
