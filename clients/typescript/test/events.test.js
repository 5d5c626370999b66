import assert from "node:assert/strict";
import { test } from "node:test";

import { Transport } from "../dist/call.js";
import { EventStream } from "../dist/events.js";
import { Nova } from "../dist/index.js";
import { Session } from "../dist/session.js";
import { bearer, problem, serve, stream, tokens } from "./server.js";

const sent = (number) => ({ cursor: `c${number}`, messageSent: { id: `m${number}`, content: `grüße 👋 ${number}` } });
const heartbeat = (number) => ({ cursor: `c${number}`, heartbeat: {} });

/** Takes so many events. */
async function take(events, count) {
  const found = [];
  for await (const event of events) {
    found.push(event);
    if (found.length === count) break;
  }
  return found;
}

const contents = (events) => events.map((event) => event.messageSent?.content);

test("heartbeats move the cursor and are not handed out; typing moves nothing", async (t) => {
  const server = await serve(t, (_call, _number, response) => {
    const out = stream(response);
    out.send(heartbeat(1));
    out.send({ cursor: "", typing: { userId: "b" } });
    out.send(heartbeat(2));
    out.send(sent(3));
  });
  const own = tokens();
  const nova = new Nova({ baseUrl: server.url, tokens: own });
  const states = [];
  const events = nova.events({ conversationIds: ["x", "y"], onState: (state) => states.push(state) });
  assert.equal(events.cursor, undefined);
  const seen = [];
  for await (const event of events) {
    seen.push([event.typing ? "typing" : event.messageSent.id, events.cursor]);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, [["typing", "c1"], ["m3", "c3"]]);
  assert.deepEqual(states, ["connecting", "open"]);
  const [call] = server.calls;
  assert.equal(call.path, "/api/v1/events");
  assert.equal(call.query.has("cursor"), false);
  assert.deepEqual(call.query.getAll("conversationIds"), ["x", "y"]);
  assert.equal(call.headers.accept, "text/event-stream");
  assert.equal(bearer(call), own.accessToken);
});

test("however often the connection is cut, and wherever, each event comes once and in order", async (t) => {
  const COUNT = 30;
  let cutAt = 0;
  const server = await serve(t, (call, _number, response) => {
    const out = stream(response);
    const after = Number(call.query.get("cursor")?.slice(1) ?? 0);
    const all = [];
    for (let number = after + 1; number <= COUNT; number++) {
      const event = sent(number);
      all.push(`id: ${event.cursor}\nevent: messageSent\ndata: ${JSON.stringify(event)}\n\n`);
    }
    const bytes = Buffer.from(`data: ${JSON.stringify({ cursor: `c${after}`, heartbeat: {} })}\n\n${all.join("")}`);
    // Somewhere: in the middle of a line, of a character, or of the empty line.
    cutAt = (cutAt + 197) % 500;
    const end = Math.min(bytes.length, 250 + cutAt);
    for (let at = 0; at < end; at += 61) out.write(bytes.subarray(at, Math.min(end, at + 61)));
    setTimeout(() => (end === bytes.length ? out.end() : out.cut()), 20);
  });
  const nova = new Nova({ baseUrl: server.url, tokens: tokens() });
  const found = await take(nova.events({ cursor: "c0" }), COUNT);
  assert.deepEqual(contents(found), Array.from({ length: COUNT }, (_, place) => sent(place + 1).messageSent.content));
  assert.ok(server.calls.length > 3, `${server.calls.length} connections`);
});

test("a stream can be taken up again where the loop was left", async (t) => {
  const server = await serve(t, (call, _number, response) => {
    const out = stream(response);
    const after = Number(call.query.get("cursor")?.slice(1) ?? 0);
    out.send(heartbeat(after));
    for (let number = after + 1; number <= after + 5; number++) out.send(sent(number));
  });
  const events = new Nova({ baseUrl: server.url, tokens: tokens() }).events();
  assert.deepEqual((await take(events, 2)).map((event) => event.cursor), ["c1", "c2"]);
  assert.deepEqual((await take(events, 2)).map((event) => event.cursor), ["c3", "c4"]);
});

test("an expired token is renewed, and the stream goes on at once", async (t) => {
  const [first, second] = [tokens(), tokens()];
  const server = await serve(t, (call, _number, response) => {
    if (call.path === "/api/v1/auth/refresh") return { tokens: second };
    const out = stream(response);
    if (bearer(call) === first.accessToken) {
      out.send(heartbeat(1));
      out.send(sent(2));
      return out.problem(401, "TOKEN_EXPIRED");
    }
    assert.equal(call.query.get("cursor"), "c2");
    out.send(heartbeat(2));
    return out.send(sent(3));
  });
  const states = [];
  const nova = new Nova({ baseUrl: server.url, tokens: first });
  const found = await take(nova.events({ onState: (state) => states.push(state) }), 2);
  assert.deepEqual(found.map((event) => event.cursor), ["c2", "c3"]);
  assert.deepEqual(states, ["connecting", "open", "connecting", "open"]);
  assert.deepEqual(server.calls.map((call) => call.path), ["/api/v1/events", "/api/v1/auth/refresh", "/api/v1/events"]);
});

test("a stream whose session has ended throws, and signs out", async (t) => {
  const server = await serve(t, (call, _number, response) => {
    if (call.path === "/api/v1/auth/refresh") return problem(401, "TOKEN_REVOKED");
    const out = stream(response);
    out.send(heartbeat(1));
    return out.problem(401, "TOKEN_REVOKED");
  });
  const told = [];
  const nova = new Nova({ baseUrl: server.url, tokens: tokens(), onTokens: (tokens) => told.push(tokens) });
  await assert.rejects(take(nova.events(), 1), { status: 401, reason: "TOKEN_REVOKED" });
  assert.deepEqual(told, [null]);
});

test("nobody signed in has no stream, and another person does not go on with it", async (t) => {
  const server = await serve(t, (_call, _number, response) => {
    const out = stream(response);
    out.send(heartbeat(1));
    out.send(sent(2));
    setTimeout(() => out.send(sent(3)), 50);
  });
  await assert.rejects(take(new Nova({ baseUrl: server.url }).events(), 1), { reason: "UNAUTHENTICATED" });
  for (const next of [null, tokens({ sub: "bob" })]) {
    const nova = new Nova({ baseUrl: server.url, tokens: tokens() });
    const seen = [];
    const reading = (async () => {
      for await (const event of nova.events()) {
        seen.push(event.cursor);
        nova.useTokens(next);
      }
    })();
    await assert.rejects(reading, { status: 401, reason: "UNAUTHENTICATED" });
    assert.deepEqual(seen, ["c2"]);
  }
});

test("what coming back does not mend is thrown", async (t) => {
  for (const [status, reason] of [[400, "CURSOR_EXPIRED"], [400, "CURSOR_INVALID"], [404, "CONVERSATION_NOT_FOUND"]]) {
    const server = await serve(t, () => problem(status, reason));
    const nova = new Nova({ baseUrl: server.url, tokens: tokens() });
    await assert.rejects(take(nova.events({ cursor: "old" }), 1), { status, reason });
    assert.equal(server.calls.length, 1);
  }
});

test("what passes is waited for", async (t) => {
  const ends = [
    (response) => void response.destroy(),
    () => problem(503, "UNAVAILABLE"),
    () => problem(429, "TOO_MANY_STREAMS"),
    (response) => stream(response).problem(503, "UNAVAILABLE"),
    (response) => stream(response).problem(400, "SLOW_READER"),
    (response) => stream(response).end(),
  ];
  const waited = ends.map(async (end) => {
    const server = await serve(t, (call, number, response) => {
      if (number === 1) return end(response);
      assert.equal(call.query.get("cursor"), "c5");
      const out = stream(response);
      out.send(heartbeat(5));
      return out.send(sent(6));
    });
    const states = [];
    const nova = new Nova({ baseUrl: server.url, tokens: tokens() });
    const events = nova.events({ cursor: "c5", onState: (state) => states.push(state) });
    assert.deepEqual((await take(events, 1)).map((event) => event.cursor), ["c6"]);
    assert.deepEqual(states, ["connecting", "waiting", "connecting", "open"]);
  });
  await Promise.all(waited);
});

test("a connection that says nothing is taken for dead", async (t) => {
  const server = await serve(t, (_call, number, response) => {
    const out = stream(response);
    out.send(heartbeat(number));
    if (number === 2) out.send(sent(3));
  });
  let session;
  const transport = new Transport(server.url, fetch, () => session);
  session = new Session("lock", { tokens: tokens() }, () => assert.fail("there is nothing to renew"));
  const begun = Date.now();
  const found = await take(new EventStream(transport, session, {}, 100), 1);
  assert.deepEqual(found.map((event) => event.cursor), ["c3"]);
  assert.equal(server.calls[1].query.get("cursor"), "c1");
  assert.ok(Date.now() - begun >= 100);
});

test("the time that one takes over an event is not held against the server", async (t) => {
  const server = await serve(t, (_call, number, response) => {
    const out = stream(response);
    out.send(heartbeat(number));
    out.send(sent(2));
    out.send(sent(3));
  });
  let session;
  const transport = new Transport(server.url, fetch, () => session);
  session = new Session("lock", { tokens: tokens() }, () => assert.fail("there is nothing to renew"));
  const seen = [];
  for await (const event of new EventStream(transport, session, {}, 100)) {
    seen.push(event.cursor);
    if (seen.length === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.deepEqual([seen, server.calls.length], [["c2", "c3"], 1]);
});

test("the signal ends the loop without an error, wherever it is", async (t) => {
  const server = await serve(t, (call, _number, response) => {
    if (call.query.get("cursor") === "refused") return problem(503, "UNAVAILABLE", { "retry-after": "30" });
    return void stream(response).send(heartbeat(1));
  });
  const nova = new Nova({ baseUrl: server.url, tokens: tokens() });
  for (const cursor of [undefined, "refused"]) {
    assert.deepEqual(await take(nova.events({ cursor, signal: AbortSignal.timeout(60) }), 1), []);
  }
  assert.deepEqual(await take(nova.events({ signal: AbortSignal.abort() }), 1), []);
});

test("a browser that finds the network again does not wait on", async (t) => {
  const page = new EventTarget();
  for (const name of ["addEventListener", "removeEventListener"]) {
    globalThis[name] = page[name].bind(page);
    t.after(() => delete globalThis[name]);
  }
  const server = await serve(t, (_call, number, response) => {
    if (number === 1) return problem(503, "UNAVAILABLE", { "retry-after": "30" });
    return void stream(response).send(sent(1));
  });
  const nova = new Nova({ baseUrl: server.url, tokens: tokens() });
  const onState = (state) => state === "waiting" && setTimeout(() => page.dispatchEvent(new Event("online")), 30);
  assert.equal((await take(nova.events({ onState }), 1)).length, 1);
});
