// What a conversation is called.
import type { Conversation } from "@nova/client";
import { nameOf } from "../people/profiles";

/** The other side of a direct conversation; undefined for groups. */
export function otherSide(conversation: Conversation, me: string): string | undefined {
  return conversation.type === "DIRECT" ? (conversation.memberIds.find((id) => id !== me) ?? me) : undefined;
}

/** The name of a group, or of the other side. */
export function titleOf(conversation: Conversation, me: string): string {
  const other = otherSide(conversation, me);
  return other === undefined ? conversation.name : nameOf(other);
}
