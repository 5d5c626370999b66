// The stream of changes. It is opened first; then what is there is read; and events are applied all the while, which they may be
// in any order with answers. After a lost connection the client goes on from its cursor, so nothing has to be read again.
import { effect, signal } from "@preact/signals";
import { isPassing, isReason } from "../problem";
import { endedBy, me, nova } from "../session";
import { forgetProfiles } from "../people/profiles";
import { announce } from "./announce";
import { hurry } from "./drafts";
import { forget, isLoaded, loadTalks, takeEvent } from "./store";
import { dropTyping, takeTyping } from "./typing";

export type Connection = "connecting" | "open" | "waiting";

/** How the stream is doing. */
export const connection = signal<Connection>("connecting");

const PAUSE = 2000;
const LATE = 5000;

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PAUSE);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()));
  });
}

/** Follows the changes until the signal says to stop. */
async function follow(signal: AbortSignal): Promise<void> {
  // Where the stream does not come up, the page is of use without it. What happens until it does is unknown then, so that
  // everything is read anew once it has.
  let isBlind = false;
  const timer = setTimeout(() => {
    isBlind = true;
    void load(signal);
  }, LATE);
  const onOpen = () => {
    clearTimeout(timer);
    if (isBlind) forget();
    isBlind = false;
    hurry();
    if (!isLoaded.peek()) void load(signal);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));

  while (!signal.aborted) {
    try {
      await listen(signal, onOpen);
    } catch (error) {
      if (signal.aborted || endedBy(error)) return;
      // What was missed cannot be had from the stream any more.
      if (isReason(error, "CURSOR_EXPIRED", "CURSOR_INVALID")) forget();
      connection.value = "waiting";
    }
    if (!signal.aborted) await pause(signal);
  }
}

async function listen(signal: AbortSignal, onOpen: () => void): Promise<void> {
  const events = nova.events({
    signal,
    onState: (state) => {
      connection.value = state;
      if (state === "open") onOpen();
    },
  });
  for await (const event of events) {
    if (event.typing) takeTyping(event.conversationId, event.typing.userId);
    else takeEvent(event);
    const sent = event.messageSent;
    if (sent === undefined) continue;
    dropTyping(event.conversationId, sent.senderId);
    if (sent.senderId !== me.peek()) announce(sent.senderId, sent.content);
  }
}

async function load(signal: AbortSignal): Promise<void> {
  try {
    await loadTalks();
  } catch (error) {
    if (signal.aborted || endedBy(error) || !isPassing(error)) return;
    await pause(signal);
    if (!signal.aborted && !isLoaded.peek()) await load(signal);
  }
}

/** Follows the changes of whoever is signed in, for as long as the page lives. */
export function startStream(): void {
  effect(() => {
    forget();
    forgetProfiles();
    if (me.value === null) return undefined;
    const stop = new AbortController();
    connection.value = "connecting";
    void follow(stop.signal);
    return () => stop.abort();
  });
}
