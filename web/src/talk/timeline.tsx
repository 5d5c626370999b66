// The messages of a conversation, oldest first, with those that are still on their way at the end.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Member, Message } from "@nova/client";
import { me } from "../session";
import { attempt } from "../ui/notice";
import { day } from "../ui/time";
import { DraftLine } from "./draft-line";
import { drafts } from "./drafts";
import { MessageLine } from "./message-line";
import { sequenceOf } from "./model";
import { hasOlder, loadOlder, markRead, watched, type Talk } from "./store";
import { connection } from "./stream";

// Up to so many members it is shown who has read what.
const FEW = 12;
// How close to the end counts as being there, and how close to the beginning asks for more, in pixels.
const NEAR_END = 80;
const NEAR_BEGIN = 200;
// Messages of one person within this time stand together.
const TOGETHER = 5 * 60 * 1000;

interface Props {
  talk: Talk;
  editing: string | null;
  setEditing: (messageId: string | null) => void;
}

/** The scrolling list. */
export function Timeline({ talk, editing, setEditing }: Props) {
  const id = talk.conversation.id;
  const user = me.value!;
  const messages = talk.messages ?? [];
  const waiting = drafts.value.filter((draft) => draft.conversationId === id);
  const box = useRef<HTMLDivElement>(null);
  const [isAtEnd, setIsAtEnd] = useState(true);
  const [active, setActive] = useState<string | null>(null);
  const [newFrom] = useState(() => firstUnread(talk, user));

  const top = useScroll(box, messages[0]?.id, waiting.length, isAtEnd);
  useSeen(talk, isAtEnd);
  const loadMore = useOlder(talk);

  const onScroll = (event: Event & { currentTarget: HTMLElement }) => {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    top.current = scrollTop;
    setIsAtEnd(scrollHeight - scrollTop - clientHeight < NEAR_END);
    if (scrollTop < NEAR_BEGIN) loadMore();
  };
  // One message at a time can be reached by Tab; the arrow keys choose which.
  const current = active ?? messages[messages.length - 1]?.id;
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const isMessage = event.target instanceof HTMLElement && event.target.classList.contains("message");
    if (step === undefined || !isMessage) return;
    event.preventDefault();
    const next = messages[messages.findIndex((message) => message.id === current) + step];
    if (!next) return;
    setActive(next.id);
    box.current?.querySelector<HTMLElement>(`[data-id="${next.id}"]`)?.focus();
  };
  const readers =
    talk.conversation.memberCount <= FEW ? readersOf(messages, talk.members ?? [], user) : new Map<string, string[]>();

  return (
    <div class="timeline" ref={box} onScroll={onScroll} onKeyDown={onKeyDown}>
      {hasOlder(talk) ? (
        <button type="button" class="button quiet older" onClick={loadMore}>
          Older messages
        </button>
      ) : (
        messages.length === 0 && waiting.length === 0 && <p class="quiet-text">Nothing has been written yet.</p>
      )}
      <ol aria-label="Messages">
        {messages.map((message, index) => {
          const before = messages[index - 1];
          const isNewDay = before === undefined || day(before.createdAt) !== day(message.createdAt);
          return (
            <MessageLine
              key={message.senderId === user ? (message.clientMessageId ?? message.id) : message.id}
              message={message}
              newDay={isNewDay ? day(message.createdAt) : undefined}
              isNew={message.id === newFrom}
              isFirst={isNewDay || message.id === newFrom || !together(before, message)}
              isGroup={talk.conversation.type === "GROUP"}
              isActive={message.id === current}
              isEditing={message.id === editing}
              readers={readers.get(message.id) ?? []}
              canDelete={message.senderId === user || moderates(talk.members, user)}
              onActive={setActive}
              setEditing={setEditing}
            />
          );
        })}
        {waiting.map((draft) => (
          <DraftLine key={draft.clientMessageId} draft={draft} />
        ))}
      </ol>
    </div>
  );
}

function together(before: Message, message: Message): boolean {
  const apart = Date.parse(message.createdAt) - Date.parse(before.createdAt);
  return before.senderId === message.senderId && apart < TOGETHER;
}

function moderates(members: readonly Member[] | undefined, user: string): boolean {
  const role = members?.find((member) => member.userId === user)?.role;
  return role === "OWNER" || role === "ADMIN";
}

function firstUnread(talk: Talk, user: string): string | undefined {
  const marker = Number(
    talk.members?.find((member) => member.userId === user)?.lastReadSequence ?? talk.conversation.lastSequence,
  );
  return talk.messages?.find(
    (message) => sequenceOf(message) > marker && message.senderId !== user && message.deletedAt === undefined,
  )?.id;
}

// For each other member the last own message that they have read.
function readersOf(messages: readonly Message[], members: readonly Member[], user: string): Map<string, string[]> {
  const readers = new Map<string, string[]>();
  for (const member of members) {
    if (member.userId === user) continue;
    const marker = Number(member.lastReadSequence);
    const read = messages.findLast(
      (message) => message.senderId === user && message.deletedAt === undefined && sequenceOf(message) <= marker,
    );
    if (read) readers.set(read.id, [...(readers.get(read.id) ?? []), member.userId]);
  }
  return readers;
}

// Stays at the end while one is there, goes there when one has written, and stays where one is when older ones come in above.
// Answers where the list is, to be told of each scrolling: a person who scrolls while it is drawn is not taken back.
function useScroll(
  box: { current: HTMLDivElement | null },
  first: string | undefined,
  own: number,
  isAtEnd: boolean,
): { current: number } {
  const top = useRef(0);
  const before = useRef({ first, own: 0, height: 0 });
  useLayoutEffect(() => {
    const element = box.current!;
    const was = before.current;
    const isHeld = was.height === 0 || Math.abs(element.scrollTop - top.current) < 2;
    if (first !== was.first && was.height > 0 && !isAtEnd) element.scrollTop += element.scrollHeight - was.height;
    else if ((isAtEnd && isHeld) || own > was.own) element.scrollTop = element.scrollHeight;
    if (isHeld || own > was.own) top.current = element.scrollTop;
    before.current = { first, own, height: element.scrollHeight };
  });
  useEffect(() => {
    // The keyboard of a phone, or a longer draft, makes the list shorter.
    const element = box.current!;
    let height = element.clientHeight;
    const watcher = new ResizeObserver(() => {
      if (isAtEnd && element.clientHeight !== height) element.scrollTop = element.scrollHeight;
      height = element.clientHeight;
    });
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [isAtEnd]);
  return top;
}

// Marks as read what is before somebody's eyes. After a failure it is tried again when the connection is back.
function useSeen(talk: Talk, isAtEnd: boolean): void {
  const newest = talk.messages?.[talk.messages.length - 1];
  const isSeen = watched.value === talk.conversation.id && isAtEnd;
  const state = connection.value;
  useEffect(() => {
    if (isSeen && talk.unread > 0 && newest) markRead(newest).catch(() => undefined);
  }, [isSeen, talk.unread, newest?.id, state]);
}

function useOlder(talk: Talk): () => void {
  const isBusy = useRef(false);
  return () => {
    if (isBusy.current || !hasOlder(talk)) return;
    isBusy.current = true;
    void attempt(() => loadOlder(talk.conversation.id)).finally(() => (isBusy.current = false));
  };
}
