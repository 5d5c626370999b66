// What is read out to those who do not see the page: new messages, as they arrive.
import { signal } from "@preact/signals";
import { nameOf } from "../people/profiles";

/** The newest. */
export const announcement = signal("");

/** Reads a message out. */
export function announce(senderId: string, content: string): void {
  announcement.value = `${nameOf(senderId)}: ${content || "a message"}`;
}
