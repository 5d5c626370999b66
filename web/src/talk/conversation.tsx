// One conversation: who it is with, its messages, and a line to write in.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { nameOf } from "../people/profiles";
import { isReason, words } from "../problem";
import { replace, to } from "../route";
import { endedBy, me } from "../session";
import { Avatar, GroupAvatar } from "../ui/avatar";
import { Icon } from "../ui/icon";
import { Composer } from "./composer";
import { GroupDialog } from "./group";
import { isLookedAt } from "./looking";
import { otherSide, titleOf } from "./names";
import { isLoaded, loadMessages, talks, watched, type Talk } from "./store";
import { Timeline } from "./timeline";
import { typists } from "./typing";

/** The view of a conversation. */
export function ConversationView({ id }: { id: string }) {
  const talk = talks.value.get(id);
  const [problem, setProblem] = useState("");
  const [editing, setEditing] = useState<string | null>(null);
  const isReady = isLoaded.value;
  const isRead = talk?.isRead ?? false;

  const [wasThere, setWasThere] = useState(false);
  const isGone = wasThere && isReady && talk === undefined;

  // Only once the stream is open: what is read then has no gap to what the stream tells.
  const load = () => {
    if (!isReady || isRead || isGone) return;
    setProblem("");
    loadMessages(id).catch((error: unknown) => {
      if (endedBy(error)) return;
      setProblem(
        isReason(error, "CONVERSATION_NOT_FOUND")
          ? "This conversation is not there, or you are no member of it."
          : words(error),
      );
    });
  };
  useEffect(load, [id, isReady, isRead]);
  useSignalEffect(() => {
    watched.value = isLookedAt.value ? id : null;
    return () => (watched.value = null);
  });
  // Whoever is removed from a group while looking at it is led away from it.
  useEffect(() => {
    if (isRead) setWasThere(true);
    if (isGone) replace("c");
  }, [isRead, isGone]);

  if (talk === undefined || !isRead) {
    return (
      <main class="talk talk-none" id="main" tabIndex={-1}>
        {problem ? (
          <>
            <p class="problem" role="alert">
              {problem}
            </p>
            <p class="actions">
              <a class="button" href={to("c")}>
                All conversations
              </a>
              <button type="button" class="button" onClick={load}>
                Try again
              </button>
            </p>
          </>
        ) : (
          <p class="quiet-text">Loading …</p>
        )}
      </main>
    );
  }
  const title = titleOf(talk.conversation, me.value!);
  return (
    <main class="talk" id="main" tabIndex={-1} aria-label={`Conversation with ${title}`}>
      <Head talk={talk} title={title} />
      <Timeline talk={talk} editing={editing} setEditing={setEditing} />
      <Typists id={id} />
      <Composer talk={talk} title={title} onEditLast={setEditing} />
    </main>
  );
}

function Head({ talk, title }: { talk: Talk; title: string }) {
  const [isOpen, setIsOpen] = useState(false);
  const { conversation } = talk;
  const other = otherSide(conversation, me.value!);
  return (
    <header class="talk-head">
      <a class="button quiet round talk-back" href={to("c")} aria-label="All conversations">
        <Icon name="back" />
      </a>
      {other !== undefined ? (
        <a class="talk-who" href={to("u", other)}>
          <Avatar id={other} name={title} />
          <h2>{title}</h2>
        </a>
      ) : (
        <button type="button" class="talk-who" onClick={() => setIsOpen(true)} aria-haspopup="dialog">
          <GroupAvatar id={conversation.id} />
          <h2>{title}</h2>
          <span class="talk-sub">
            {conversation.memberCount === 1 ? "only you" : `${conversation.memberCount} members`}
          </span>
        </button>
      )}
      {isOpen && <GroupDialog talk={talk} onClose={() => setIsOpen(false)} />}
    </header>
  );
}

function Typists({ id }: { id: string }) {
  const writing = typists.value.get(id) ?? [];
  const names = writing.slice(0, 3).map(nameOf);
  return (
    <p class="typists" aria-live="polite">
      {names.length > 0 && (
        <>
          <span class="dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {names.join(", ")} {names.length === 1 ? "is" : "are"} writing …
        </>
      )}
    </p>
  );
}
