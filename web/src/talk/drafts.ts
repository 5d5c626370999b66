// Messages that have been written here and are not known to be stored. Each gets its client id when it is written and keeps it
// through all tries, so that however often it is sent, it is one message. They outlive a reload of the page.
import { effect, signal } from "@preact/signals";
import type { Message } from "@nova/client";
import { isPassing, words } from "../problem";
import { endedBy, me, nova } from "../session";
import { takeMessage } from "./store";

export interface Draft {
  conversationId: string;
  clientMessageId: string;
  content: string;
  writtenAt: string;
  state: "waiting" | "sending" | "failed";
  /** Why it failed, in words. */
  why?: string;
}

/** All of them, in the order in which they were written. */
export const drafts = signal<readonly Draft[]>([]);

// The tab's own storage: two tabs do not send each other's messages.
const key = (user: string) => `nova.drafts.${user}`;

function restored(user: string): Draft[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(key(user)) ?? "[]") as Draft[];
    return kept.map((draft) => (draft.state === "sending" ? { ...draft, state: "waiting" } : draft));
  } catch {
    return [];
  }
}

function save(next: readonly Draft[]): void {
  drafts.value = next;
  const user = me.peek();
  if (user !== null) sessionStorage.setItem(key(user), JSON.stringify(next));
}

function change(clientMessageId: string, to: Partial<Draft>): void {
  save(drafts.peek().map((draft) => (draft.clientMessageId === clientMessageId ? { ...draft, ...to } : draft)));
}

/** Writes a message; it is shown at once and sent as soon as it can be. */
export function write(conversationId: string, content: string): void {
  const draft: Draft = {
    conversationId,
    content,
    clientMessageId: crypto.randomUUID(),
    writtenAt: new Date().toISOString(),
    state: "waiting",
  };
  save([...drafts.peek(), draft]);
  void deliver(conversationId);
}

/** Takes a message that failed into the queue again, under its old id. */
export function retry(draft: Draft): void {
  change(draft.clientMessageId, { state: "waiting" });
  void deliver(draft.conversationId);
}

/** Gives a message up. */
export function discard(draft: Draft): void {
  save(drafts.peek().filter((it) => it.clientMessageId !== draft.clientMessageId));
}

/** A stored message has been seen: if it was a draft of this tab, it is none any more. */
export function settle(message: Message, user: string): void {
  if (message.senderId !== user || message.clientMessageId === undefined) return;
  const left = drafts
    .peek()
    .filter((it) => it.conversationId !== message.conversationId || it.clientMessageId !== message.clientMessageId);
  if (left.length !== drafts.peek().length) save(left);
}

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const running = new Set<string>();
let waiters: (() => void)[] = [];

/** The connection is back: what waits is tried at once. */
export function hurry(): void {
  for (const wake of waiters.splice(0)) wake();
}
addEventListener("online", hurry);

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    waiters.push(resolve);
    setTimeout(resolve, milliseconds * (0.5 + Math.random() / 2));
  });
}

// One at a time in a conversation, in the order of writing.
async function deliver(conversationId: string): Promise<void> {
  const user = me.peek();
  const run = `${user} ${conversationId}`;
  if (running.has(run)) return;
  running.add(run);
  let wait = FIRST_PAUSE;
  try {
    for (;;) {
      const draft = drafts.peek().find((it) => it.conversationId === conversationId && it.state !== "failed");
      if (draft === undefined || me.peek() !== user) return;
      const { clientMessageId, content } = draft;
      change(clientMessageId, { state: "sending" });
      try {
        const { message } = await nova.messaging.sendMessage({ conversationId, content, clientMessageId });
        wait = FIRST_PAUSE;
        takeMessage(message);
      } catch (error) {
        if (endedBy(error)) return;
        if (isPassing(error)) {
          change(clientMessageId, { state: "waiting" });
          await pause(wait);
          wait = Math.min(wait * 2, LONGEST_PAUSE);
        } else {
          change(clientMessageId, { state: "failed", why: words(error) });
        }
      }
    }
  } finally {
    running.delete(run);
  }
}

effect(() => {
  const user = me.value;
  drafts.value = user === null ? [] : restored(user);
  for (const id of new Set(drafts.peek().map((draft) => draft.conversationId))) void deliver(id);
});
