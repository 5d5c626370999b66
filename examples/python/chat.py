#!/usr/bin/env python3
"""Two people talk, by REST and Server-Sent Events with nothing but Python's standard library.

Needs a running Nova (NOVA_URL, http://127.0.0.1:8000 unless said).
"""

import json
import os
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

NOVA = os.environ.get("NOVA_URL", "http://127.0.0.1:8000")


class Problem(Exception):
    """A refusal: branch on `reason`, never on the text."""

    def __init__(self, document):
        super().__init__(document["detail"])
        self.reason, self.metadata = document["reason"], document["metadata"]


class Person:
    def __init__(self, name):
        # Names are unique in a Nova, so this one has something of the moment in it.
        unique = f"{name}{time.time_ns()}"
        account = {"username": unique, "email": f"{unique}@example.org", "password": "correct horse"}
        self.token = None
        answer = self.call("POST", "/auth/register", account)
        self.id, self.name = answer["user"]["id"], unique
        self.token = answer["tokens"]["accessToken"]

    def call(self, verb, path, body=None, **headers):
        try:
            with urllib.request.urlopen(self.request(verb, path, body, headers), timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise Problem(json.load(refusal)) from None

    def request(self, verb, path, body=None, headers=()):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{NOVA}/api/v1{path}", data, method=verb)
        if data is not None:
            request.add_header("content-type", "application/json")
        if self.token:
            request.add_header("authorization", f"Bearer {self.token}")
        for name, value in dict(headers).items():
            request.add_header(name.replace("_", "-"), value)
        return request

    def events(self, cursor=None):
        """Yields events until the server ends the stream; come back with the cursor of the last one."""
        query = "?" + urllib.parse.urlencode({"cursor": cursor}) if cursor else ""
        # A heartbeat comes every 15 seconds: longer silence means that the connection is dead.
        with urllib.request.urlopen(self.request("GET", f"/events{query}"), timeout=40) as stream:
            kind = data = None
            for line in stream:
                name, _, value = line.decode().rstrip("\r\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    data = json.loads(value)
                elif name == "" and kind == "problem":
                    raise Problem(data)
                elif name == "" and kind is not None:
                    yield kind, data
                    kind = None


class Inbox:
    """What a person hears, in a thread of its own."""

    def __init__(self, person):
        self.heard = queue.Queue()
        threading.Thread(target=self.listen, args=(person,), daemon=True).start()

    def listen(self, person):
        try:
            for event in person.events():
                self.heard.put(event)
        except Exception as fault:  # told to who waits
            self.heard.put(("fault", fault))

    def next(self):
        kind, event = self.heard.get(timeout=20)
        if kind == "fault":
            raise event
        return kind, event

    def wait_for(self, wanted):
        while True:
            kind, event = self.next()
            if kind == wanted:
                return event[wanted]


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} instead of {wanted!r}")


# Alice opens a conversation with Bob. Whoever of the two asks, and however often: it is always the same one.
alice, bob = Person("alice"), Person("bob")
print("registered", alice.name, "and", bob.name)
talk = alice.call("POST", "/conversations", {"type": "DIRECT", "memberIds": [bob.id]})["conversation"]["id"]

# Bob listens. The first event is a heartbeat: from then on nothing is missed.
inbox = Inbox(bob)
expect("the first event", inbox.next()[0], "heartbeat")

# Alice writes, and writes again with the same client id, as after a lost answer: it is one message.
hello = {"content": "Hello Bob", "clientMessageId": "hello-1"}
message = alice.call("POST", f"/conversations/{talk}/messages", hello)["message"]
retried = alice.call("POST", f"/conversations/{talk}/messages", hello)["message"]
expect("the retried message", retried["id"], message["id"])

received = inbox.wait_for("messageSent")
expect("what Bob received", received["id"], message["id"])
print("bob received:", received["content"])

# Bob reads it. Numbers of 64 bits are texts in JSON.
expect("unread before", bob.call("GET", "/users/me/unread")["unreadCount"], "1")
expect("unread after", bob.call("POST", f"/messages/{message['id']}/read", {})["unreadCount"], "0")
print("bob has", bob.call("GET", "/users/me/unread")["unreadCount"], "unread messages")

# Alice edits version 1. A second edit of version 1, as from another device, is refused.
path = f"/messages/{message['id']}"
edited = alice.call("PATCH", path, {"updatedContent": "Hello Bob!"}, if_match='"1"')["message"]
expect("the version after the edit", edited["version"], "2")
try:
    alice.call("PATCH", path, {"updatedContent": "Hello Robert"}, if_match='"1"')
    raise SystemExit("the late edit was not refused")
except Problem as problem:
    expect("the late edit", (problem.reason, problem.metadata["current_version"]), ("VERSION_CONFLICT", "2"))
    print("the late edit was refused:", problem)

# The message came once: the next that Bob hears of it is the edit.
while True:
    kind, event = inbox.next()
    expect("a message that came twice", kind == "messageSent", False)
    if kind == "messageEdited":
        break
expect("what Bob saw of the edit", event["messageEdited"]["content"], "Hello Bob!")
print("done")
