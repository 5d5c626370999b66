// How many people wait for an answer to their wish to follow.
import { effect, signal } from "@preact/signals";
import { me, nova } from "../session";

/** As of the last look; the API pushes no follow requests. */
export const requestCount = signal(0);

effect(() => {
  void me.value;
  requestCount.value = 0;
});

/** Looks. */
export async function countRequests(): Promise<void> {
  const user = me.peek();
  try {
    const { profiles } = await nova.user.listFollowRequests({ userId: "me", limit: 100 });
    if (me.peek() === user) requestCount.value = profiles.length;
  } catch {
    // The list itself says why it cannot be read, to whoever opens it.
  }
}
