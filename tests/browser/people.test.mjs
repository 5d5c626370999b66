import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { call, direct, launch, open, person } from "./kit.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test("people are found, asked, accepted, followed and left", async () => {
  const [ann, ben] = await Promise.all(["Ann Archer", "Ben Okafor"].map((name) => person(name)));
  await call("PATCH", "/api/v1/users/me", { private: true }, ben.token);
  const one = await open(browser, { as: ann, path: "/#/people" });
  await one.getByRole("searchbox").fill(ben.username);
  await one.getByRole("link", { name: new RegExp(`@${ben.username}`) }).click();
  await one.getByRole("button", { name: "Ask to follow" }).click();
  await one.getByText("They have not answered yet.").waitFor();

  const other = await open(browser, { as: ben });
  await other.getByRole("link", { name: /^People\s*1 requests/ }).click();
  await other.getByRole("link", { name: "Requests (1)" }).click();
  await other.getByRole("button", { name: "Accept Ann Archer" }).click();
  await other.getByText("Ann Archer follows you now.").waitFor();
  await other.getByText("Nobody waits for your answer.").waitFor();

  await one.reload();
  await one.getByText("You follow them.").waitFor();
  await one.getByRole("link", { name: "Followers (1)" }).waitFor();
  await one.getByRole("button", { name: "Unfollow" }).click();
  await one.getByRole("button", { name: "Ask to follow" }).waitFor();
  assert.deepEqual([one.said, other.said], [[], []]);
});

test("after a block a message is refused, in words and beside the message, and goes after the block is taken back", async () => {
  const [ann, ben] = await Promise.all(["Ann Archer", "Ben Okafor"].map((name) => person(name)));
  const id = await direct(ann, ben);
  const one = await open(browser, { as: ann, path: `/#/u/${ben.id}` });
  await one.getByRole("button", { name: "Block" }).click();
  await one.getByRole("dialog").getByRole("button", { name: "Block" }).click();
  await one.getByText("You have blocked them").waitFor();

  const other = await open(browser, { as: ben, path: `/#/c/${id}`, expected: ["status of 400", "status of 404"] });
  await other.getByRole("textbox", { name: /^Message to/ }).fill("Are you there?");
  await other.keyboard.press("Enter");
  const failed = other.locator(".message.failed");
  await failed.getByText(/block/i).waitFor();

  await one.getByRole("button", { name: "Unblock" }).click();
  await one.getByRole("button", { name: "Message" }).click();
  await one.getByRole("textbox", { name: "Message to Ben Okafor" }).waitFor();
  await failed.getByRole("button", { name: "Try again" }).click();
  await one.getByText("Are you there?").first().waitFor();
  await failed.waitFor({ state: "detached" });
  assert.deepEqual([one.said, other.said], [[], []]);
});
