#!/usr/bin/env bash
# Lints the protos, checks their formatting, and checks that nothing that clients or consumers of events rely on is broken:
# against proto/baseline.binpb, and against the last release.
#
#   scripts/proto.sh            to check
#   scripts/proto.sh baseline   to take what there is now as what must not be broken; done when something was added
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

buf=$(tool buf buf-bin==1.75.0) || { echo "proto: buf is needed: pip install buf-bin" >&2; exit 1; }
cd proto
"$buf" lint
"$buf" format --diff --exit-code --path services --path events
"$buf" breaking --against baseline.binpb
if [ "${1:-}" = baseline ]; then
    "$buf" build --exclude-source-info --output baseline.binpb
    echo "proto: baseline.binpb is up to date"
fi
echo "proto: nothing broken since the baseline"
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
