#!/usr/bin/env bash
# Backs up under load, restores elsewhere, and holds what is there against what was acknowledged (docs/TESTING.md):
# scripts/backup.sh [seconds]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --workspace --bins # all at once, as scripts/nova.sh does: so features are the same and nothing is built twice
exec "${CARGO_TARGET_DIR:-target}/debug/nova-bench" backup --seconds "${1:-10}"
