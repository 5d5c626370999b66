// The model against a server that is simulated: whatever the order in which events, pages and answers arrive, in the end the page
// shows what the server has, each message once and in order.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { build } from "esbuild";

const entry = fileURLToPath(new URL("../src/talk/model.ts", import.meta.url));
const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
const model = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);

const ME = "me";
const PAGE = 5;

/** Numbers that look random and are the same each time (mulberry32). */
function dice(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

class Server {
  messages = [];
  marker = 0;
  log = [];

  send(senderId) {
    const sequence = this.messages.length + 1;
    const time = new Date(sequence * 1000).toISOString();
    this.messages.push({
      id: `m${sequence}`,
      conversationId: "c",
      senderId,
      content: `text ${sequence}`,
      sequence: String(sequence),
      createdAt: time,
      updatedAt: time,
      version: "1",
    });
    this.log.push({ kind: "messageSent", at: sequence - 1 });
    return this.messages[sequence - 1];
  }

  change(at, change, kind) {
    const before = this.messages[at];
    if (before === undefined || before.deletedAt) return;
    this.messages[at] = { ...before, ...change, version: String(Number(before.version) + 1) };
    this.log.push({ kind, at });
  }

  read(sequence) {
    if (sequence <= this.marker) return;
    this.marker = sequence;
    this.log.push({ kind: "messagesRead", sequence });
  }

  /** An event shows a message as it is when it is handed out. */
  event({ kind, at, sequence }) {
    const body = kind === "messagesRead" ? { readerId: ME, lastReadSequence: String(sequence) } : this.messages[at];
    return { cursor: "x", conversationId: "c", eventNumber: "1", createdAt: "", actorId: "", [kind]: body };
  }

  get unread() {
    return this.messages.filter((it) => it.senderId !== ME && !it.deletedAt && Number(it.sequence) > this.marker)
      .length;
  }

  view() {
    const lastMessage = this.messages.findLast((it) => !it.deletedAt);
    const conversation = {
      id: "c",
      type: "DIRECT",
      name: "",
      memberIds: [ME, "other"],
      memberCount: 2,
      createdBy: ME,
      lastSequence: String(this.messages.length),
      createdAt: new Date(0).toISOString(),
      updatedAt: "",
      version: "1",
    };
    return { conversation, unreadCount: String(this.unread), ...(lastMessage && { lastMessage }) };
  }

  page(before = Infinity) {
    return this.messages
      .filter((it) => Number(it.sequence) < before)
      .slice(-PAGE)
      .reverse();
  }
}

function run(seed) {
  const roll = dice(seed);
  const server = new Server();
  for (let count = roll(20); count > 0; count--) server.send(roll(2) ? ME : "other");
  server.log = [];
  let talk = model.merge(undefined, server.view());
  talk = { ...talk, messages: [] };
  const underWay = [{ kind: "newest", page: server.page() }];
  let told = 0;
  // As the store does it: one look at a time, and one more after it if it was asked for meanwhile.
  let looking = "no";
  const look = () => {
    if (looking === "no") underWay.push({ kind: "view", view: server.view() });
    looking = looking === "no" ? "once" : "again";
  };

  const tell = () => {
    if (told === server.log.length) return;
    const { talk: next, ask } = model.apply(talk, server.event(server.log[told++]), ME);
    talk = next;
    if (ask === "conversation") look();
  };
  const arrive = () => {
    const [answer] = underWay.splice(roll(underWay.length || 1), 1);
    if (answer?.kind === "newest") talk = model.withNewest(talk, answer.page);
    if (answer?.kind === "older") talk = model.withOlder(talk, answer.page);
    if (answer?.kind === "sent") talk = model.withAnswer(talk, answer.message, ME);
    if (answer?.kind === "view") {
      const next = model.merge(talk, answer.view);
      const again = looking === "again" || next === undefined;
      if (next) talk = next;
      looking = "no";
      if (again) look();
    }
  };
  for (let step = 0, steps = 5 + roll(55); step < steps; step++) {
    const what = roll(10);
    if (what === 0) underWay.push({ kind: "sent", message: server.send(ME) });
    else if (what === 1) server.send("other");
    else if (what === 2) server.change(roll(server.messages.length || 1), { content: `edit ${step}` }, "messageEdited");
    else if (what === 3)
      server.change(roll(server.messages.length || 1), { content: "", deletedAt: "x" }, "messageDeleted");
    else if (what === 4) server.read(roll(server.messages.length + 1));
    else if (what === 5 && talk.isRead && talk.messages[0])
      underWay.push({ kind: "older", page: server.page(Number(talk.messages[0].sequence)) });
    else if (what < 8) tell();
    else arrive();
  }
  while (told < server.log.length || underWay.length > 0) {
    if (roll(2) === 0) tell();
    else arrive();
  }
  return { server, talk };
}

test("in the end the page shows what the server has, whatever arrived when", () => {
  for (let seed = 1; seed <= 5000; seed++) {
    const { server, talk } = run(seed);
    const from = Number(talk.messages[0]?.sequence ?? 1);
    assert.deepEqual(talk.messages, server.messages.slice(from - 1), `messages, seed ${seed}`);
    assert.equal(talk.unread, server.unread, `unread, seed ${seed}`);
    assert.equal(Number(talk.conversation.lastSequence), server.messages.length, `last, seed ${seed}`);
    assert.deepEqual(talk.last, server.view().lastMessage, `the preview, seed ${seed}`);
  }
});

test("a message is counted once, by whichever way it arrives first", () => {
  const server = new Server();
  let talk = model.merge(undefined, server.view());
  server.send("other");
  const event = server.event(server.log[0]);
  talk = model.apply(talk, event, ME).talk;
  talk = model.apply(talk, event, ME).talk;
  assert.equal(talk.unread, 1);
  talk = model.merge(talk, server.view());
  assert.equal(talk.unread, 1);
});

test("what was read before an event came is asked for again", () => {
  const server = new Server();
  const stale = server.view();
  let talk = model.merge(undefined, stale);
  server.send("other");
  talk = model.apply(talk, server.event(server.log[0]), ME).talk;
  assert.equal(model.merge(talk, stale), undefined);
});

test("the last thing that is told of a conversation is that one is out of it", () => {
  const talk = model.merge(undefined, new Server().view());
  const out = model.apply(talk, { conversationId: "c", memberRemoved: { userId: ME } }, ME);
  assert.deepEqual(out, { talk: undefined, ask: "gone" });
});
