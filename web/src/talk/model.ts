// What the page knows of a conversation, and how a change changes it. No I/O: everything here can be repeated, and the order in
// which answers and events arrive does not matter, since versions and sequences tell which is newer.
import type { Conversation, ConversationView, Member, Message, StreamEventsResponse } from "@nova/client";

export interface Talk {
  conversation: Conversation;
  /** What others sent after the own read marker. */
  unread: number;
  /** The newest live message. */
  last?: Message;
  /** When something was last sent, or the conversation was opened; orders the list. */
  active: string;
  /** The messages that are here, by sequence, from some message on; absent until somebody looks. */
  messages?: readonly Message[];
  /** Messages before those, which events have told of: newer than the pages that may be on their way with them. */
  aside?: readonly Message[];
  /** Whether their newest page has been read. Until then only what events bring is in `messages`. */
  isRead?: boolean;
  /** The members, if they have been read. */
  members?: readonly Member[];
}

/** What has to be asked of the server after an event, since the event alone does not tell. */
export type Question = "conversation" | "gone" | undefined;

export function sequenceOf(message: Message): number {
  return Number(message.sequence);
}

function isNewer(one: { version: string }, other: { version: string }): boolean {
  return Number(one.version) > Number(other.version);
}

/** Puts messages in their places; of two versions of a message the newer stays. */
export function insert(known: readonly Message[], arrived: readonly Message[]): readonly Message[] {
  const bySequence = new Map(known.map((message) => [message.sequence, message]));
  let changed = false;
  for (const message of arrived) {
    const before = bySequence.get(message.sequence);
    if (before !== undefined && !isNewer(message, before)) continue;
    bySequence.set(message.sequence, message);
    changed = true;
  }
  if (!changed) return known;
  return [...bySequence.values()].sort((one, other) => sequenceOf(one) - sequenceOf(other));
}

/** A conversation as the server has just shown it. Undefined if events have told of more since: then it is to be asked again. */
export function merge(known: Talk | undefined, view: ConversationView): Talk | undefined {
  const { conversation, lastMessage } = view;
  const active = lastMessage?.createdAt ?? conversation.createdAt;
  const shown: Talk = {
    conversation,
    unread: Number(view.unreadCount),
    active,
    ...(lastMessage && { last: lastMessage }),
  };
  if (known === undefined) return shown;
  if (Number(conversation.lastSequence) < Number(known.conversation.lastSequence)) return undefined;
  return {
    ...shown,
    conversation: isNewer(known.conversation, conversation)
      ? { ...known.conversation, lastSequence: conversation.lastSequence }
      : conversation,
    active: active > known.active ? active : known.active,
    ...(lastMessage && known.last?.id === lastMessage.id && isNewer(known.last, lastMessage) && { last: known.last }),
    ...(known.messages && { messages: known.messages, aside: known.aside ?? [], isRead: known.isRead ?? false }),
    ...(known.members && { members: known.members }),
  };
}

/** Puts the newest page below what events have brought while it was on its way. */
export function withNewest(talk: Talk, page: readonly Message[]): Talk {
  return { ...split(talk, page, page), isRead: true };
}

/** Puts a page of older messages before those that are here. */
export function withOlder(talk: Talk, page: readonly Message[]): Talk {
  return split(talk, page, [...page, ...(talk.messages ?? [])]);
}

// What is here begins with the first message that a page has brought: before it there would be gaps.
function split(talk: Talk, page: readonly Message[], paged: readonly Message[]): Talk {
  const messages = insert([...(talk.aside ?? []), ...(talk.messages ?? [])], page);
  const from = paged.length === 0 ? 0 : Math.min(...paged.map(sequenceOf));
  const isHere = (message: Message) => sequenceOf(message) >= from;
  return { ...talk, messages: messages.filter(isHere), aside: messages.filter((message) => !isHere(message)) };
}

/** What an event makes of a conversation, and what has to be asked because of it. */
export function apply(
  talk: Talk | undefined,
  event: StreamEventsResponse,
  me: string,
): { talk: Talk | undefined; ask: Question } {
  if (event.memberRemoved?.userId === me) return { talk: undefined, ask: "gone" };
  if (talk === undefined) return { talk, ask: event.typing || event.messagesRead ? undefined : "conversation" };

  const sent = event.messageSent;
  if (sent) return { talk: withSent(talk, sent, me), ask: undefined };
  const changed = event.messageEdited ?? event.messageDeleted;
  if (changed) {
    const next = withChanged(talk, changed);
    return { talk: next, ask: event.messageDeleted ? "conversation" : undefined };
  }
  if (event.messagesRead) {
    const { readerId, lastReadSequence } = event.messagesRead;
    return {
      talk: withMarker(talk, readerId, Number(lastReadSequence)),
      ask: readerId === me ? "conversation" : undefined,
    };
  }
  const conversation = event.conversationCreated ?? event.conversationUpdated;
  if (conversation) {
    return { talk: isNewer(conversation, talk.conversation) ? { ...talk, conversation } : talk, ask: "conversation" };
  }
  if (event.memberAdded ?? event.memberRoleChanged) {
    const member = (event.memberAdded ?? event.memberRoleChanged)!;
    const others = talk.members?.filter((it) => it.userId !== member.userId);
    return { talk: others ? { ...talk, members: [...others, member].sort(byUser) } : talk, ask: "conversation" };
  }
  if (event.memberRemoved) {
    const left = event.memberRemoved.userId;
    return {
      talk: talk.members ? { ...talk, members: talk.members.filter((it) => it.userId !== left) } : talk,
      ask: "conversation",
    };
  }
  return { talk, ask: undefined };
}

function byUser(one: Member, other: Member): number {
  return one.userId < other.userId ? -1 : 1;
}

/** A message that is new, or was told of before: then nothing is counted twice. */
function withSent(talk: Talk, message: Message, me: string): Talk {
  const isNew = sequenceOf(message) > Number(talk.conversation.lastSequence);
  const next = withChanged(talk, message);
  if (!isNew) return next;
  const live = message.deletedAt === undefined;
  return {
    ...next,
    conversation: { ...next.conversation, lastSequence: message.sequence },
    unread: talk.unread + (live && message.senderId !== me ? 1 : 0),
    active: message.createdAt > next.active ? message.createdAt : next.active,
    ...(live && { last: message }),
  };
}

/**
 * The answer to an own call. It may be ahead of the stream: then events that fill the gap are still to come, and counted when
 * they do, so that only the message is shown for now.
 */
export function withAnswer(talk: Talk, message: Message, me: string): Talk {
  const isNext = sequenceOf(message) === Number(talk.conversation.lastSequence) + 1;
  return isNext ? withSent(talk, message, me) : withChanged(talk, message);
}

function withChanged(talk: Talk, message: Message): Talk {
  const next = { ...talk };
  const first = talk.messages?.[0];
  const isHere = !talk.isRead || first === undefined || sequenceOf(message) >= sequenceOf(first);
  if (talk.messages && isHere) next.messages = insert(talk.messages, [message]);
  if (talk.messages && !isHere) next.aside = insert(talk.aside ?? [], [message]);
  if (talk.last?.id === message.id && isNewer(message, talk.last) && message.deletedAt === undefined)
    next.last = message;
  return next;
}

/** A read marker that has moved; it never moves back. */
export function withMarker(talk: Talk, userId: string, sequence: number): Talk {
  if (!talk.members) return talk;
  const moved = talk.members.map((member) =>
    member.userId === userId && Number(member.lastReadSequence) < sequence
      ? { ...member, lastReadSequence: String(sequence) }
      : member,
  );
  return { ...talk, members: moved };
}
