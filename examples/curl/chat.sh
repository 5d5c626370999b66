#!/usr/bin/env bash
# Two people talk, by curl alone: accounts, a conversation, the stream of events, a retried message, read marks, and an edit that
# comes too late. Needs a running Nova (NOVA_URL, http://127.0.0.1:8000 unless said) and python3 to read JSON.
set -euo pipefail
nova=${NOVA_URL:-http://127.0.0.1:8000}

work=$(mktemp -d)
stream=
end() {
    [ -z "$stream" ] || kill "$stream" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

# Reads a field such as `user.id` from JSON on stdin; nothing if it is not there.
field() { python3 -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."): value = value.get(key, "") if isinstance(value, dict) else ""
print(value)' "$1"; }

# call VERB PATH [BODY] [curl options…]: prints the answer, be it a success or a problem document.
call() {
    local verb=$1 path=$2 body=${3:-}
    shift $(($# < 3 ? $# : 3))
    curl --silent --show-error --max-time 20 --request "$verb" "$nova/api/v1$path" \
        ${body:+-H 'content-type: application/json' --data "$body"} "$@"
}

# Sees that what came is what should have come.
expect() {
    [ "$2" = "$3" ] || { echo "$1: \"$2\" instead of \"$3\"" >&2; exit 1; }
}

# Waits for a line in the stream, and prints it.
heard() {
    for _ in $(seq 200); do
        grep -m1 "$1" "$work/events" && return
        sleep 0.05
    done
    echo "no event with $1 came within ten seconds, but this:" >&2
    cat "$work/events" >&2
    exit 1
}

# 1. Two people. Names are unique in a Nova, so these have something of the moment in them.
run=$(date +%s)$$
register() { call POST /auth/register "{\"username\":\"$1$run\",\"email\":\"$1$run@example.org\",\"password\":\"correct horse\"}"; }
alice=$(register alice)
bob=$(register bob)
alice_token="authorization: Bearer $(echo "$alice" | field tokens.accessToken)"
bob_token="authorization: Bearer $(echo "$bob" | field tokens.accessToken)"
echo "registered $(echo "$alice" | field user.username) and $(echo "$bob" | field user.username)"

# 2. Alice opens a conversation with Bob. Whoever of the two asks, and however often: it is always the same one.
talk=$(call POST /conversations "{\"type\":\"DIRECT\",\"memberIds\":[\"$(echo "$bob" | field user.id)\"]}" -H "$alice_token" | field conversation.id)
again=$(call POST /conversations "{\"type\":\"DIRECT\",\"memberIds\":[\"$(echo "$alice" | field user.id)\"]}" -H "$bob_token" | field conversation.id)
expect "the conversation that Bob opens" "$again" "$talk"

# 3. Bob listens. The first event is a heartbeat: from then on nothing is missed. Its id is the cursor that one comes back with.
curl --silent --no-buffer --max-time 60 "$nova/api/v1/events" -H "$bob_token" >"$work/events" &
stream=$!
heard '^event: heartbeat' >/dev/null

# 4. Alice writes, and writes again with the same client id, as after a lost answer: it is one message.
send() { call POST "/conversations/$talk/messages" '{"content":"Hello Bob","clientMessageId":"hello-1"}' -H "$alice_token"; }
message=$(send)
message_id=$(echo "$message" | field message.id)
expect "the retried message" "$(send | field message.id)" "$message_id"
expect "its place in the conversation" "$(echo "$message" | field message.sequence)" 1

# 5. Bob has received it, once.
received=$(heard '"messageSent"' | sed 's/^data: *//')
echo "bob received: $(echo "$received" | field messageSent.content)"
expect "what Bob received" "$(echo "$received" | field messageSent.id)" "$message_id"

# 6. One unread message; Bob reads it; none.
unread() { call GET /users/me/unread '' -H "$bob_token" | field unreadCount; }
expect "unread before" "$(unread)" 1
call POST "/messages/$message_id/read" '{}' -H "$bob_token" >/dev/null
expect "unread after" "$(unread)" 0
echo "bob has $(unread) unread messages"

# 7. Alice edits version 1. A second edit of version 1, as from another device, is refused: nobody's words are lost unseen.
edit() { call PATCH "/messages/$message_id" "{\"updatedContent\":\"$1\"}" -H "$alice_token" -H 'if-match: "1"'; }
expect "the version after the edit" "$(edit 'Hello Bob!' | field message.version)" 2
refused=$(edit 'Hello Robert')
expect "the late edit" "$(echo "$refused" | field reason)" VERSION_CONFLICT
expect "the version that it was told of" "$(echo "$refused" | field metadata.current_version)" 2
echo "the late edit was refused: $(echo "$refused" | field detail)"
edited=$(heard '"messageEdited"' | sed 's/^data: *//')
expect "what Bob saw of the edit" "$(echo "$edited" | field messageEdited.content)" 'Hello Bob!'
expect "how often the message came" "$(grep -c '^event: messageSent' "$work/events")" 1
echo "done"
