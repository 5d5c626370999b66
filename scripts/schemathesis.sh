#!/usr/bin/env bash
# Holds /openapi.json against a running server: generated requests, valid and not, must never meet a fault of the server, and
# each answer must be what the document says. Starts a Nova of its own on free ports with a fresh data folder.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
. scripts/nova.sh

skip() {
    echo "schemathesis: skipped: $*" >&2
    [ "${CI:-}" != true ]
    exit
}
st=$(tool schemathesis schemathesis==4.32.5) || skip "neither installed nor to be had from PyPI"
validator=$(tool openapi-spec-validator openapi-spec-validator==0.9.0) || skip "openapi-spec-validator is not to be had from PyPI"
# What is sent here in a minute people send in a day.
export NOVA_AUTH__RATE_LIMITS__ENABLED=false NOVA_USER__RATE_LIMITS__ENABLED=false NOVA_MESSAGING__RATE_LIMITS__ENABLED=false
start_nova schemathesis

# Two people, a conversation and a message, so that there is something to find.
field() { python3 -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."): value = value[key]
print(value)' "$1"; }
post() {
    local path=$1 body=$2
    shift 2
    curl --silent --show-error --fail-with-body "$address$path" -H 'content-type: application/json' -d "$body" "$@"
}
other=$(post /api/v1/auth/register '{"username":"bob","email":"bob@example.org","password":"battery staple"}' | field user.id)
token=$(post /api/v1/auth/register '{"username":"alice","email":"alice@example.org","password":"correct horse"}' | field tokens.accessToken)
me=(-H "authorization: Bearer $token")
talk=$(post /api/v1/conversations "{\"type\":\"DIRECT\",\"memberIds\":[\"$other\"]}" "${me[@]}" | field conversation.id)
post "/api/v1/conversations/$talk/messages" '{"content":"Hello"}' "${me[@]}" >/dev/null

curl --silent --fail "$address/openapi.json" -o "$data/openapi.json"
"$validator" "$data/openapi.json"

# The calls that would end the session of the token, and with it the test of all others, are tested elsewhere; so are the
# streams, which have no end that could be waited for, or events that OpenAPI 3.1 has no schema for.
report=$PWD/target/schemathesis
mkdir -p "$report"
(
    cd "$report"
    timeout 170 "$st" run "$address/openapi.json" --no-color --seed 1 --max-examples 6 --phases examples,coverage,fuzzing \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth \
        --header "Authorization: Bearer $token" --continue-on-failure --warnings off --request-timeout 15 \
        --exclude-operation-id AuthService_Logout --exclude-operation-id AuthService_RevokeSession \
        --exclude-operation-id AuthService_RevokeAllSessions --exclude-operation-id AuthService_DeleteAccount \
        --exclude-operation-id AuthService_ChangePassword \
        --exclude-operation-id MessagingService_StreamEvents --exclude-operation-id MessagingService_StreamEvents_2 \
        --exclude-operation-id AuthService_ExportAccount
)
