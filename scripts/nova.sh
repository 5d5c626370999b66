#!/usr/bin/env bash
# Sourced by other scripts: `start_nova NAME` builds Nova and starts one of its own on free ports, with a fresh data folder. From
# then on $address is its front door and $data a folder to use; both go when the script ends. NOVA_PROGRAM names one that has
# been built already. NAME stands before what goes wrong.
nova=
data=

stop_nova() {
    if [ -n "$nova" ]; then
        kill "$nova" 2>/dev/null || true
        wait "$nova" 2>/dev/null || true
    fi
    [ -z "$data" ] || rm -rf "$data"
}

start_nova() {
    local name=$1 service
    if [ -z "${NOVA_PROGRAM:-}" ]; then
        cargo build --quiet --workspace --bins
    fi
    data=$(mktemp -d)
    chmod 755 "$data" # run as root, the managed PostgreSQL is another user
    : >"$data/out"
    trap stop_nova EXIT
    for service in AUTH USER MESSAGING; do
        export "NOVA_${service}__LISTEN__HTTP_PORT=0" "NOVA_${service}__LISTEN__GRPC_PORT=0"
    done
    NOVA_DATA_DIR=$data/nova NOVA_FRONT_DOOR__PORT=0 "${NOVA_PROGRAM:-target/debug/nova}" serve >"$data/out" 2>"$data/log" &
    nova=$!
    address=
    for _ in $(seq 240); do
        address=$(grep -om1 'http://127\.0\.0\.1:[0-9]*' "$data/out" || true)
        [ -n "$address" ] && return
        kill -0 "$nova" 2>/dev/null || { cat "$data/log" >&2; return 1; }
        sleep 0.25
    done
    echo "$name: Nova did not start within a minute" >&2
    return 1
}
