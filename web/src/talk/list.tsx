// The conversations, latest activity first.
import { to } from "../route";
import { nameOf } from "../people/profiles";
import { me } from "../session";
import { Avatar, GroupAvatar } from "../ui/avatar";
import { Icon } from "../ui/icon";
import { Time } from "../ui/time";
import { otherSide, titleOf } from "./names";
import { isLoaded, ordered, watched, type Talk } from "./store";
import { typists } from "./typing";

// The arrow keys go through the list; Tab goes through it as well.
function onArrow(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const links = [...event.currentTarget.querySelectorAll("a")];
  const next = links[links.indexOf(document.activeElement as HTMLAnchorElement) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

/** The list. */
export function TalkList({ open, onStart }: { open: string | undefined; onStart: () => void }) {
  const talks = ordered.value;
  return (
    <section class="talk-list" aria-label="Conversations">
      <header class="talk-list-head">
        <h1>Messages</h1>
        <button
          type="button"
          class="button quiet round"
          aria-label="New conversation"
          title="New conversation"
          onClick={onStart}
        >
          <Icon name="plus" />
        </button>
      </header>
      <ul onKeyDown={onArrow}>
        {talks.map((talk) => (
          <Entry key={talk.conversation.id} talk={talk} isOpen={talk.conversation.id === open} />
        ))}
      </ul>
      {talks.length === 0 && <p class="quiet-text">{isLoaded.value ? "No conversations yet." : "Loading …"}</p>}
    </section>
  );
}

function Entry({ talk, isOpen }: { talk: Talk; isOpen: boolean }) {
  const { id, type } = talk.conversation;
  const user = me.value!;
  const title = titleOf(talk.conversation, user);
  const unread = watched.value === id ? 0 : talk.unread;
  return (
    <li>
      <a class={`entry ${unread > 0 ? "is-unread" : ""}`} href={to("c", id)} aria-current={isOpen ? "page" : undefined}>
        {type === "GROUP" ? <GroupAvatar id={id} /> : <Avatar id={otherSide(talk.conversation, user)!} name={title} />}
        <span class="entry-name">{title}</span>
        <span class="entry-time">
          <Time at={talk.active} form="brief" />
        </span>
        <span class="entry-preview">{preview(talk, user)}</span>
        {unread > 0 && (
          <span class="badge">
            {unread > 99 ? "99+" : unread}
            <span class="visually-hidden"> unread</span>
          </span>
        )}
      </a>
    </li>
  );
}

function preview(talk: Talk, user: string): string {
  const writing = typists.value.get(talk.conversation.id);
  if (writing?.[0]) return talk.conversation.type === "DIRECT" ? "is writing …" : `${nameOf(writing[0])} is writing …`;
  const last = talk.last;
  if (last === undefined) return talk.conversation.type === "GROUP" ? "New group" : "No messages yet";
  const text = last.erased ? "Erased message" : last.encrypted ? "Encrypted message" : last.content;
  if (last.senderId === user) return `You: ${text}`;
  return talk.conversation.type === "GROUP" ? `${nameOf(last.senderId)}: ${text}` : text;
}
