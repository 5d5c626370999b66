#!/usr/bin/env bash
# Replaces three replicas of each service one after another under load, as Kubernetes does, and fails if a call does
# (docs/TESTING.md): scripts/rolling.sh [seconds]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --workspace --bins # all at once, as scripts/nova.sh does: so features are the same and nothing is built twice
exec "${CARGO_TARGET_DIR:-target}/debug/nova-bench" rolling --seconds "${1:-180}"
