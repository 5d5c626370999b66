// A new conversation: one person makes it direct, several a group.
import { useState } from "preact/hooks";
import type { UserProfile } from "@nova/client";
import { nova } from "../session";
import { Dialog } from "../ui/dialog";
import { Field, Problem, Submit, useForm } from "../ui/form";
import { Picker } from "./picker";
import { refresh } from "./store";

/** The dialog. */
export function StartDialog({ onClose, onStarted }: { onClose: () => void; onStarted: (id: string) => void }) {
  const [chosen, setChosen] = useState<UserProfile[]>([]);
  const [isGroup, setIsGroup] = useState(false);
  const [name, setName] = useState("");
  // One id for this dialog: however often it is submitted, it is one group.
  const [clientConversationId] = useState(() => crypto.randomUUID());
  const needsName = isGroup || chosen.length > 1;

  const form = useForm(["name"], async () => {
    const memberIds = chosen.map((profile) => profile.id);
    const { conversation } = needsName
      ? await nova.messaging.createConversation({ type: "GROUP", memberIds, name: name.trim(), clientConversationId })
      : await nova.messaging.createConversation({ type: "DIRECT", memberIds });
    await refresh(conversation.id);
    onStarted(conversation.id);
  });
  return (
    <Dialog title="New conversation" onClose={onClose}>
      <form onSubmit={form.onSubmit} aria-label="New conversation">
        <Picker chosen={chosen} onChange={setChosen} />
        {chosen.length < 2 && (
          <label class="check">
            <input type="checkbox" checked={isGroup} onChange={(event) => setIsGroup(event.currentTarget.checked)} /> As
            a group
          </label>
        )}
        {needsName && (
          <Field
            form={form}
            name="name"
            label="Name of the group"
            value={name}
            onValue={setName}
            maxLength={100}
            required
            autocomplete="off"
          />
        )}
        <Problem text={form.problem} />
        <p class="actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          {chosen.length > 0 || isGroup ? (
            <Submit form={form}>{needsName ? "Create group" : "Start"}</Submit>
          ) : (
            <button type="button" class="button primary" disabled>
              Start
            </button>
          )}
        </p>
      </form>
    </Dialog>
  );
}
