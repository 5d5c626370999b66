#!/usr/bin/env bash
# Looks at running Nova services from outside: connectivity, endpoints, errors, latency.
#
#   tests/grpc_integration_test.sh local      services on this machine, on their default ports
#   tests/grpc_integration_test.sh staging    services whose addresses the environment names
#
# grpcurl does the first three checks where it is installed; otherwise, and always for latency, Nova's own client does
# (cargo run -p nova-tests --bin nova-probe). GRPC_INTEGRATION_TESTING_GUIDE.md lists the environment variables.
#
# Exit code: 0 all checks passed, 1 a check failed, 2 called wrongly.
set -euo pipefail

cd "$(dirname "$0")/.."

usage() {
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ "$#" -eq 1 ] || usage
case "$1" in
    local)
        : "${AUTH_SERVICE_GRPC_URL:=http://127.0.0.1:9080}"
        : "${USER_SERVICE_GRPC_URL:=http://127.0.0.1:9081}"
        : "${MESSAGING_SERVICE_GRPC_URL:=http://127.0.0.1:9085}"
        ;;
    staging)
        for name in AUTH_SERVICE_GRPC_URL USER_SERVICE_GRPC_URL MESSAGING_SERVICE_GRPC_URL; do
            if [ -z "${!name:-}" ]; then
                echo "error: staging wants $name, such as http://nova.staging.example:9080" >&2
                exit 2
            fi
        done
        ;;
    *) usage ;;
esac
: "${GRPC_REQUEST_TIMEOUT_SECS:=10}"
export AUTH_SERVICE_GRPC_URL USER_SERVICE_GRPC_URL MESSAGING_SERVICE_GRPC_URL GRPC_REQUEST_TIMEOUT_SECS

failed=0

passed() { printf 'ok      %-10s %-13s %s\n' "$1" "$2" "$3"; }
broken() {
    printf 'FAILED  %-10s %-13s %s\n' "$1" "$2" "$3"
    failed=1
}

probe() {
    if [ -n "${NOVA_PROBE:-}" ]; then
        "$NOVA_PROBE" "$@"
    else
        cargo run --quiet --package nova-tests --bin nova-probe -- "$@"
    fi
}

# The answer of a call, whatever its outcome.
ask() { grpcurl -plaintext -max-time "$GRPC_REQUEST_TIMEOUT_SECS" "$@" 2>&1 || true; }

# check_with_grpcurl <short name> <full name> <address> <an RPC that wants a token>
check_with_grpcurl() {
    local name=$1 service=$2 address=${3#*://} rpc=$4 answer count

    answer=$(ask -d "{\"service\":\"$service\"}" "$address" grpc.health.v1.Health/Check)
    case "$answer" in
        *'"SERVING"'*) passed "$name" connectivity "$address is SERVING" ;;
        *) broken "$name" connectivity "$address: $answer" ;;
    esac

    answer=$(ask "$address" list "$service")
    count=$(printf '%s\n' "$answer" | grep -c "^$service\." || true)
    if [ "$count" -gt 0 ]; then
        passed "$name" endpoints "$count RPCs"
    else
        broken "$name" endpoints "$answer"
    fi

    answer=$(ask -d '{}' "$address" "$service/$rpc")
    case "$answer" in
        *Unauthenticated*) passed "$name" errors "$rpc without a token is UNAUTHENTICATED" ;;
        *) broken "$name" errors "$rpc without a token: $answer" ;;
    esac
}

echo "Nova services ($1)"
if command -v grpcurl >/dev/null 2>&1; then
    check_with_grpcurl auth nova.auth.v1.AuthService "$AUTH_SERVICE_GRPC_URL" GetUser
    check_with_grpcurl user nova.user.v1.UserService "$USER_SERVICE_GRPC_URL" GetUserProfile
    check_with_grpcurl messaging nova.messaging.v1.MessagingService "$MESSAGING_SERVICE_GRPC_URL" ListConversations
    probe latency || failed=1
else
    echo "(grpcurl is not installed: Nova's own client does all checks)"
    probe || failed=1
fi

if [ "$failed" -ne 0 ]; then
    echo "some checks FAILED"
    exit 1
fi
echo "all checks passed"
