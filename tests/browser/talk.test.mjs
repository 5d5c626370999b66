import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { call, direct, eventually, launch, open, person, send, texts, wire } from "./kit.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

// What a browser itself says of every request that fails while there is no network.
const OFFLINE = [
  "net::ERR_INTERNET_DISCONNECTED",
  "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
  "net::ERR_CONNECTION",
  "net::ERR_EMPTY_RESPONSE",
  "net::ERR_SOCKET",
];

async function write(page, text) {
  await page.getByRole("textbox", { name: /^Message to/ }).fill(text);
  await page.keyboard.press("Enter");
}

async function talking(...names) {
  const [ann, ben] = await Promise.all(names.map((name) => person(name)));
  const id = await direct(ann, ben);
  return { ann, ben, id };
}

test("two people talk: typing, arrival, and what has been seen are shown to the other at once", async () => {
  const { ann, ben, id } = await talking("Ann Archer", "Ben Okafor");
  const one = await open(browser, { as: ann, path: `/#/c/${id}` });
  const other = await open(browser, { as: ben, path: `/#/c/${id}` });

  await one.getByRole("textbox", { name: "Message to Ben Okafor" }).pressSequentially("Hel");
  await other.getByText("Ann Archer is writing …").first().waitFor();
  await write(one, "Hello Ben <b>not bold</b>");
  await other.getByText("Hello Ben <b>not bold</b>").first().waitFor();
  assert.equal(await other.locator(".message b").count(), 0, "texts are shown as text");
  await eventually(
    () => other.locator(".typists").textContent(),
    (text) => text === "",
  );
  await one.getByText("Seen", { exact: true }).waitFor();

  await write(other, "See https://example.org/a?b=c.");
  const link = one.getByRole("link", { name: "https://example.org/a?b=c", exact: true });
  await link.waitFor();
  assert.match(await link.getAttribute("rel"), /noopener/);
  assert.match(await one.locator("#announcements").textContent(), /^Ben Okafor: See https/);
  assert.deepEqual(await texts(one), ["Hello Ben <b>not bold</b>", "See https://example.org/a?b=c."]);
  assert.deepEqual([one.said, other.said], [[], []]);
});

test("who is offline in the middle has each message once and in order when they are back, and so have the others", async () => {
  const { ann, ben, id } = await talking("Ann", "Ben");
  const line = await wire();
  const one = await open(browser, { as: ann, at: line.url, path: `/#/c/${id}` });
  const other = await open(browser, { as: ben, path: `/#/c/${id}` });
  await write(one, "one");
  await other.getByText("one", { exact: true }).first().waitFor();

  one.expected.push(...OFFLINE);
  await line.cut(one);
  await one.getByText("Offline. Messages wait here and are sent later.").waitFor();
  for (const text of ["two from Ann", "three from Ann"]) await write(one, text);
  for (const text of ["two from Ben", "three from Ben"]) await write(other, text);
  await eventually(
    () => texts(other),
    (seen) => seen.length === 3,
  );
  assert.deepEqual((await texts(one)).slice(-2), ["two from Ann", "three from Ann"], "what waits is shown");
  assert.equal(await one.locator(".message.unsent").count(), 2);
  assert.equal((await texts(one)).length, 3, "nothing comes through");

  await line.mend(one);
  await eventually(
    () => texts(other),
    (seen) => seen.length === 5,
  );
  await eventually(
    () => texts(one),
    (seen) => seen.length === 5,
  );
  await eventually(
    () => one.locator(".message.unsent").count(),
    (count) => count === 0,
  );
  const { messages } = await call("GET", `/api/v1/conversations/${id}/messages`, undefined, ann.token);
  const stored = messages.reverse().map((message) => message.content);
  assert.deepEqual(stored, ["one", "two from Ben", "three from Ben", "two from Ann", "three from Ann"]);
  assert.deepEqual(await texts(one), stored);
  assert.deepEqual(await texts(other), stored);
  await one.locator(".connection p").waitFor({ state: "detached" });
  assert.deepEqual([one.said, other.said], [[], []]);
});

test("a send whose answers are lost is one message", async () => {
  const { ann, ben, id } = await talking("Ann", "Ben");
  const page = await open(browser, { as: ann, path: `/#/c/${id}`, expected: ["net::ERR_FAILED"] });
  await page.getByText("Nothing has been written yet.").waitFor();
  let lost = 0;
  await page.route("**/messages", async (route) => {
    if (route.request().method() !== "POST" || lost >= 5) return route.continue();
    lost += 1;
    await route.fetch();
    await route.abort("failed");
  });
  await write(page, "only once");
  await eventually(
    () => page.locator(".message.unsent").count(),
    (count) => count === 0,
  );
  await write(page, "and this after it");
  const stored = await eventually(
    async () =>
      (await call("GET", `/api/v1/conversations/${id}/messages`, undefined, ben.token)).messages.map(
        (message) => message.content,
      ),
    (seen) => seen.includes("and this after it"),
  );
  assert.deepEqual(stored, ["and this after it", "only once"]);
  assert.deepEqual(await texts(page), ["only once", "and this after it"]);
  assert.ok(lost > 0);
  assert.deepEqual(page.said, []);
});

test("what was not sent yet outlives a reload of the page, and is then sent once", async () => {
  const { ann, ben, id } = await talking("Ann", "Ben");
  const page = await open(browser, { as: ann, path: `/#/c/${id}`, expected: ["net::ERR_FAILED"] });
  await page.getByText("Nothing has been written yet.").waitFor();
  await page.route("**/messages", (route) =>
    route.request().method() === "POST" ? route.abort("failed") : route.continue(),
  );
  await write(page, "written before");
  await write(page, "and this");
  await eventually(
    () => page.locator(".message.unsent").count(),
    (count) => count === 2,
  );
  await page.unroute("**/messages");
  await page.reload();
  await eventually(
    () => texts(page),
    (seen) => seen.length === 2,
  );
  await eventually(
    () => page.locator(".message.unsent").count(),
    (count) => count === 0,
  );
  const { messages } = await call("GET", `/api/v1/conversations/${id}/messages`, undefined, ben.token);
  assert.deepEqual(
    messages.map((message) => message.content),
    ["and this", "written before"],
  );
  assert.deepEqual(page.said, []);
});

test("a cursor that has expired makes the page read everything anew", async () => {
  const { ann, ben, id } = await talking("Ann", "Ben");
  const line = await wire();
  const page = await open(browser, {
    as: ann,
    at: line.url,
    path: `/#/c/${id}`,
    expected: [...OFFLINE, "status of 400"],
  });
  await write(page, "before");
  await page.locator(".message:not(.unsent)").waitFor();
  let expired = 0;
  await page.route(/\/api\/v1\/events\?cursor=/, (route) => {
    if (expired++ > 0) return route.continue();
    const problem = {
      status: 400,
      reason: "CURSOR_EXPIRED",
      detail: "changes after the cursor are no longer kept",
      domain: "messaging.nova",
      metadata: {},
      violations: [],
    };
    return route.fulfill({ status: 400, contentType: "application/problem+json", body: JSON.stringify(problem) });
  });
  await line.cut(page);
  await send(ben, id, "meanwhile");
  await line.mend(page);
  await eventually(
    () => texts(page),
    (seen) => seen.length === 2,
  );
  assert.ok(expired > 0);
  await send(ben, id, "after");
  await eventually(
    () => texts(page),
    (seen) => seen.length === 3,
  );
  assert.deepEqual(await texts(page), ["before", "meanwhile", "after"]);
  assert.deepEqual(page.said, []);
});

test("what is unread is counted until it is seen, in the list, among the views and in the title", async () => {
  const { ann, ben, id } = await talking("Ann Archer", "Ben Okafor");
  const page = await open(browser, { as: ann });
  await page.getByText("Choose a conversation").waitFor();
  await send(ben, id, "first");
  await send(ben, id, "second");
  await page.getByRole("link", { name: /Ben Okafor.*second.*2 unread/ }).waitFor();
  await page.getByRole("link", { name: /^Messages\s*2 unread/ }).waitFor();
  await eventually(
    () => page.title(),
    (title) => title === "(2) Nova",
  );

  await page.getByRole("link", { name: /Ben Okafor/ }).click();
  await page.locator(".divider-new").waitFor();
  await eventually(
    () => page.title(),
    (title) => title === "Nova",
  );
  await eventually(
    async () => (await call("GET", "/api/v1/users/me/unread", undefined, ann.token)).unreadCount,
    (count) => count === "0",
  );
  assert.equal(await page.locator(".badge").count(), 0);
  assert.deepEqual(page.said, []);
});

test("of two edits of one message the later one is shown both texts and chooses", async () => {
  const { ann, id } = await talking("Ann", "Ben");
  const message = await send(ann, id, "Meet at nine");
  const page = await open(browser, { as: ann, path: `/#/c/${id}`, expected: ["status of 409"] });
  await page.getByText("Meet at nine").first().waitFor();

  await page.getByRole("textbox", { name: /^Message to/ }).press("ArrowUp");
  const editor = page.getByRole("textbox", { name: "Edit the message" });
  await editor.fill("Meet at ten");
  await call("PATCH", `/api/v1/messages/${message.id}`, { updatedContent: "Meet at eleven" }, ann.token);
  await editor.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Changed elsewhere" });
  await dialog.getByText("Meet at eleven").waitFor();
  await dialog.getByText("Meet at ten").waitFor();
  await dialog.getByRole("button", { name: "Use mine" }).click();
  await dialog.waitFor({ state: "detached" });
  await eventually(
    () => texts(page),
    (seen) => seen.length === 1 && seen[0] === "Meet at ten",
  );
  await page.getByText("edited", { exact: true }).waitFor();
  const now = await call("GET", `/api/v1/messages/${message.id}`, undefined, ann.token);
  assert.equal(now.message.content, "Meet at ten");

  await page.locator(".message").hover();
  await page.getByRole("button", { name: "Delete this message" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await eventually(
    () => texts(page),
    (seen) => seen[0] === "Deleted",
  );
  assert.deepEqual(page.said, []);
});

test("older messages come in above on scrolling up, and one stays where one was", async () => {
  const { ann, ben, id } = await talking("Ann", "Ben");
  const many = 120;
  for (let index = 1; index <= many; index++) await send(index % 3 ? ann : ben, id, `message ${index}`);
  const page = await open(browser, { as: ann, path: `/#/c/${id}` });
  await page.getByText(`message ${many}`, { exact: true }).first().waitFor();
  const first = page.locator(".message").first();
  assert.equal(await first.getAttribute("data-sequence"), "71");

  await page.locator(".timeline").evaluate((box) => (box.scrollTop = 100));
  await eventually(
    () => first.getAttribute("data-sequence"),
    (sequence) => sequence === "21",
  );
  const top = await page.locator(".timeline").evaluate((box) => box.scrollTop);
  assert.ok(top > 500, `the place is kept (${top})`);
  await page.locator(".timeline").evaluate((box) => (box.scrollTop = 0));
  await eventually(
    () => first.getAttribute("data-sequence"),
    (sequence) => sequence === "1",
  );
  const sequences = await page.locator(".message").evaluateAll((all) => all.map((it) => Number(it.dataset.sequence)));
  assert.deepEqual(
    sequences,
    Array.from({ length: many }, (_, index) => index + 1),
  );
  assert.deepEqual(page.said, []);
});

test("a group is made, renamed, given roles, left, and its members see each change", async () => {
  const [ann, ben, cleo] = await Promise.all(["Ann Archer", "Ben Okafor", "Cleo Marsh"].map((name) => person(name)));
  // The name may be saved before this page has heard of the role that it has just given; then it is saved again.
  const page = await open(browser, { as: ann, expected: ["status of 409"] });
  const other = await open(browser, { as: ben });
  await other.getByText("No conversations yet.").waitFor();

  await page.getByRole("button", { name: "New conversation" }).first().click();
  const start = page.getByRole("dialog", { name: "New conversation" });
  for (const { username, displayName } of [ben, cleo]) {
    await start.getByRole("searchbox").fill(username);
    await start.getByRole("button", { name: new RegExp(`${displayName}.*@${username}`) }).click();
  }
  await start.getByLabel("Name of the group").fill("Release crew");
  await start.getByRole("button", { name: "Create group" }).click();
  await other.getByRole("link", { name: /Release crew/ }).click();
  await other.getByRole("button", { name: /Release crew.*3 members/ }).waitFor();

  await page.getByRole("button", { name: /Release crew.*3 members/ }).click();
  const group = page.getByRole("dialog", { name: "Release crew" });
  await group.getByLabel("Role of Ben Okafor").selectOption("ADMIN");
  await group.getByLabel("Name", { exact: true }).fill("Night crew");
  await group.getByRole("button", { name: "Rename" }).click();
  await other.getByRole("heading", { name: "Night crew" }).waitFor();
  const renamed = page.getByRole("dialog", { name: "Night crew" });
  await renamed.getByRole("button", { name: "Remove Cleo Marsh" }).click();
  await page.getByRole("dialog", { name: "Remove Cleo Marsh?" }).getByRole("button", { name: "Remove" }).click();
  await other.getByRole("button", { name: /2 members/ }).waitFor();

  await other.getByRole("button", { name: /Night crew/ }).click();
  await other.getByRole("dialog").getByText("Owner").waitFor();
  await other.getByRole("button", { name: "Leave group" }).click();
  await other.getByRole("dialog", { name: "Leave this group?" }).getByRole("button", { name: "Leave" }).click();
  await other.getByText("No conversations yet.").waitFor();
  await renamed.getByRole("heading", { name: "1 member" }).waitFor();
  assert.deepEqual([page.said, other.said], [[], []]);
});
