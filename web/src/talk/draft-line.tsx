// A message that is not known to be stored yet.
import { Icon } from "../ui/icon";
import { discard, retry, type Draft } from "./drafts";
import { Linked } from "./linked";

/** It stands where it will stand once it is stored, unless others are quicker. */
export function DraftLine({ draft }: { draft: Draft }) {
  const isFailed = draft.state === "failed";
  return (
    <li class={`message mine ${isFailed ? "failed" : "unsent"}`} data-draft={draft.clientMessageId}>
      <div class="message-body">
        <span class="visually-hidden">You: </span>
        <div class="bubble">
          <p class="bubble-text">
            <Linked text={draft.content} />
          </p>
          <span class="bubble-meta">
            <Icon name={isFailed ? "alert" : "clock"} />
            <span class="visually-hidden">
              {isFailed ? "not sent" : draft.state === "waiting" ? "waits to be sent" : "being sent"}
            </span>
          </span>
        </div>
        {isFailed && (
          <p class="fault" role="alert">
            {draft.why}{" "}
            <button type="button" class="link" onClick={() => retry(draft)}>
              Try again
            </button>{" "}
            <button type="button" class="link" onClick={() => discard(draft)}>
              Discard
            </button>
          </p>
        )}
      </div>
    </li>
  );
}
