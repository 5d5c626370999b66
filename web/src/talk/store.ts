// The conversations of who is signed in, kept in step with the server by events and by looking.
import { batch, computed, signal } from "@preact/signals";
import type { ConversationView, Member, Message, StreamEventsResponse } from "@nova/client";
import { isReason } from "../problem";
import { endedBy, me, nova } from "../session";
import { know } from "../people/profiles";
import { apply, merge, withAnswer, withNewest, withOlder, type Talk } from "./model";
import { settle } from "./drafts";

export type { Talk } from "./model";

/** Everything that is known, by conversation id. */
export const talks = signal<ReadonlyMap<string, Talk>>(new Map());

/** Whether the list has been read at least once. */
export const isLoaded = signal(false);

/** The conversation that is open and looked at: what arrives there counts as seen. */
export const watched = signal<string | null>(null);

/** Those of the list, latest activity first. */
export const ordered = computed(() =>
  [...talks.value.values()].sort((one, other) =>
    one.active === other.active ? 0 : one.active < other.active ? 1 : -1,
  ),
);

/** What is unread in all conversations, but for the one that is looked at. */
export const unreadTotal = computed(() =>
  [...talks.value.values()].reduce((sum, talk) => sum + (talk.conversation.id === watched.value ? 0 : talk.unread), 0),
);

/** Changes one conversation; `undefined` takes it off. */
export function put(id: string, change: (talk: Talk) => Talk | undefined): void {
  const known = talks.peek().get(id);
  if (known === undefined) return;
  set(id, change(known));
}

function set(id: string, talk: Talk | undefined): void {
  if (talks.peek().get(id) === talk) return;
  const next = new Map(talks.peek());
  if (talk === undefined) next.delete(id);
  else next.set(id, talk);
  talks.value = next;
}

/** Forgets everything: somebody else signs in, or events have been missed. */
export function forget(): void {
  talks.value = new Map();
  isLoaded.value = false;
}

const PAGE = 100;
// Who has more conversations than this finds the others through their people.
const MOST_PAGES = 10;

/** Reads the list. */
export async function loadTalks(): Promise<void> {
  let pageToken = "";
  for (let page = 0; page < MOST_PAGES; page++) {
    const asked = performance.now();
    const { conversations, nextPageToken } = await nova.messaging.listConversations({ limit: PAGE, pageToken });
    batch(() => {
      conversations
        .filter(({ conversation: { id } }) => !talks.peek().has(id) || (lookedAt.get(id) ?? 0) < asked)
        .forEach(take);
      isLoaded.value = true;
    });
    pageToken = nextPageToken;
    if (pageToken === "") break;
  }
}

// An answer that is older than what events have told is asked for again.
function take(view: ConversationView): void {
  const id = view.conversation.id;
  const next = merge(talks.peek().get(id), view);
  if (next === undefined) void refresh(id);
  else set(id, next);
  know(view.conversation.memberIds.slice(0, 5));
}

const underWay = new Map<string, "once" | "again">();
/** When each was last looked at by itself: a page of the list that was asked for before that is older. */
const lookedAt = new Map<string, number>();

/** Reads one conversation anew. Many calls at once are two at most: one that runs, and one after it. */
export async function refresh(id: string): Promise<void> {
  if (underWay.has(id)) {
    underWay.set(id, "again");
    return;
  }
  underWay.set(id, "once");
  lookedAt.set(id, performance.now());
  try {
    const { conversation, unreadCount, lastMessage } = await nova.messaging.getConversation({ conversationId: id });
    take({ conversation, unreadCount, ...(lastMessage && { lastMessage }) });
  } catch (error) {
    // Anything but "not found" passes: the stream comes back and tells what has changed meanwhile.
    if (isReason(error, "CONVERSATION_NOT_FOUND")) set(id, undefined);
    else endedBy(error);
  } finally {
    const again = underWay.get(id) === "again";
    underWay.delete(id);
    if (again) void refresh(id);
  }
}

/** Deals with an event of the stream. */
export function takeEvent(event: StreamEventsResponse): void {
  const user = me.peek();
  if (user === null) return;
  const id = event.conversationId;
  const { talk, ask } = apply(talks.peek().get(id), event, user);
  batch(() => {
    if (ask === "gone") set(id, undefined);
    else if (talk !== undefined) set(id, talk);
    if (event.messageSent) settle(event.messageSent, user);
  });
  if (ask === "conversation") void refresh(id);
}

/** Shows a message that the server has answered with. */
export function takeMessage(message: Message): void {
  const user = me.peek();
  if (user === null) return;
  batch(() => {
    put(message.conversationId, (talk) => withAnswer(talk, message, user));
    settle(message, user);
  });
}

/** Reads the newest page of a conversation, and its members if there are few. */
export async function loadMessages(id: string): Promise<void> {
  if (!talks.peek().has(id)) {
    const { conversation, unreadCount, lastMessage } = await nova.messaging.getConversation({ conversationId: id });
    take({ conversation, unreadCount, ...(lastMessage && { lastMessage }) });
  }
  // From here on events are kept for the page that is on its way.
  put(id, (talk) => ({ ...talk, messages: talk.messages ?? [] }));
  const [{ messages }] = await Promise.all([
    nova.messaging.getMessages({ conversationId: id, includeDeleted: true }),
    loadMembers(id),
  ]);
  put(id, (talk) => withNewest(talk, messages));
  know(messages.map((message) => message.senderId));
}

/** Reads the page before the first message that is here. */
export async function loadOlder(id: string): Promise<void> {
  const first = talks.peek().get(id)?.messages?.[0];
  if (first === undefined) return;
  const { messages } = await nova.messaging.getMessages({
    conversationId: id,
    includeDeleted: true,
    beforeSequence: first.sequence,
  });
  put(id, (talk) => withOlder(talk, messages));
  know(messages.map((message) => message.senderId));
}

/** Whether there are messages before those that are here. Sequences have no gaps, so the first one tells. */
export function hasOlder(talk: Talk): boolean {
  return Number(talk.messages?.[0]?.sequence ?? 1) > 1;
}

/** Reads the members of a conversation. */
export async function loadMembers(id: string): Promise<void> {
  const members: Member[] = [];
  let pageToken = "";
  do {
    const page = await nova.messaging.getConversationMembers({ conversationId: id, limit: PAGE, pageToken });
    members.push(...page.members);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  put(id, (talk) => ({ ...talk, members: withMarkers(talk, members) }));
  know(members.map((member) => member.userId));
}

// A marker that an event has moved while the members were on their way stays where it is.
function withMarkers(talk: Talk, members: readonly Member[]): readonly Member[] {
  const before = new Map(talk.members?.map((member) => [member.userId, member]));
  return members.map((member) => {
    const known = before.get(member.userId);
    const ahead = known !== undefined && Number(known.lastReadSequence) > Number(member.lastReadSequence);
    return ahead ? { ...member, lastReadSequence: known.lastReadSequence } : member;
  });
}

/** Marks everything up to a message as read. */
export async function markRead(message: Message): Promise<void> {
  const id = message.conversationId;
  const { unreadCount } = await nova.messaging.markAsRead({ messageId: message.id });
  put(id, (talk) => {
    // The answer counts what had been sent when it was made; with more since, the count is asked for.
    if (talk.conversation.lastSequence !== message.sequence) void refresh(id);
    return { ...talk, unread: Number(unreadCount) };
  });
}
