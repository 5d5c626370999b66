#!/usr/bin/env bash
# Lints the protos, checks their formatting, and checks that nothing that clients rely on was broken since the last release.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

buf=$(tool buf buf-bin==1.75.0) || { echo "proto: buf is needed: pip install buf-bin" >&2; exit 1; }
cd proto
"$buf" lint
"$buf" format --diff --exit-code --path services
release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
if [ -n "$release" ]; then
    before=$(mktemp -d)
    trap 'rm -rf "$before"' EXIT
    git -C .. archive "$release" proto | tar -x -C "$before"
    "$buf" breaking --against "$before/proto"
    echo "proto: nothing broken since $release"
else
    echo "proto: no release yet, so nothing to compare with"
fi
