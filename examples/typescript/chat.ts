// Two people talk, by the typed client. Needs a running Nova (NOVA_URL, http://127.0.0.1:8000 unless said).

import { Nova, NovaError, type StreamEventsResponse, type User } from "@nova/client";

// Node's own types are a package; this is all of it that is needed here.
declare const process: { env: Record<string, string | undefined> };

const baseUrl = process.env["NOVA_URL"] ?? "http://127.0.0.1:8000";

async function register(name: string): Promise<{ nova: Nova; user: User }> {
  // Names are unique in a Nova, so this one has something of the moment in it.
  const username = name + Date.now() + Math.floor(Math.random() * 1000);
  const nova = new Nova({ baseUrl });
  const { user, tokens } = await nova.auth.register({
    username,
    email: `${username}@example.org`,
    password: "correct horse",
  });
  nova.useTokens(tokens); // from now on they are renewed by themselves
  return { nova, user };
}

function expect<T>(what: string, found: T, wanted: T): void {
  if (found !== wanted) {
    throw new Error(`${what}: ${String(found)} instead of ${String(wanted)}`);
  }
}

// Alice opens a conversation with Bob. Whoever of the two asks, and however often: it is always the same one.
const [alice, bob] = await Promise.all([register("alice"), register("bob")]);
console.log("registered", alice.user.username, "and", bob.user.username);
const { conversation } = await alice.nova.messaging.createConversation({ type: "DIRECT", memberIds: [bob.user.id] });

// Bob listens. `open` comes with the first heartbeat: from then on nothing is missed, over lost connections too.
const heard: StreamEventsResponse[] = [];
let listening: Promise<void> = Promise.resolve();
await new Promise<void>((opened, failed) => {
  const events = bob.nova.events({
    signal: AbortSignal.timeout(60_000),
    onState: (state) => state === "open" && opened(),
  });
  listening = (async () => {
    for await (const event of events) {
      heard.push(event);
      if (event.messageSent) console.log("bob received:", event.messageSent.content);
      if (event.messageEdited) break;
    }
  })();
  listening.catch(failed);
});

// Alice writes, and writes again with the same client id, as after a lost answer: it is one message.
const hello = { conversationId: conversation.id, content: "Hello Bob", clientMessageId: crypto.randomUUID() };
const { message } = await alice.nova.messaging.sendMessage(hello);
const retried = await alice.nova.messaging.sendMessage(hello);
expect("the retried message", retried.message.id, message.id);

// Bob reads it. Numbers of 64 bits are texts.
expect("unread before", (await bob.nova.messaging.getUnreadCount()).unreadCount, "1");
const { unreadCount } = await bob.nova.messaging.markAsRead({ messageId: message.id });
expect("unread after", unreadCount, "0");
console.log("bob has", unreadCount, "unread messages");

// Alice edits version 1. A second edit of version 1, as from another device, is refused.
const edit = (updatedContent: string) =>
  alice.nova.messaging.updateMessage({ messageId: message.id, updatedContent, expectedVersion: message.version });
expect("the version after the edit", (await edit("Hello Bob!")).message.version, "2");
try {
  await edit("Hello Robert");
  throw new Error("the late edit was not refused");
} catch (error) {
  if (!(error instanceof NovaError)) throw error;
  expect("the late edit", error.reason, "VERSION_CONFLICT");
  expect("the version that it was told of", error.metadata["current_version"], "2");
  console.log("the late edit was refused:", error.detail);
}

// The loop ends with the edit.
await listening;
const sent = heard.flatMap((event) => event.messageSent ?? []);
expect("how often the message came", sent.length, 1);
expect("what Bob received", sent[0]?.id, message.id);
expect("what Bob saw of the edit", heard.at(-1)?.messageEdited?.content, "Hello Bob!");
console.log("done");
