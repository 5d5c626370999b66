// A group's name and members, and what one's role lets one do with them.
import { useState } from "preact/hooks";
import type { Member, MemberRole, UserProfile } from "@nova/client";
import { nameOf } from "../people/profiles";
import { isReason } from "../problem";
import { to } from "../route";
import { me, nova } from "../session";
import { Avatar } from "../ui/avatar";
import { ask, Dialog } from "../ui/dialog";
import { Field, Problem, Submit, useForm } from "../ui/form";
import { attempt, done } from "../ui/notice";
import { Picker } from "./picker";
import { loadMembers, put, refresh, type Talk } from "./store";

const ROLES: Record<MemberRole, string> = { OWNER: "Owner", ADMIN: "Administrator", MEMBER: "Member" };

/** The dialog. */
export function GroupDialog({ talk, onClose }: { talk: Talk; onClose: () => void }) {
  const { id } = talk.conversation;
  const members = talk.members ?? [];
  const mine = members.find((member) => member.userId === me.value)?.role ?? "MEMBER";
  const leave = async () => {
    const text =
      mine === "OWNER" && members.length > 1
        ? "The group goes on: whoever has been its administrator or member longest becomes its owner."
        : "You will no longer see its messages.";
    if (!(await ask("Leave this group?", text, "Leave"))) return;
    if (await attempt(() => nova.messaging.removeMember({ conversationId: id, userId: me.value! })))
      put(id, () => undefined);
  };
  return (
    <Dialog title={talk.conversation.name} onClose={onClose}>
      {mine !== "MEMBER" && <Rename talk={talk} />}
      <h3>{members.length === 1 ? "1 member" : `${members.length} members`}</h3>
      <ul class="rows">
        {members.map((member) => (
          <MemberRow key={member.userId} member={member} mine={mine} conversationId={id} />
        ))}
      </ul>
      {mine !== "MEMBER" && <Add talk={talk} />}
      <p class="actions start">
        <button type="button" class="button danger" onClick={() => void leave()}>
          Leave group
        </button>
      </p>
    </Dialog>
  );
}

/** Somebody else was quicker; the message is the name that they gave. */
class Renamed extends Error {}

function Rename({ talk }: { talk: Talk }) {
  const { id } = talk.conversation;
  const [name, setName] = useState(talk.conversation.name);
  // The name that the person saw when they wrote another.
  const [basis, setBasis] = useState(talk.conversation.name);

  const save = async (version: string): Promise<void> => {
    const call = nova.messaging.updateConversation({ conversationId: id, name: name.trim(), expectedVersion: version });
    await call.catch(async (error: unknown) => {
      if (!isReason(error, "VERSION_CONFLICT")) throw error;
      // Members and roles count as changes too; only another name is a reason to ask.
      const now = (await nova.messaging.getConversation({ conversationId: id })).conversation;
      if (now.name === basis) return save(now.version);
      setBasis(now.name);
      throw new Renamed(now.name);
    });
  };
  const form = useForm(
    ["name"],
    async () => {
      await save(talk.conversation.version);
      setBasis(name.trim());
      await refresh(id);
      done("The group is renamed.");
    },
    (error) => {
      if (!(error instanceof Renamed)) return false;
      form.refuse({
        name: `Somebody has just renamed the group to “${error.message}”. Save again if you still want your name for it.`,
      });
      void refresh(id);
      return true;
    },
  );
  return (
    <form class="inline" onSubmit={form.onSubmit} aria-label="Rename the group">
      <Field
        form={form}
        name="name"
        label="Name"
        value={name}
        onValue={setName}
        maxLength={100}
        required
        autocomplete="off"
      />
      <Submit form={form} kind="plain">
        Rename
      </Submit>
      <Problem text={form.problem} />
    </form>
  );
}

function MemberRow({ member, mine, conversationId }: { member: Member; mine: MemberRole; conversationId: string }) {
  const { userId, role } = member;
  const name = nameOf(userId);
  const isMe = userId === me.value;
  const setRole = async (next: MemberRole) => {
    if (
      next === "OWNER" &&
      !(await ask(`Make ${name} the owner?`, "A group has one owner: you become an administrator.", "Hand over"))
    ) {
      return loadMembers(conversationId);
    }
    await attempt(() => nova.messaging.updateMemberRole({ conversationId, userId, role: next }));
    await attempt(() => loadMembers(conversationId));
  };
  const remove = async () => {
    if (!(await ask(`Remove ${name}?`, "They will no longer see the group’s messages.", "Remove"))) return;
    await attempt(() => nova.messaging.removeMember({ conversationId, userId }));
    await attempt(() => loadMembers(conversationId));
  };
  const canRemove = !isMe && (mine === "OWNER" || (mine === "ADMIN" && role === "MEMBER"));
  return (
    <li class="row">
      <a class="row-main" href={to("u", userId)}>
        <Avatar id={userId} name={name} size="small" />
        <span class="row-text">
          <span class="row-name">
            {name}
            {isMe && <span class="chip">you</span>}
          </span>
        </span>
      </a>
      <span class="row-actions">
        {mine === "OWNER" && !isMe ? (
          <select
            aria-label={`Role of ${name}`}
            value={role}
            onChange={(event) => void setRole(event.currentTarget.value as MemberRole)}
          >
            {Object.entries(ROLES).map(([value, text]) => (
              <option key={value} value={value} selected={value === role}>
                {text}
              </option>
            ))}
          </select>
        ) : (
          <span class="row-sub">{ROLES[role]}</span>
        )}
        {canRemove && (
          <button type="button" class="button quiet" aria-label={`Remove ${name}`} onClick={() => void remove()}>
            Remove
          </button>
        )}
      </span>
    </li>
  );
}

function Add({ talk }: { talk: Talk }) {
  const { id } = talk.conversation;
  const [isOpen, setIsOpen] = useState(false);
  const [chosen, setChosen] = useState<UserProfile[]>([]);
  const form = useForm([], async () => {
    await nova.messaging.addMembers({ conversationId: id, userIds: chosen.map((profile) => profile.id) });
    await Promise.all([refresh(id), loadMembers(id)]);
    setChosen([]);
    setIsOpen(false);
  });
  if (!isOpen) {
    return (
      <button type="button" class="button" onClick={() => setIsOpen(true)}>
        Add people
      </button>
    );
  }
  return (
    <form class="add" onSubmit={form.onSubmit} aria-label="Add people">
      <Picker chosen={chosen} onChange={setChosen} without={(talk.members ?? []).map((member) => member.userId)} />
      <Problem text={form.problem} />
      <p class="actions">
        <button type="button" class="button" onClick={() => setIsOpen(false)}>
          Cancel
        </button>
        {chosen.length > 0 && <Submit form={form}>Add</Submit>}
      </p>
    </form>
  );
}
