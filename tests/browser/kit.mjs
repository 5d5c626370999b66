// What the tests share: a browser, people, and pages that watch what the console says.
import { randomBytes } from "node:crypto";
import net from "node:net";
import { chromium } from "playwright-core";

/** Where Nova is; scripts/browser.sh says so. */
export const base = process.env.NOVA_URL ?? "http://127.0.0.1:8000";

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser of the machine. */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: ARGS });
}

/** A call of the API, as the person with this token. Throws what was answered if it is no success. */
export async function call(verb, path, body, token) {
  const answer = await fetch(base + path, {
    method: verb,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${verb} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/**
 * A wire to Nova that can be cut: what a browser calls being offline leaves a stream alone that is open already. Pages that are
 * opened at its `url` come through it.
 */
export async function wire() {
  const nova = new URL(base);
  const sockets = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) return near.destroy();
    const far = net.connect(Number(nova.port), nova.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => (sockets.delete(one), other.destroy()));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const url = `http://127.0.0.1:${server.address().port}`;
  const cut = async (page) => {
    isCut = true;
    await page.context().setOffline(true);
    for (const socket of sockets) socket.destroy();
  };
  const mend = async (page) => {
    isCut = false;
    await page.context().setOffline(false);
  };
  return { url, cut, mend };
}

let count = 0;
// Test files run beside each other, and may start in the same millisecond.
const run = randomBytes(5).toString("hex");

export const PASSWORD = "correct horse battery";

/** Registers somebody, under a name that nobody has unless one is given. */
export async function person(displayName, name) {
  const username = name ?? `${displayName.toLowerCase().replace(/[^a-z]/g, "")}.${run}${count++}`;
  const { user, tokens } = await call("POST", "/api/v1/auth/register", {
    username,
    displayName,
    email: `${username}@example.org`,
    password: PASSWORD,
  });
  return { id: user.id, username, displayName, tokens, token: tokens.accessToken };
}

/** Opens a direct conversation. */
export async function direct(one, other) {
  const { conversation } = await call(
    "POST",
    "/api/v1/conversations",
    { type: "DIRECT", memberIds: [other.id] },
    one.token,
  );
  return conversation.id;
}

/** Sends a message by the API. */
export async function send(from, conversationId, content) {
  const { message } = await call("POST", `/api/v1/conversations/${conversationId}/messages`, { content }, from.token);
  return message;
}

/**
 * Opens a page in a context of its own. `expected` are texts that the console may say; anything else of the kinds error and
 * warning is kept in `said`, and the test asserts that there is nothing.
 */
export async function open(browser, { as, at = base, path = "/", expected = [], ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    ...options,
  });
  context.setDefaultTimeout(10_000);
  if (as) {
    await context.addInitScript((tokens) => {
      if (!sessionStorage.getItem("begun")) localStorage.setItem("nova.tokens", tokens);
      sessionStorage.setItem("begun", "true");
    }, JSON.stringify(as.tokens));
  }
  const page = await context.newPage();
  const said = [];
  page.expected = expected;
  const listen = (text) => {
    if (!page.expected.some((it) => text.includes(it))) said.push(text);
  };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) listen(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => listen(String(error)));
  page.said = said;
  await page.goto(at + path);
  return page;
}

/** The texts of the messages that a page shows, in their order. */
export function texts(page) {
  return page.locator(".message .bubble-text").allTextContents();
}

/** Waits until something holds, and says what it was at the end if it never does. */
export async function eventually(look, holds, within = 10_000) {
  const end = Date.now() + within;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > end) throw new Error(`not within ${within} ms; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
