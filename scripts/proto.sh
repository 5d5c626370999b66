#!/usr/bin/env bash
# Lints the protos, checks their formatting, and checks that nothing that clients rely on was broken since the last commit
# on main that touched them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

buf=$(tool buf buf-bin==1.75.0) || { echo "proto: buf is needed: pip install buf-bin" >&2; exit 1; }
cd proto
"$buf" lint
"$buf" format --diff --exit-code --path services
base=$(git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet HEAD~1 || true)
if [ -n "$base" ] && git cat-file -e "$base:proto/buf.yaml" 2>/dev/null; then
    before=$(mktemp -d)
    trap 'rm -rf "$before"' EXIT
    git -C .. archive "$base" proto | tar -x -C "$before"
    "$buf" breaking --against "$before/proto" --path services
    echo "proto: nothing broken since $(git rev-parse --short "$base")"
else
    echo "proto: no earlier version to compare with"
fi
