// Who is writing. It is told every few seconds while somebody does, and forgotten when it is not told again.
import { signal } from "@preact/signals";
import { me, nova } from "../session";

const TOLD_EVERY = 3000;
const FORGOTTEN_AFTER = 6000;

/** Who is writing, by conversation. */
export const typists = signal<ReadonlyMap<string, readonly string[]>>(new Map());

const timers = new Map<string, number>();

function set(conversationId: string, change: (users: readonly string[]) => readonly string[]): void {
  const next = new Map(typists.peek());
  const users = change(next.get(conversationId) ?? []);
  if (users.length === 0) next.delete(conversationId);
  else next.set(conversationId, users);
  typists.value = next;
}

/** Somebody is writing. */
export function takeTyping(conversationId: string, userId: string): void {
  if (userId === me.peek()) return;
  set(conversationId, (users) => (users.includes(userId) ? users : [...users, userId]));
  const key = `${conversationId} ${userId}`;
  clearTimeout(timers.get(key));
  timers.set(
    key,
    window.setTimeout(() => dropTyping(conversationId, userId), FORGOTTEN_AFTER),
  );
}

/** Somebody writes no more: their message is here. */
export function dropTyping(conversationId: string, userId: string): void {
  if (typists.peek().get(conversationId)?.includes(userId))
    set(conversationId, (users) => users.filter((it) => it !== userId));
}

let told = { conversationId: "", at: 0 };

/** Tells the others that the person is writing, unless that has just been told. */
export function tellTyping(conversationId: string): void {
  const now = Date.now();
  if (told.conversationId === conversationId && now - told.at < TOLD_EVERY) return;
  told = { conversationId, at: now };
  // Whether it arrives matters to nobody: the next one will.
  nova.messaging.sendTyping({ conversationId }).catch(() => undefined);
}
