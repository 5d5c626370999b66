// Editing a message, and what to do when it has changed elsewhere meanwhile.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Message } from "@nova/client";
import { isReason, words } from "../problem";
import { endedBy, nova } from "../session";
import { Dialog } from "../ui/dialog";
import { grow } from "./grow";
import { takeMessage } from "./store";

/** A field in place of the text. The edit is for the version that was there when it began. */
export function Editor({ message, onClose }: { message: Message; onClose: () => void }) {
  const [text, setText] = useState(message.content);
  const [basis] = useState(message.version);
  const [problem, setProblem] = useState("");
  const [theirs, setTheirs] = useState<Message | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);

  // At once, so that what is typed right after goes here.
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(text.length, text.length);
  }, []);
  useEffect(() => grow(field.current), [text]);

  const save = async (expectedVersion: string) => {
    const updatedContent = text.trim();
    if (updatedContent === "" || updatedContent === message.content) return close();
    try {
      const answer = await nova.messaging.updateMessage({ messageId: message.id, updatedContent, expectedVersion });
      takeMessage(answer.message);
      close();
    } catch (error) {
      if (endedBy(error)) return;
      if (isReason(error, "VERSION_CONFLICT")) await compare();
      else setProblem(words(error));
    }
  };
  const compare = async () => {
    try {
      const now = (await nova.messaging.getMessage({ messageId: message.id })).message;
      takeMessage(now);
      setTheirs(now);
    } catch (error) {
      if (!endedBy(error)) setProblem(words(error));
    }
  };
  const close = () => {
    onClose();
    document.querySelector<HTMLElement>(".composer textarea")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      void save(basis);
    }
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        void save(basis);
      }}
    >
      <textarea
        ref={field}
        rows={1}
        aria-label="Edit the message"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      {problem && (
        <p class="fault" role="alert">
          {problem}
        </p>
      )}
      <p class="actions">
        <button type="button" class="button quiet" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="button primary">
          Save
        </button>
      </p>
      {theirs && (
        <Conflict
          mine={text}
          theirs={theirs}
          onBack={() => setTheirs(null)}
          onTheirs={close}
          onMine={() => {
            setTheirs(null);
            void save(theirs.version);
          }}
        />
      )}
    </form>
  );
}

interface ConflictProps {
  mine: string;
  theirs: Message;
  onBack: () => void;
  onTheirs: () => void;
  onMine: () => void;
}

function Conflict({ mine, theirs, onBack, onTheirs, onMine }: ConflictProps) {
  return (
    <Dialog title="Changed elsewhere" onClose={onBack}>
      <p>This message was edited in another place while you were editing it. Which text shall it have?</p>
      <dl class="conflict">
        <div>
          <dt>As it is now</dt>
          <dd>{theirs.content}</dd>
        </div>
        <div>
          <dt>As you have written it</dt>
          <dd>{mine.trim()}</dd>
        </div>
      </dl>
      <p class="actions">
        <button type="button" class="button" autofocus onClick={onTheirs}>
          Keep it as it is
        </button>
        <button type="button" class="button primary" onClick={onMine}>
          Use mine
        </button>
      </p>
    </Dialog>
  );
}
