#!/usr/bin/env python3
"""Two people talk, by gRPC without generated code: the messages are learned from the server's reflection.

Needs a running Nova (NOVA_URL, http://127.0.0.1:8000 unless said) and the packages in requirements.txt.
"""

import os
import time
import urllib.parse

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

ADDRESS = urllib.parse.urlsplit(os.environ.get("NOVA_URL", "http://127.0.0.1:8000")).netloc
AUTH, MESSAGING = "nova.auth.v1.AuthService", "nova.messaging.v1.MessagingService"

channel = grpc.insecure_channel(ADDRESS)
pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))


def message_class(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def call(service, method, token=None, timeout=20, **fields):
    """Makes a call; a stream is answered by an iterator."""
    rpc = pool.FindServiceByName(service).FindMethodByName(method)
    request, reply = (message_factory.GetMessageClass(m) for m in (rpc.input_type, rpc.output_type))
    make = channel.unary_stream if rpc.server_streaming else channel.unary_unary
    stub = make(f"/{service}/{method}", request.SerializeToString, reply.FromString)
    return stub(request(**fields), metadata=[("authorization", f"Bearer {token}")] if token else None, timeout=timeout)


def error_info(error):
    """Why a call failed: every status that is not OK carries google.rpc.ErrorInfo."""
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info = message_class("google.rpc.ErrorInfo")()
    for detail in message_class("google.rpc.Status").FromString(details).details:
        if detail.type_url.endswith(info.DESCRIPTOR.full_name):
            info.ParseFromString(detail.value)
    return info


def register(name):
    # Names are unique in a Nova, so this one has something of the moment in it.
    unique = f"{name}{time.time_ns()}"
    return call(AUTH, "Register", username=unique, email=f"{unique}@example.org", password="correct horse")


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


def next_of(events, wanted):
    """The next event of a kind; heartbeats and what else happens are passed over."""
    for event in events:
        kind = event.WhichOneof("event")
        if kind == wanted:
            return getattr(event, kind)
        # A message comes once, however often its sending was retried.
        expect("a second message", kind == "message_sent", False)
    raise SystemExit(f"the stream ended before {wanted}")


alice, bob = register("alice"), register("bob")
print("registered", alice.user.username, "and", bob.user.username)
mine, theirs = alice.tokens.access_token, bob.tokens.access_token
talk = call(MESSAGING, "CreateConversation", mine, type="DIRECT", member_ids=[bob.user.id]).conversation

# Bob listens. The first event is a heartbeat: from then on nothing is missed. Its cursor is what one comes back with.
events = call(MESSAGING, "StreamEvents", theirs, timeout=60)
first = next(events)
expect("the first event", (first.WhichOneof("event"), first.cursor != ""), ("heartbeat", True))

# Alice writes, and writes again with the same client id, as after a lost answer: it is one message.
hello = {"conversation_id": talk.id, "content": "Hello Bob", "client_message_id": "hello-1"}
message = call(MESSAGING, "SendMessage", mine, **hello).message
expect("the retried message", call(MESSAGING, "SendMessage", mine, **hello).message.id, message.id)

received = next_of(events, "message_sent")
expect("what Bob received", received.id, message.id)
print("bob received:", received.content)

expect("unread before", call(MESSAGING, "GetUnreadCount", theirs).unread_count, 1)
call(MESSAGING, "MarkAsRead", theirs, message_id=message.id)
unread = call(MESSAGING, "GetUnreadCount", theirs).unread_count
expect("unread after", unread, 0)
print("bob has", unread, "unread messages")

# Alice edits version 1. A second edit of version 1, as from another device, is refused.
edited = call(MESSAGING, "UpdateMessage", mine, message_id=message.id, updated_content="Hello Bob!", expected_version=1)
expect("the version after the edit", edited.message.version, 2)
try:
    call(MESSAGING, "UpdateMessage", mine, message_id=message.id, updated_content="Hello Robert", expected_version=1)
    raise SystemExit("the late edit was not refused")
except grpc.RpcError as error:
    info = error_info(error)
    expect("the late edit", (error.code(), info.reason), (grpc.StatusCode.ABORTED, "VERSION_CONFLICT"))
    expect("the version that it was told of", info.metadata["current_version"], "2")
    print("the late edit was refused:", error.details())

expect("what Bob saw of the edit", next_of(events, "message_edited").content, "Hello Bob!")
events.cancel()
channel.close()
print("done")
