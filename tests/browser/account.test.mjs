import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { base, call, direct, eventually, launch, open, PASSWORD, person, texts } from "./kit.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** The code of an authenticator app (RFC 6238), `steps` of 30 seconds from now. */
function totp(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac("sha1", key).update(counter).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

test("an account is made on the page, and what is wrong with a field is said at it", async () => {
  const taken = await person("Ann");
  const page = await open(browser, { path: "/#/join", expected: ["status of 400", "status of 409"] });
  await page.getByLabel("User name").fill("no spaces here");
  await page.getByLabel("E-mail").fill(`${taken.username}.x@example.org`);
  await page.getByLabel("Password").fill("short");
  await page.getByRole("button", { name: "Create account" }).click();
  await eventually(
    () => page.locator("[aria-invalid=true]").count(),
    (count) => count === 2,
  );
  const username = page.getByLabel("User name");
  const about = await username.getAttribute("aria-describedby");
  assert.match(await page.locator(`[id="${about}"]`).textContent(), /\S/);

  await username.fill(taken.username);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByText("Somebody has this user name already.").waitFor();
  await username.fill(`${taken.username}.y`);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByText("No conversations yet.").waitFor();
  assert.deepEqual(page.said, []);
});

test("the keyboard alone is enough to log in, find a conversation and write", async () => {
  const [ann, ben] = await Promise.all(["Ann", "Ben"].map((name) => person(name)));
  await direct(ann, ben);
  const page = await open(browser);
  const { keyboard } = page;
  await page.getByLabel("User name or e-mail").waitFor();
  await keyboard.type(ann.username);
  await keyboard.press("Tab");
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");
  await page.getByRole("link", { name: /^Ben/ }).waitFor();

  const focused = () =>
    page.evaluate(
      () => `${document.activeElement.textContent} ${document.activeElement.getAttribute("aria-label") ?? ""}`,
    );
  for (let presses = 0; !(await focused()).startsWith("BBen"); presses++) {
    assert.ok(presses < 12, "the list is near");
    await keyboard.press("Tab");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, "solid", `the focus is visible at ${await focused()}`);
  }
  await keyboard.press("Enter");
  await eventually(focused, (text) => text.includes("Message to Ben"));
  await keyboard.type("by keyboard");
  await keyboard.press("Enter");
  await eventually(
    () => texts(page),
    (seen) => seen[0] === "by keyboard",
  );
  await page.locator(".message:not(.unsent)").waitFor();

  await keyboard.press("Shift+Tab");
  for (let presses = 0; !(await page.evaluate(() => document.activeElement.classList.contains("message"))); presses++) {
    assert.ok(presses < 4, "the message is near");
    await keyboard.press("Shift+Tab");
  }
  await keyboard.press("Enter");
  await keyboard.press("End");
  await keyboard.type(" alone");
  await keyboard.press("Enter");
  await eventually(
    () => texts(page),
    (seen) => seen[0] === "by keyboard alone",
  );
  await keyboard.press("ArrowUp");
  await page.getByRole("textbox", { name: "Edit the message" }).waitFor();
  await keyboard.press("Escape");
  await eventually(focused, (text) => text.includes("Message to Ben"));
  assert.deepEqual(page.said, []);
});

test("a second factor is set up by QR code or secret, asked for at the next log-in, and turned off", async () => {
  const ann = await person("Ann");
  const page = await open(browser, { as: ann, path: "/#/settings/security", expected: ["status of 401"] });
  await page.getByRole("button", { name: "Set up an app" }).click();
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  const secret = (await page.locator(".secret").textContent()).replaceAll(" ", "");
  await page.getByText(`secret=${secret}`).waitFor();
  await page.getByLabel("Code", { exact: true }).fill(totp(secret, -1));
  await page.getByRole("button", { name: "Turn it on" }).click();
  await eventually(
    () => page.locator(".codes code").count(),
    (count) => count === 10,
  );
  const recovery = await page.locator(".codes code").first().textContent();
  await page.getByRole("button", { name: "I have kept them" }).click();

  await page.getByRole("link", { name: "Account" }).click();
  await page.getByRole("button", { name: "Log out", exact: true }).click();
  await page.getByLabel("User name or e-mail").fill(ann.username);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByLabel("Code", { exact: true }).fill("000000");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText(/\S/).waitFor();
  await page.getByLabel("Code", { exact: true }).fill(totp(secret));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Settings" }).waitFor();

  await page.getByRole("link", { name: "Security" }).click();
  await page.getByRole("button", { name: "Turn it off" }).click();
  await page.getByLabel("Code", { exact: true }).fill(recovery);
  await page.getByRole("button", { name: "Turn it off" }).click();
  await page.getByText("Your second factor is off.").waitFor();
  assert.deepEqual(page.said, []);
});

test("a wrong password so far is said at its field and counts once; a right one changes it", async () => {
  const ann = await person("Ann");
  const page = await open(browser, { as: ann, path: "/#/settings/security", expected: ["status of 401"] });
  let calls = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/auth/password")) calls += 1;
  });
  await page.getByLabel("Password so far").fill("wrong password");
  await page.getByLabel("New password").fill("a better password");
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("This is not your password.").waitFor();
  assert.equal(calls, 1);
  await page.getByLabel("Password so far").fill(PASSWORD);
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("Your password is changed.").waitFor();
  await call("POST", "/api/v1/auth/login", { identifier: ann.username, password: "a better password" });
  assert.deepEqual(page.said, []);
});

test("profile and preferences are saved, and a change made elsewhere meanwhile is not overwritten", async () => {
  const ann = await person("Ann");
  const page = await open(browser, { as: ann, path: "/#/settings", expected: ["status of 409", "status of 400"] });
  await page.getByLabel("About you").fill("Likes tea");
  await page.getByLabel("Web page").fill("not an address");
  await page.locator("form").evaluate((form) => (form.noValidate = true));
  await page.getByRole("button", { name: "Save profile" }).click();
  await page.locator("[name=website][aria-invalid=true]").waitFor();
  await page.getByLabel("Web page").fill("https://example.org/");
  await page.getByLabel("Private account").check();
  await page.getByRole("button", { name: "Save profile" }).click();
  await page.getByText("Your profile is saved.").waitFor();
  const { profile } = await call("GET", "/api/v1/users/me", undefined, ann.token);
  assert.deepEqual([profile.bio, profile.website, profile.private], ["Likes tea", "https://example.org/", true]);

  await call("PATCH", "/api/v1/users/me", { bio: "Likes coffee" }, ann.token);
  await page.getByLabel("Place").fill("Graz");
  await page.getByRole("button", { name: "Save profile" }).click();
  await page.getByText("This was changed elsewhere").waitFor();
  await eventually(
    () => page.getByLabel("About you").inputValue(),
    (text) => text === "Likes coffee",
  );

  await page.getByRole("link", { name: "Preferences" }).click();
  await page.getByLabel("Always dark").check();
  await page.getByLabel("Who may write to you").selectOption("FOLLOWING");
  await page.getByLabel("Time zone").fill("Mars/Olympus");
  await page.getByRole("button", { name: "Save preferences" }).click();
  await page.locator("[name=timezone][aria-invalid=true]").waitFor();
  await page.getByLabel("Time zone").fill("Europe/Vienna");
  await page.getByRole("button", { name: "Save preferences" }).click();
  await page.getByText("Your preferences are saved.").waitFor();
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
  const { settings } = await call("GET", "/api/v1/users/me/settings", undefined, ann.token);
  assert.deepEqual(
    [settings.darkMode, settings.allowMessages, settings.timezone],
    [true, "FOLLOWING", "Europe/Vienna"],
  );
  assert.deepEqual(page.said, []);
});

test("tabs of one browser are logged in and out together, and a session that is ended elsewhere leads to the log-in", async () => {
  const ann = await person("Ann");
  const page = await open(browser);
  const tab = await page.context().newPage();
  await tab.goto(base);
  const logIn = async () => {
    await page.getByLabel("User name or e-mail").fill(ann.username);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
  };
  await logIn();
  await tab.getByText("No conversations yet.").waitFor();
  const { accessToken } = JSON.parse(await tab.evaluate(() => localStorage.getItem("nova.tokens")));
  await tab.goto(`${base}/#/settings/account`);
  await tab.getByRole("button", { name: "Log out", exact: true }).click();
  await page.getByText("You have logged out in another tab.").waitFor();
  await eventually(
    () =>
      call("GET", "/api/v1/users/me", undefined, accessToken).then(
        () => "answered",
        (error) => error.message,
      ),
    (outcome) => outcome.includes("TOKEN_REVOKED"),
  );

  page.expected.push("status of 401");
  await logIn();
  await page.getByText("No conversations yet.").waitFor();
  await call("DELETE", "/api/v1/auth/sessions", undefined, ann.token);
  await page.getByText("Your session has ended.").waitFor({ timeout: 3000 });
  await page.getByLabel("User name or e-mail").waitFor();
  assert.deepEqual(page.said, []);
});

test("the links of mails open their views, and say why a token is of no use", async () => {
  const page = await open(browser, { path: "/reset-password?token=used-up", expected: ["status of 400"] });
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Set password" }).click();
  await page.getByRole("alert").getByText(/token/i).waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByLabel("User name or e-mail").waitFor();
  assert.equal(new URL(page.url()).pathname, "/");

  await page.goto(`${base}/verify-email?token=used-up`);
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("alert").getByText(/token/i).waitFor();

  await page.goto(`${base}/#/forgotten`);
  await page.getByLabel("E-mail of your account").fill("nobody@example.org");
  await page.getByRole("button", { name: "Send the mail" }).click();
  await page.getByText("If an account has this e-mail").waitFor();
  assert.deepEqual(page.said, []);
});
