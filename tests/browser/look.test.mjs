import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { call, direct, eventually, launch, open, person, send } from "./kit.mjs";

// With SCREENSHOTS=1 the pictures of the documentation are made anew.
const pictures = process.env.SCREENSHOTS === "1";
const folder = new URL("../../docs/images/", import.meta.url);

let browser;
let scene;
before(async () => {
  browser = await launch();
  if (pictures) await mkdir(folder, { recursive: true });
  scene = await set();
});
after(() => browser.close());

async function set() {
  // Only what is to be shown has plain names: they are free once in a Nova.
  const names = { "Ann Archer": "ann", "Ben Okafor": "ben", "Cleo Marsh": "cleo", "Devika Rao": "devika" };
  const people = Object.entries(names).map(([name, username]) => person(name, pictures ? username : undefined));
  const [ann, ben, cleo, dev] = await Promise.all(people);
  const talk = await direct(ann, ben);
  const others = [await direct(ann, cleo), await direct(ann, dev)];
  const members = [ben.id, cleo.id, dev.id];
  const { conversation } = await call(
    "POST",
    "/api/v1/conversations",
    { type: "GROUP", name: "Release crew", memberIds: members },
    ann.token,
  );
  await send(dev, others[1], "The minutes are in the usual place.");
  await send(cleo, others[0], "Lunch at one?");
  await send(ann, others[0], "One is fine, see you there.");
  await send(cleo, conversation.id, "Ship it on Friday?");
  await send(
    ben,
    conversation.id,
    "Thursday is better: then somebody is here the day after, should anything be wrong with it.",
  );
  await send(ann, conversation.id, "Thursday then. I’ll write the notes.");
  await send(dev, conversation.id, "I’ll try the upgrade on the old machine first.");
  for (const [who, text] of [
    [ann, "Have you seen the new page?"],
    [ben, "Not yet, where is it?"],
    [ann, "Start it with make run, then open http://127.0.0.1:8000/"],
    [ben, "Just a moment …"],
    [
      ben,
      "It’s quick! I lost the connection on the train, and what I wrote went out by itself when it was back. Nothing twice, nothing lost.",
    ],
    [ann, "That was the idea."],
  ]) {
    await send(who, talk, text);
  }
  const { messages } = await call("GET", `/api/v1/conversations/${talk}/messages`, undefined, ben.token);
  await call("POST", `/api/v1/messages/${messages[0].id}/read`, {}, ben.token);
  return { ann, ben, talk, group: conversation.id };
}

async function picture(page, name) {
  if (!pictures) return;
  await page.mouse.move(0, 0);
  await page.screenshot({ path: new URL(`${name}.png`, folder).pathname });
}

function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

test("on a wide screen the list stands beside the conversation", async () => {
  const page = await open(browser, { as: scene.ann, path: `/#/c/${scene.talk}` });
  await page.locator(".bubble", { hasText: "That was the idea." }).waitFor();
  await page.getByText("Seen", { exact: true }).waitFor();
  assert.ok(await page.locator(".talk-list").isVisible());
  assert.equal(await overflow(page), 0);
  await picture(page, "messages-1280");
  assert.deepEqual(page.said, []);
});

test("dark is dark: by the device, and text is readable on it", async () => {
  const page = await open(browser, { as: scene.ann, path: `/#/c/${scene.group}`, colorScheme: "dark" });
  await page.locator(".bubble", { hasText: "Ship it on Friday?" }).waitFor();
  const [ground, text] = await page.evaluate(() => {
    const style = getComputedStyle(document.documentElement);
    return [style.backgroundColor, style.color];
  });
  const light = (color) =>
    color
      .match(/[\d.]+/g)
      .slice(0, 3)
      .reduce((sum, part) => sum + Number(part), 0);
  assert.ok(light(text) - light(ground) > 500, `${text} on ${ground}`);
  await picture(page, "messages-dark-1280");
  assert.deepEqual(page.said, []);
});

for (const width of [360, 390]) {
  test(`at ${width} pixels list and conversation are two views, and nothing is cut off`, async () => {
    const page = await open(browser, {
      as: scene.ann,
      viewport: { width, height: 780 },
      hasTouch: true,
      isMobile: true,
      deviceScaleFactor: 2,
    });
    await page.getByRole("link", { name: /^Devika Rao/ }).waitFor();
    assert.equal(await overflow(page), 0);
    if (width === 390) await picture(page, "list-390");
    await page.getByRole("link", { name: /^Ben Okafor/ }).tap();
    await page.getByRole("textbox", { name: "Message to Ben Okafor" }).waitFor();
    await eventually(
      () => page.locator(".talk-list").isVisible(),
      (shown) => !shown,
    );
    assert.equal(await overflow(page), 0);
    if (width === 390) await picture(page, "messages-390");
    await page.getByRole("link", { name: "All conversations" }).tap();
    await page.getByRole("heading", { name: "Messages" }).waitFor();
    for (const path of [
      "#/people",
      `#/u/${scene.ben.id}`,
      "#/settings/profile",
      "#/settings/preferences",
      "#/settings/security",
      "#/settings/sessions",
    ]) {
      await page.evaluate((hash) => (location.hash = hash), path);
      await page.locator("main h1").waitFor();
      await eventually(
        () => page.getByText("Loading …").count(),
        (count) => count === 0,
      );
      assert.equal(await overflow(page), 0, path);
    }
    assert.deepEqual(page.said, []);
  });
}

test("what administrators see fits both widths", async () => {
  const [identifier, password] = process.env.NOVA_ADMIN.split(":");
  const { tokens } = await call("POST", "/api/v1/auth/login", { identifier, password });
  for (const width of [1280, 390]) {
    const page = await open(browser, { as: { tokens }, path: "/admin", viewport: { width, height: 800 } });
    if (!pictures) await page.getByRole("searchbox").fill(scene.ann.username);
    await page.getByRole("link", { name: new RegExp(scene.ann.username) }).waitFor();
    assert.equal(await overflow(page), 0);
    await picture(page, `admin-people-${width}`);
    await page.getByRole("link", { name: new RegExp(scene.ann.username) }).click();
    await page
      .getByRole("button", { name: /^End the session/ })
      .first()
      .waitFor();
    assert.equal(await overflow(page), 0);
    if (width === 1280) await picture(page, "admin-person-1280");
    await page.getByRole("link", { name: "Audit log", exact: true }).click();
    await page.getByText("by somebody not logged in").or(page.getByText("rpc: ListUsers")).first().waitFor();
    assert.equal(await overflow(page), 0);
    await page.getByRole("link", { name: "Streams" }).click();
    await page.locator(".tile", { hasText: "Open streams" }).waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(page.said, []);
  }
});

/** What axe finds wrong for people who do not see, hear, point or read like others. */
async function faults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }),
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ")}`);
}
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

for (const colorScheme of ["light", "dark"]) {
  test(`every view passes the checks of axe, ${colorScheme}`, async () => {
    const stranger = await open(browser, { colorScheme });
    for (const path of ["#/login", "#/join", "#/forgotten"]) {
      await stranger.evaluate((hash) => (location.hash = hash), path);
      await stranger.locator("h1").waitFor();
      assert.deepEqual(await faults(stranger), [], path);
    }
    const page = await open(browser, { as: scene.ann, colorScheme });
    await page.getByRole("link", { name: /^Ben Okafor/ }).waitFor();
    const paths = [
      "#/c",
      `#/c/${scene.talk}`,
      `#/c/${scene.group}`,
      "#/people",
      "#/people/blocked",
      `#/u/${scene.ben.id}`,
    ];
    const settings = ["profile", "preferences", "security", "sessions", "account"].map(
      (section) => `#/settings/${section}`,
    );
    for (const path of [...paths, ...settings]) {
      await page.evaluate((hash) => (location.hash = hash), path);
      await eventually(
        () => page.getByText("Loading …").count(),
        (count) => count === 0,
      );
      assert.deepEqual(await faults(page), [], path);
    }
    await page.evaluate((hash) => (location.hash = hash), `#/c/${scene.group}`);
    await page.getByRole("button", { name: /4 members/ }).click();
    await page.getByRole("dialog").getByRole("heading", { name: "4 members" }).waitFor();
    assert.deepEqual(await faults(page), [], "the group");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "New conversation" }).click();
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await faults(page), [], "a new conversation");
  });
}
