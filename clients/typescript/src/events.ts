import type { Transport } from "./call.js";
import { NovaError } from "./error.js";
import type { StreamEventsResponse } from "./generated.js";
import type { Session } from "./session.js";
import { EventParser } from "./sse.js";
import { backoff, Limit, sleep } from "./time.js";

/** How a stream is doing: `open` from its first message on; `waiting` until the next try. */
export type StreamState = "connecting" | "open" | "waiting";

/** What can be said of a stream of events. */
export interface EventsOptions {
  /** The cursor of the last event that was dealt with; without it the stream begins now. */
  cursor?: string | undefined;
  /** Only changes to these conversations. */
  conversationIds?: readonly string[] | undefined;
  /** Ends the stream, and with it the loop over it, without an error. */
  signal?: AbortSignal | undefined;
  /** Told whenever the state changes. */
  onState?: ((state: StreamState) => void) | undefined;
}

const PATH = "/api/v1/events";
/** Heartbeats come every 15 seconds: after so long the connection is taken for dead. */
const SILENCE_MS = 40_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;

/**
 * Every change to the conversations of who is signed in, as long as one loops over it: it reconnects by itself and goes on after
 * its cursor, so that nothing is lost and nothing comes twice.
 *
 * The loop ends with a {@link NovaError} when there is no going on: CURSOR_EXPIRED and CURSOR_INVALID (read everything anew and
 * stream without a cursor), a conversation that is not there, or nobody signed in any more.
 */
export class EventStream implements AsyncIterable<StreamEventsResponse> {
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #options: EventsOptions;
  readonly #silence: number;
  #cursor: string | undefined;
  #state: StreamState | undefined;

  constructor(transport: Transport, session: Session, options: EventsOptions, silence = SILENCE_MS) {
    this.#transport = transport;
    this.#session = session;
    this.#options = options;
    this.#silence = silence;
    this.#cursor = options.cursor;
  }

  /** Where to go on after the event that was handed out last; heartbeats move it too. Not there before the first message. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEventsResponse, void, undefined> {
    const { signal } = this.#options;
    const person = this.#session.person;
    let failures = 0;
    let renewed = false;
    while (!signal?.aborted) {
      this.#become("connecting");
      const used: { token?: string } = {};
      try {
        for await (const event of this.#connection(used, person)) {
          failures = 0;
          renewed = false;
          this.#become("open");
          this.#mustBe(person);
          if (event.cursor) {
            this.#cursor = event.cursor;
          }
          if (event.heartbeat === undefined) {
            yield event;
          }
        }
        await this.#wait(failures++);
      } catch (error) {
        if (signal?.aborted) {
          return;
        }
        let failure = NovaError.network(error);
        if (failure.status === 401 && used.token !== undefined && !renewed) {
          renewed = true;
          try {
            await this.#session.renew(used.token, signal);
            continue; // at once: the server has nothing against coming back
          } catch (refused) {
            failure = NovaError.network(refused);
            renewed = false;
          }
        }
        if (signal?.aborted) {
          return;
        }
        if (!isPassing(failure)) {
          throw failure;
        }
        await this.#wait(failures++, failure);
      }
    }
  }

  /** What one connection says until it ends, which it may do with an error. */
  async *#connection(used: { token?: string }, person: string | undefined): AsyncGenerator<StreamEventsResponse, void> {
    const limit = new Limit(this.#options.signal);
    const watch = () =>
      limit.within(this.#silence, () => NovaError.network(new Error(`nothing was heard for ${this.#silence} ms`)));
    try {
      watch();
      const token = await this.#session.token(limit.signal);
      this.#mustBe(person);
      used.token = token ?? "";
      const query = { cursor: this.#cursor, conversationIds: this.#options.conversationIds };
      const response = await this.#transport.open(PATH, query, used.token, limit.signal);
      const reader = response.body?.getReader();
      const [decoder, parser] = [new TextDecoder(), new EventParser()];
      for (;;) {
        watch();
        const part = await reader?.read();
        if (part === undefined || part.done) {
          return;
        }
        limit.rest(); // the time that the reader of the events takes is not the server's
        for (const { event, data } of parser.push(decoder.decode(part.value, { stream: true }))) {
          if (event === "problem") {
            throw NovaError.from(data, 503);
          }
          yield JSON.parse(data) as StreamEventsResponse;
        }
      }
    } finally {
      limit.end(new DOMException("the stream is not read any more", "AbortError"));
    }
  }

  /** A stream is one person's: it does not go on as another's, and not as nobody's. */
  #mustBe(person: string | undefined): void {
    if (this.#session.tokens === null || this.#session.person !== person) {
      throw NovaError.signedOut(this.#session.tokens === null ? undefined : "somebody else has signed in");
    }
  }

  /** Waits before the next try; a browser that finds the network again does not wait longer. */
  async #wait(failures: number, failure?: NovaError): Promise<void> {
    this.#become("waiting");
    const wait = Math.max(backoff(failures, FIRST_WAIT_MS, LONGEST_WAIT_MS), (failure?.retryAfter ?? 0) * 1000);
    const online = (now: () => void) => {
      globalThis.addEventListener?.("online", now);
      return () => globalThis.removeEventListener?.("online", now);
    };
    try {
      await sleep(wait, this.#options.signal, online);
    } catch {
      // Ended meanwhile: the loop sees it.
    }
  }

  #become(state: StreamState): void {
    if (this.#state !== state) {
      this.#state = state;
      this.#options.onState?.(state);
    }
  }
}

/** Whether coming back may help. */
function isPassing(error: NovaError): boolean {
  const { status, reason } = error;
  return status === 0 || status === 408 || status === 429 || status >= 500 || reason === "SLOW_READER";
}
