// Where one writes.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { me } from "../session";
import { Icon } from "../ui/icon";
import { write } from "./drafts";
import { grow } from "./grow";
import type { Talk } from "./store";
import { connection } from "./stream";
import { tellTyping } from "./typing";

// What has been begun in other conversations is there when one comes back.
const begun = new Map<string, string>();

/** The line at the foot. Enter sends, Shift and Enter begin a new line, the arrow up edits the last message. */
export function Composer({
  talk,
  title,
  onEditLast,
}: {
  talk: Talk;
  title: string;
  onEditLast: (messageId: string) => void;
}) {
  const id = talk.conversation.id;
  const text = useSignal(begun.get(id) ?? "");
  const field = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    // On a phone the keyboard would cover what one has come to read.
    if (matchMedia("(hover: hover)").matches) field.current?.focus();
  }, [id]);
  useEffect(() => grow(field.current), [text.value]);

  const set = (next: string) => {
    text.value = next;
    begun.set(id, next);
  };
  const send = () => {
    const content = text.value.trim();
    field.current?.focus();
    if (content === "") return;
    write(id, content);
    set("");
  };
  const onInput = (next: string) => {
    set(next);
    if (next.trim() !== "" && connection.value === "open") tellTyping(id);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
    if (event.key === "ArrowUp" && text.value === "") {
      const last = talk.messages?.findLast(
        (message) => message.senderId === me.value && message.deletedAt === undefined && !message.encrypted,
      );
      if (!last) return;
      event.preventDefault();
      onEditLast(last.id);
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        aria-label={`Message to ${title}`}
        placeholder="Message"
        value={text.value}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        enterkeyhint="send"
      />
      <button type="submit" class="button primary round" aria-label="Send">
        <Icon name="send" />
      </button>
    </form>
  );
}
