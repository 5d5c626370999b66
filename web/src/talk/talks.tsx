// The list of conversations beside the one that is open; on a narrow screen one of the two.
import { useState } from "preact/hooks";
import { go } from "../route";
import { ConversationView } from "./conversation";
import { TalkList } from "./list";
import { StartDialog } from "./start";

/** The view of messages. */
export function Talks({ open }: { open: string | undefined }) {
  const [isStarting, setIsStarting] = useState(false);
  return (
    <div class="talks">
      <TalkList open={open} onStart={() => setIsStarting(true)} />
      {open ? (
        <ConversationView id={open} key={open} />
      ) : (
        <main class="talk talk-none" id="main" tabIndex={-1}>
          <p class="quiet-text">Choose a conversation, or begin a new one.</p>
          <button type="button" class="button primary" onClick={() => setIsStarting(true)}>
            New conversation
          </button>
        </main>
      )}
      {isStarting && (
        <StartDialog
          onClose={() => setIsStarting(false)}
          onStarted={(id) => {
            setIsStarting(false);
            go("c", id);
          }}
        />
      )}
    </div>
  );
}
