import assert from "node:assert/strict";
import { test } from "node:test";

import { Nova } from "../dist/index.js";
import { bearer, problem, serve, tokens } from "./server.js";

/** A server that knows one access token at a time, and gives out the next for the refresh token that belongs to it. */
async function rotating(t, first, { from = 0, onRefresh } = {}) {
  const state = { good: first, refreshes: 0 };
  const server = await serve(t, async (call) => {
    if (call.path === "/api/v1/auth/refresh") {
      state.refreshes += 1;
      const refused = await onRefresh?.(call, state.refreshes);
      if (refused !== undefined) return refused;
      if (call.body.refreshToken !== state.good.refreshToken) return problem(401, "REFRESH_TOKEN_REUSED");
      state.good = tokens({ from });
      return { tokens: state.good };
    }
    if (call.path === "/api/v1/auth/logout") return { token: bearer(call) ?? "" };
    return bearer(call) === state.good.accessToken ? { ok: true } : problem(401, state.reason ?? "TOKEN_EXPIRED");
  });
  return Object.assign(state, server);
}

test("many calls that find the token expired renew it once", async (t) => {
  const server = await rotating(t, tokens());
  const old = { ...tokens(), refreshToken: server.good.refreshToken };
  const told = [];
  const nova = new Nova({ baseUrl: server.url, tokens: old, onTokens: (tokens) => told.push(tokens) });
  const answers = await Promise.all(Array.from({ length: 10 }, () => nova.messaging.sendMessage({ conversationId: "c" })));
  assert.equal(answers.filter(({ ok }) => ok).length, 10);
  assert.equal(server.refreshes, 1);
  assert.deepEqual(told, [server.good]);
  assert.deepEqual(nova.tokens, server.good);
});

test("a token is renewed before it expires", async (t) => {
  const server = await rotating(t, tokens({ from: -880 }));
  const nova = new Nova({ baseUrl: server.url, tokens: server.good });
  await Promise.all([nova.messaging.listConversations(), nova.user.searchUsers()]);
  assert.equal(server.refreshes, 1);
  assert.deepEqual(server.calls.filter((call) => call.path !== "/api/v1/auth/refresh").map(bearer), [
    server.good.accessToken,
    server.good.accessToken,
  ]);
});

test("a clock that is an hour ahead costs one renewal, not one a call", async (t) => {
  const server = await rotating(t, tokens({ from: -3600 }), { from: -3600 });
  const nova = new Nova({ baseUrl: server.url, tokens: server.good });
  for (let i = 0; i < 3; i++) await nova.messaging.listConversations();
  nova.useTokens({ ...server.good });
  await nova.messaging.listConversations();
  assert.equal(server.refreshes, 1);
});

test("a refused renewal signs out, and the calls learn why", async (t) => {
  const server = await rotating(t, tokens(), { onRefresh: () => problem(401, "REFRESH_TOKEN_EXPIRED") });
  const told = [];
  const nova = new Nova({ baseUrl: server.url, tokens: tokens(), onTokens: (tokens) => told.push(tokens) });
  const calls = [nova.messaging.listConversations(), nova.messaging.listConversations()];
  for (const { reason } of await Promise.allSettled(calls)) {
    assert.equal(reason.reason, "REFRESH_TOKEN_EXPIRED");
  }
  assert.deepEqual(told, [null]);
  assert.equal(nova.tokens, null);
  await assert.rejects(nova.messaging.listConversations(), { status: 401, reason: "TOKEN_EXPIRED" });
  assert.equal(server.refreshes, 1);
});

test("a session that was ended elsewhere signs out too", async (t) => {
  const server = await rotating(t, tokens(), { onRefresh: () => problem(401, "TOKEN_REVOKED") });
  server.reason = "TOKEN_REVOKED";
  const nova = new Nova({ baseUrl: server.url, tokens: tokens() });
  await assert.rejects(nova.messaging.listConversations(), { reason: "TOKEN_REVOKED" });
  assert.equal(nova.tokens, null);
});

test("a lost answer to a renewal is asked for again, and the network signs nobody out", async (t) => {
  let lose = 1;
  const server = await rotating(t, tokens(), {
    onRefresh: (_call, number) => (number <= lose ? problem(503, "UNAVAILABLE") : undefined),
  });
  const nova = new Nova({ baseUrl: server.url, tokens: { ...tokens(), refreshToken: server.good.refreshToken } });
  assert.deepEqual(await nova.messaging.listConversations(), { ok: true });
  assert.equal(server.refreshes, 2);

  lose = Infinity;
  const told = [];
  const cut = new Nova({ baseUrl: server.url, tokens: tokens(), onTokens: (tokens) => told.push(tokens) });
  await assert.rejects(cut.messaging.sendMessage({ conversationId: "c" }), { reason: "UNAVAILABLE" });
  assert.notEqual(cut.tokens, null);
  assert.deepEqual(told, []);
});

test("a token that is still good is used on when it cannot be renewed", async (t) => {
  const server = await rotating(t, tokens({ from: -880 }), { onRefresh: () => problem(503, "UNAVAILABLE") });
  const nova = new Nova({ baseUrl: server.url, tokens: server.good });
  assert.deepEqual(await nova.messaging.listConversations(), { ok: true });
  const tried = server.refreshes;
  assert.deepEqual(await nova.messaging.listConversations(), { ok: true });
  assert.equal(server.refreshes, tried, "not tried again at once");
});

/** Locks as a browser has them, in Nodes that have none. */
function locks(t) {
  const waiting = new Map();
  const request = (name, run) => {
    const turn = (waiting.get(name) ?? Promise.resolve()).then(run);
    waiting.set(name, turn.catch(() => {}));
    return turn;
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
  t.after(() => {
    if (before === undefined) delete globalThis.navigator;
    else Object.defineProperty(globalThis, "navigator", before);
  });
}

test("of two tabs one renews, and the other takes what it stored", async (t) => {
  locks(t);
  const server = await rotating(t, tokens());
  let stored = { ...tokens(), refreshToken: server.good.refreshToken };
  const tab = () =>
    new Nova({ baseUrl: server.url, loadTokens: () => stored, onTokens: (tokens) => (stored = tokens) });
  const [one, two] = [tab(), tab()];
  await Promise.all([one.messaging.listConversations(), two.messaging.listConversations()]);
  assert.equal(server.refreshes, 1);
  assert.deepEqual(one.tokens, two.tokens);
  assert.deepEqual(stored, server.good);
});

test("a tab learns of another tab's sign-out instead of renewing", async (t) => {
  const server = await rotating(t, tokens());
  let stored = tokens();
  const told = [];
  const nova = new Nova({ baseUrl: server.url, loadTokens: () => stored, onTokens: (tokens) => told.push(tokens) });
  stored = null;
  await assert.rejects(nova.messaging.listConversations(), { status: 401, reason: "UNAUTHENTICATED" });
  assert.equal(server.refreshes, 0);
  assert.deepEqual(told, [null]);
});

test("who signs out during a renewal stays signed out", async (t) => {
  let nova;
  const server = await rotating(t, tokens(), { onRefresh: () => void nova.useTokens(null) });
  const told = [];
  nova = new Nova({
    baseUrl: server.url,
    tokens: { ...tokens(), refreshToken: server.good.refreshToken },
    onTokens: (tokens) => told.push(tokens),
  });
  await assert.rejects(nova.messaging.listConversations(), { status: 401 });
  assert.equal(nova.tokens, null);
  assert.deepEqual(told, []);
});

test("a call that anybody may make goes with the token that there is and renews none", async (t) => {
  const server = await rotating(t, tokens());
  const expired = tokens({ from: -2000 });
  const nova = new Nova({ baseUrl: server.url, tokens: expired });
  assert.deepEqual(await nova.auth.logout(), { token: expired.accessToken });
  nova.useTokens(null);
  assert.deepEqual(await nova.auth.logout(), { token: "" });
  assert.equal(server.refreshes, 0);
});
