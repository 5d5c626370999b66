import assert from "node:assert/strict";
import { test } from "node:test";

import { Nova, NovaError } from "../dist/index.js";
import { search, spell } from "../dist/call.js";
import { bearer, problem, serve, tokens } from "./server.js";

const rejection = async (promise) => {
  const error = await promise.then(() => assert.fail("it should have been refused"), (error) => error);
  assert.ok(error instanceof NovaError, `${error}`);
  return error;
};

test("fields go where the route says", () => {
  const get = { verb: "GET", path: "/c/{conversationId}/m" };
  assert.deepEqual(spell(get, { conversationId: "a/b", limit: 0, includeDeleted: true, pageToken: undefined }), {
    path: "/c/a%2Fb/m?limit=0&includeDeleted=true",
    body: undefined,
  });
  const post = { verb: "POST", path: "/c/{id}", body: "*" };
  assert.deepEqual(spell(post, { id: 1, content: "ä", nothing: undefined }), { path: "/c/1", body: '{"content":"ä"}' });
  const part = { verb: "POST", path: "/c/{id}", body: "record" };
  assert.deepEqual(spell(part, { id: 1, record: { a: 1 }, b: 2 }), { path: "/c/1?b=2", body: '{"a":1}' });
  assert.equal(search({ ids: ["x", "y&z"], inner: { name: "n" } }), "?ids=x&ids=y%26z&inner.name=n");
  assert.throws(() => spell(get, {}), /conversationId must be set/);
});

test("a call says who calls, which version it is for, and what it is a repeat of", async (t) => {
  const server = await serve(t, () => ({ message: { id: "m" } }));
  const own = tokens();
  const nova = new Nova({ baseUrl: `${server.url}/`, tokens: own });
  const answer = await nova.messaging.updateMessage(
    { messageId: "m", updatedContent: "x", expectedVersion: 3 },
    { ifMatch: "3", idempotencyKey: "k", timeoutMs: 5000 },
  );
  assert.deepEqual(answer, { message: { id: "m" } });
  const [call] = server.calls;
  assert.equal(`${call.verb} ${call.path}`, "PATCH /api/v1/messages/m");
  assert.deepEqual(call.body, { updatedContent: "x", expectedVersion: 3 });
  assert.equal(bearer(call), own.accessToken);
  assert.equal(call.headers["if-match"], '"3"');
  assert.equal(call.headers["idempotency-key"], "k");
  assert.equal(call.headers["grpc-timeout"], "5000m");
  assert.equal(call.headers["content-type"], "application/json");
});

test("a refusal has everything that the problem document says", async (t) => {
  const server = await serve(t, () => ({
    problem: {
      status: 409,
      reason: "VERSION_CONFLICT",
      detail: "the message is at version 4",
      domain: "messaging.nova",
      metadata: { current_version: "4" },
      violations: [{ field: "expected_version", description: "is old" }],
      request_id: "r1",
      headers: { "retry-after": "7" },
    },
  }));
  const error = await rejection(new Nova({ baseUrl: server.url }).messaging.updateMessage({ messageId: "m" }));
  assert.equal(error.status, 409);
  assert.equal(error.reason, "VERSION_CONFLICT");
  assert.equal(error.detail, "the message is at version 4");
  assert.equal(error.message, error.detail);
  assert.equal(error.domain, "messaging.nova");
  assert.deepEqual(error.metadata, { current_version: "4" });
  assert.deepEqual(error.violations, [{ field: "expected_version", description: "is old" }]);
  assert.equal(error.requestId, "r1");
  assert.equal(error.retryAfter, 7);
});

test("an answer of something in between is an error too", async (t) => {
  const server = await serve(t, (_call, _number, response) => {
    response.writeHead(502, { "content-type": "text/html" });
    response.end("<h1>Bad gateway</h1>");
  });
  const error = await rejection(new Nova({ baseUrl: server.url }).user.searchUsers({ query: "a" }));
  assert.deepEqual([error.status, error.reason], [502, "HTTP_502"]);
});

const unwell = (t, times, fail) => serve(t, (_call, number, response) => (number <= times ? fail(response) : { ok: true }));
const cut = (response) => void response.destroy();
const unavailable = () => problem(503, "UNAVAILABLE");

test("what can be repeated is, up to three times, when the network or the server fails for a moment", async (t) => {
  const calls = [
    (nova) => nova.messaging.listConversations(),
    (nova) => nova.user.blockUser({ blockedId: "b" }),
    (nova) => nova.messaging.deleteMessage({ messageId: "m" }),
    (nova) => nova.messaging.sendMessage({ conversationId: "c", content: "x", clientMessageId: "1" }),
    (nova) => nova.messaging.createConversation({ type: "GROUP" }, { idempotencyKey: "1" }),
  ];
  const tried = [cut, unavailable].flatMap((fail) =>
    calls.map(async (call) => {
      const server = await unwell(t, 3, fail);
      assert.deepEqual(await call(new Nova({ baseUrl: server.url })), { ok: true });
      assert.equal(server.calls.length, 4);
    }),
  );
  await Promise.all(tried);
});

test("the fourth failure is told", async (t) => {
  const server = await unwell(t, 9, unavailable);
  const error = await rejection(new Nova({ baseUrl: server.url }).messaging.listConversations());
  assert.deepEqual([error.reason, server.calls.length], ["UNAVAILABLE", 4]);
});

test("what may have been done is not repeated", async (t) => {
  for (const [fail, reason] of [[cut, "NETWORK"], [unavailable, "UNAVAILABLE"]]) {
    const server = await unwell(t, 1, fail);
    const nova = new Nova({ baseUrl: server.url });
    assert.equal((await rejection(nova.messaging.sendMessage({ conversationId: "c", content: "x" }))).reason, reason);
    assert.equal(server.calls.length, 1);
  }
});

test("a refusal is not repeated", async (t) => {
  for (const status of [400, 404, 409, 429, 500]) {
    const server = await unwell(t, 1, () => problem(status, "INTERNAL"));
    await rejection(new Nova({ baseUrl: server.url }).messaging.listConversations());
    assert.equal(server.calls.length, 1, String(status));
  }
});

test("the server's word on when to come back is kept, unless there is no time for it", async (t) => {
  const server = await unwell(t, 1, () => problem(503, "UNAVAILABLE", { "retry-after": "1" }));
  const nova = new Nova({ baseUrl: server.url });
  const begun = Date.now();
  await nova.messaging.listConversations();
  assert.ok(Date.now() - begun >= 990, `${Date.now() - begun} ms`);

  const busy = await unwell(t, 1, () => problem(503, "UNAVAILABLE", { "retry-after": "60" }));
  const error = await rejection(new Nova({ baseUrl: busy.url }).messaging.listConversations());
  assert.deepEqual([error.reason, error.retryAfter, busy.calls.length], ["UNAVAILABLE", 60, 1]);
});

test("a call ends when its time is over, and when the caller wants no more", async (t) => {
  const server = await serve(t, () => new Promise(() => {}));
  const nova = new Nova({ baseUrl: server.url });
  const late = await rejection(nova.messaging.listConversations({}, { timeoutMs: 80 }));
  assert.deepEqual([late.status, late.reason], [0, "DEADLINE_EXCEEDED"]);

  const controller = new AbortController();
  const call = nova.messaging.listConversations({}, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("no more")), 30);
  await assert.rejects(call, /no more/);
});

test("a caller who wants no more does not wait for the next try", async (t) => {
  const server = await unwell(t, 9, () => problem(503, "UNAVAILABLE", { "retry-after": "20" }));
  const signal = AbortSignal.timeout(50);
  await assert.rejects(new Nova({ baseUrl: server.url }).messaging.listConversations({}, { signal }), { name: "TimeoutError" });
});

test("a server that is not there is NETWORK", async () => {
  const nova = new Nova({ baseUrl: "http://127.0.0.1:1" });
  const error = await rejection(nova.auth.login({ identifier: "a", password: "b" }));
  assert.deepEqual([error.status, error.reason], [0, "NETWORK"]);
});

test("a request that lacks what stands in the path is the caller's fault, not the network's", async () => {
  const nova = new Nova({ baseUrl: "http://127.0.0.1:1" });
  await assert.rejects(nova.messaging.getMessage({ messageId: "" }), TypeError);
});
