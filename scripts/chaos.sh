#!/usr/bin/env bash
# Kills services and the event bus at random under load, and holds what a consumer was told against the databases
# (docs/TESTING.md): scripts/chaos.sh [seconds] [--kafka]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
shift $(($# > 0 ? 1 : 0))
cargo build --quiet --workspace --bins # all at once, as scripts/nova.sh does: so features are the same and nothing is built twice
exec "${CARGO_TARGET_DIR:-target}/debug/nova-bench" chaos --seconds "$seconds" "$@"
