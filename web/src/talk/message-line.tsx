// A stored message.
import type { Message } from "@nova/client";
import { nameOf } from "../people/profiles";
import { me, nova } from "../session";
import { Avatar } from "../ui/avatar";
import { ask } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { attempt } from "../ui/notice";
import { Time } from "../ui/time";
import { Editor } from "./editor";
import { Linked } from "./linked";

interface Props {
  message: Message;
  /** The day, if it is the first message of it. */
  newDay: string | undefined;
  /** Whether it is the first that had not been read when the conversation was opened. */
  isNew: boolean;
  /** Whether it begins a run of messages of one person. */
  isFirst: boolean;
  isGroup: boolean;
  /** Whether Tab reaches it. */
  isActive: boolean;
  isEditing: boolean;
  readers: string[];
  canDelete: boolean;
  onActive: (id: string) => void;
  setEditing: (id: string | null) => void;
}

/** The message with what stands above and below it. */
export function MessageLine(props: Props) {
  const { message, newDay, isNew, isFirst, isGroup, isActive, isEditing, readers, canDelete, setEditing } = props;
  const isMine = message.senderId === me.value;
  const isDeleted = message.deletedAt !== undefined;
  const isEditable = isMine && !isDeleted && !message.erased && message.encrypted === undefined;
  const name = nameOf(message.senderId);

  const remove = async () => {
    if (await ask("Delete this message?", "It disappears for everybody. This cannot be undone.", "Delete")) {
      await attempt(() => nova.messaging.deleteMessage({ messageId: message.id }));
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "Enter" && isEditable) {
      event.preventDefault();
      setEditing(message.id);
    }
    if (event.key === "Delete" && canDelete && !isDeleted) void remove();
  };
  return (
    <>
      {newDay && (
        <li class="divider">
          <span>{newDay}</span>
        </li>
      )}
      {isNew && (
        <li class="divider divider-new">
          <span>New</span>
        </li>
      )}
      <li
        class={`message ${isMine ? "mine" : "theirs"} ${isFirst ? "first" : ""} ${isDeleted || message.erased ? "deleted" : ""}`}
        data-id={message.id}
        data-sequence={message.sequence}
        tabIndex={isActive ? 0 : -1}
        onFocus={() => props.onActive(message.id)}
        onKeyDown={onKeyDown}
      >
        {!isMine && isGroup && (
          <span class="message-avatar">{isFirst && <Avatar id={message.senderId} name={name} size="small" />}</span>
        )}
        <div class="message-body">
          {isGroup && !isMine && isFirst ? (
            <p class="message-author">{name}</p>
          ) : (
            <span class="visually-hidden">{isMine ? "You" : name}: </span>
          )}
          {isEditing && isEditable ? (
            <Editor message={message} onClose={() => setEditing(null)} />
          ) : (
            <div class="bubble">
              <p class="bubble-text">
                {isDeleted ? (
                  "Deleted"
                ) : message.erased ? (
                  "The account that wrote this was deleted; nobody can read it any more."
                ) : message.encrypted ? (
                  "Encrypted on the sender’s device; this page cannot read it."
                ) : (
                  <Linked text={message.content} />
                )}
              </p>
              <span class="bubble-meta">
                {message.version !== "1" && !isDeleted && <span>edited</span>}
                <Time at={message.createdAt} form="clock" />
              </span>
            </div>
          )}
          {readers.length > 0 && <p class="readers">{isGroup ? `Seen by ${names(readers)}` : "Seen"}</p>}
        </div>
        {!isDeleted && !isEditing && (isEditable || canDelete) && (
          <span class="message-actions">
            {isEditable && (
              <button
                type="button"
                class="button quiet round small"
                aria-label="Edit this message"
                tabIndex={isActive ? 0 : -1}
                onClick={() => setEditing(message.id)}
              >
                <Icon name="edit" />
              </button>
            )}
            {canDelete && (
              <button
                type="button"
                class="button quiet round small"
                aria-label="Delete this message"
                tabIndex={isActive ? 0 : -1}
                onClick={() => void remove()}
              >
                <Icon name="bin" />
              </button>
            )}
          </span>
        )}
      </li>
    </>
  );
}

function names(ids: readonly string[]): string {
  const shown = ids.slice(0, 3).map(nameOf).join(", ");
  return ids.length > 3 ? `${shown} and ${ids.length - 3} more` : shown;
}
