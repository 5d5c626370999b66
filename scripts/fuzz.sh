#!/usr/bin/env bash
# Fuzzes everything that reads what strangers send: each target of fuzz/ in turn, for so long.
#
#   scripts/fuzz.sh                    every target, 60 s each
#   scripts/fuzz.sh 600 rest_requests  this one, 10 min
#   scripts/fuzz.sh 0                  only what is in fuzz/corpus, once
#
# cargo-fuzz builds them with the coverage counters of libFuzzer into fuzz/target. The compiler is the repository's own: counters
# need no nightly, and a sanitizer would look for what code without `unsafe` does not do. Debug assertions and overflow checks
# are on. Whatever reaches something new is kept in fuzz/target/corpus and is where the next run begins; fuzz/corpus is what a
# fresh checkout begins with. An input that fails is left in fuzz/artifacts, and the script ends with 1 when all have run.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
seconds=${1:-60}
shift || true
case $seconds in
    *[!0-9]*) echo "usage: scripts/fuzz.sh [seconds [target…]]" >&2 && exit 2 ;;
esac
if ! cargo fuzz --version >/dev/null 2>&1; then
    export PATH="$PWD/target/tools/bin:$PATH"
    [ -x target/tools/bin/cargo-fuzz ] || cargo install --quiet --locked --root target/tools "cargo-fuzz@$version"
fi

if [ $# -eq 0 ]; then
    mapfile -t all < <(cargo fuzz list)
    set -- "${all[@]}"
fi
cargo fuzz build --sanitizer none
failed=()
for target; do
    seeds=fuzz/corpus/$target kept=fuzz/target/corpus/$target found=fuzz/artifacts/$target
    mkdir -p "$kept" "$found"
    options=(-timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 "-artifact_prefix=$found/")
    [ -f "fuzz/dictionaries/$target" ] && options+=("-dict=fuzz/dictionaries/$target")
    if [ "$seconds" -eq 0 ]; then
        options+=(-runs=0)
    else
        options+=("-max_total_time=$seconds")
    fi
    printf '\n== %s\n' "$target"
    nice -n 15 "fuzz/target/$(rustc --print host-tuple)/release/$target" "${options[@]}" "$kept" "$seeds" || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}; the inputs are in fuzz/artifacts" >&2
    exit 1
fi
