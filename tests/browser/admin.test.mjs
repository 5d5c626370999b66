import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { call, launch, open, person } from "./kit.mjs";

let browser;
let admin;
before(async () => {
  browser = await launch();
  const [identifier, password] = process.env.NOVA_ADMIN.split(":");
  const { tokens } = await call("POST", "/api/v1/auth/login", { identifier, password });
  admin = { tokens, token: tokens.accessToken };
});
after(() => browser.close());

test("who is no administrator is told so", async () => {
  const page = await open(browser, { as: await person("Ann"), path: "/admin" });
  await page.getByRole("heading", { name: "You are not an administrator" }).waitFor();
  assert.deepEqual(page.said, []);
});

test("an administrator finds people, gives and takes roles, and ends a session: its browser is at the log-in within two seconds", async () => {
  const ann = await person("Ann");
  const theirs = await open(browser, { as: ann, expected: ["status of 401"] });
  await theirs.getByText("No conversations yet.").waitFor();

  const page = await open(browser, { as: admin, path: "/admin" });
  await page.getByRole("searchbox").fill(ann.username);
  await page.getByRole("link", { name: new RegExp(ann.username) }).click();
  await page.getByText("failed log-ins in a row: 0").waitFor();
  await page.getByRole("button", { name: "Grant moderator" }).click();
  await page.getByRole("button", { name: "Revoke moderator" }).waitFor();
  assert.deepEqual(
    (await call("GET", `/api/v1/admin/users?search=${ann.username}`, undefined, admin.token)).users[0].roles,
    ["moderator", "user"],
  );

  const begun = Date.now();
  await page.getByRole("button", { name: /^End the session/ }).click();
  await theirs.getByRole("heading", { name: "Log in" }).waitFor({ timeout: 2000 });
  assert.ok(Date.now() - begun < 2000);
  await theirs.getByText("Your session has ended.").waitFor();
  await page.getByText("No live sessions.").waitFor();
  await page.getByRole("button", { name: "Revoke moderator" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take it" }).click();
  await page.getByRole("button", { name: "Grant moderator" }).waitFor();
  assert.deepEqual([page.said, theirs.said], [[], []]);
});

test("a lock-out is shown", async () => {
  const ann = await person("Ann");
  for (let tries = 0; tries < 5; tries++) {
    await call("POST", "/api/v1/auth/login", { identifier: ann.username, password: "wrong password" }).catch(
      () => undefined,
    );
  }
  const page = await open(browser, { as: admin, path: `/admin#/person/${ann.username}` });
  await page.getByText(/^Locked until .*failed log-ins in a row: 5/).waitFor();
  assert.deepEqual(page.said, []);
});

test("the audit log of an account is found from its page, and by kind", async () => {
  const ann = await person("Ann");
  await call("POST", "/api/v1/auth/login", { identifier: ann.username, password: "wrong password" }).catch(
    () => undefined,
  );
  const page = await open(browser, { as: admin, path: `/admin#/person/${ann.username}` });
  await page.getByRole("link", { name: "What the audit log has on this account" }).click();
  await page.getByRole("listitem").filter({ hasText: "Registration" }).waitFor();
  await page.getByRole("listitem").filter({ hasText: /Log-in\s*INVALID_CREDENTIALS/ }).waitFor();
  await page.getByRole("combobox", { name: "Kind of event" }).selectOption("Registration");
  await page.getByRole("listitem").filter({ hasText: "INVALID_CREDENTIALS" }).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "All accounts" }).click();
  await page.getByRole("combobox", { name: "Kind of event" }).selectOption("Read by an administrator");
  await page.getByRole("listitem").filter({ hasText: "rpc: ListUsers" }).first().waitFor();
  assert.deepEqual(page.said, []);
});

test("a webhook is registered, its secret shown once; a test shows why it can not be delivered; it is disabled and deleted", async () => {
  const page = await open(browser, { as: admin, path: "/admin#/webhooks", expected: ["status of 400"] });
  await page.getByRole("button", { name: "Add a webhook" }).click();
  await page.getByLabel("Address").fill("ftp://127.0.0.1");
  await page.getByRole("button", { name: "Add it" }).click();
  await page.getByText("Must begin with https://").waitFor();
  await page.getByLabel("Address").fill("https://localhost:9443/hook");
  await page.getByLabel("Types of events").fill("nova.user.registered.v1 nova.user.deleted.v1");
  await page.getByRole("button", { name: "Add it" }).click();
  assert.match(await page.locator("code.secret").innerText(), /^whsec_/);
  await page.getByRole("button", { name: "I have kept it" }).click();

  await page.getByRole("link", { name: /localhost:9443/ }).click();
  await page.getByText("nova.user.deleted.v1, nova.user.registered.v1").waitFor();
  await page.getByRole("button", { name: "Send a test event" }).click();
  // This machine itself is no place to send events to.
  await page.getByText("1: ADDRESS_FORBIDDEN").waitFor();
  await page.getByText("nova.webhook.test.v1").first().waitFor();
  await page.getByRole("button", { name: "Send it again" }).click();
  await page.getByText("2: ADDRESS_FORBIDDEN").waitFor();

  await page.getByRole("link", { name: "The webhook" }).click();
  await page.getByText("failing", { exact: true }).waitFor();
  await page.getByRole("combobox", { name: "State of deliveries" }).selectOption("Given up");
  await page.getByText("No such delivery.").waitFor();
  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("button", { name: "Enable" }).waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete it" }).click();
  await page.getByText("No webhooks yet.").waitFor();
  assert.deepEqual(page.said, []);
});

test("the health of services and the state of streams are shown", async () => {
  const listener = await open(browser, { as: await person("Ann") });
  await listener.getByText("No conversations yet.").waitFor();
  const page = await open(browser, { as: admin, path: "/admin#/health" });
  await page.getByText("Everything answers.").waitFor();
  for (const service of ["auth", "user", "messaging"]) await page.locator(".tile.good", { hasText: service }).waitFor();
  await page.getByRole("link", { name: "Streams" }).click();
  await page.locator(".tile", { hasText: /Open streams\s*[1-9]/ }).waitFor();
  assert.deepEqual([page.said, listener.said], [[], []]);
});
