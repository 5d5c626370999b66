import { NovaError } from "./error.js";
import type { Session } from "./session.js";
import { backoff, Limit, sleep } from "./time.js";

/** How a call is sent. */
export interface Route {
  readonly verb: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** The path, with its fields as `{name}`. */
  readonly path: string;
  /** `*`: what does not stand in the path is the body. A name: that field is. Not there: all is in the query. */
  readonly body?: string;
  /** The field with the client's own id for what is made: a call that has one can be repeated. */
  readonly clientId?: string;
  /** Needs no access token. */
  readonly public?: true;
}

/** What can be said of any call. */
export interface CallOptions {
  /** Ends the call; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** The version that a change is meant for (`"3"`), or an ETag: another spelling of `expectedVersion`. */
  ifMatch?: string | undefined;
  /** Another spelling of `clientMessageId` and `clientConversationId`. */
  idempotencyKey?: string | undefined;
  /** Milliseconds for the whole call, tries and waits together; 30,000 unless said. */
  timeoutMs?: number | undefined;
}

/** What the client says of its own calls. */
export interface Repeat {
  /** It can be repeated whatever the route says. */
  repeatable: boolean;
  /** Milliseconds for one try. */
  attemptMs: number;
}

type Fields = Readonly<Record<string, unknown>>;

const TIMEOUT_MS = 30_000;
const RETRIES = 3;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;

/** Sends calls: with the token, again where that is safe, and with errors as {@link NovaError}. */
export class Transport {
  readonly #base: string;
  readonly #fetch: typeof fetch;
  readonly #session: () => Session;

  constructor(base: string, fetch: typeof globalThis.fetch, session: () => Session) {
    this.#base = base.replace(/\/+$/, "");
    this.#fetch = fetch;
    this.#session = session;
  }

  async call(route: Route, request: Fields, options: CallOptions = {}, repeat?: Repeat): Promise<unknown> {
    const { path, body } = spell(route, request);
    const send = { verb: route.verb, path, body, headers: headers(options, body) };
    const time = options.timeoutMs ?? TIMEOUT_MS;
    const end = Date.now() + time;
    const limit = new Limit(options.signal).within(time);
    const repeatable = repeat?.repeatable ?? isRepeatable(route, request, options);
    try {
      for (let tries = 0, renewed = false; ; ) {
        let token: string | undefined;
        try {
          token = await this.#token(route, limit.signal);
          return await this.#once(send, token, limit.signal, repeat?.attemptMs);
        } catch (error) {
          if (limit.signal.aborted) {
            throw limit.signal.reason;
          }
          const failure = NovaError.network(error);
          if (isStale(failure) && token !== undefined && !route.public && !renewed) {
            // Nothing has been done yet, so that this is safe for any call.
            renewed = true;
            await this.#session().renew(token, limit.signal);
            continue;
          }
          const wait = Math.max(backoff(tries, FIRST_WAIT_MS, LONGEST_WAIT_MS), (failure.retryAfter ?? 0) * 1000);
          if (!repeatable || !isPassing(failure) || tries === RETRIES || Date.now() + wait >= end) {
            throw failure;
          }
          tries += 1;
          await sleep(wait, limit.signal);
        }
      }
    } finally {
      limit.end();
    }
  }

  /** Opens a stream: what comes back is a success whose body is still to be read. */
  async open(path: string, query: Fields, token: string, signal: AbortSignal): Promise<Response> {
    const headers = { accept: "text/event-stream", authorization: `Bearer ${token}` };
    const response = await this.#fetch(this.#base + path + search(query), { headers, signal, cache: "no-store" });
    if (!response.ok) {
      throw await NovaError.of(response);
    }
    return response;
  }

  async #token(route: Route, signal: AbortSignal): Promise<string | undefined> {
    // A call that anybody may make goes with the token there is: Logout names its session by it, even when it has expired.
    return route.public ? this.#session().tokens?.accessToken : this.#session().token(signal);
  }

  async #once(send: Sent, token: string | undefined, signal: AbortSignal, attemptMs?: number): Promise<unknown> {
    const headers = token === undefined ? send.headers : { ...send.headers, authorization: `Bearer ${token}` };
    const limit = new Limit(signal);
    if (attemptMs !== undefined) {
      limit.within(attemptMs);
    }
    try {
      const init = { method: send.verb, headers, signal: limit.signal };
      const { path, body } = send;
      const response = await this.#fetch(this.#base + path, body === undefined ? init : { ...init, body });
      if (!response.ok) {
        throw await NovaError.of(response);
      }
      return JSON.parse(await response.text());
    } finally {
      limit.end();
    }
  }
}

/** A call as it goes over the wire, but for the token. */
interface Sent {
  verb: string;
  path: string;
  body: string | undefined;
  headers: Record<string, string>;
}

function headers(options: CallOptions, body: string | undefined): Record<string, string> {
  const found: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) found["content-type"] = "application/json";
  if (options.ifMatch !== undefined) found["if-match"] = etag(options.ifMatch);
  if (options.idempotencyKey !== undefined) found["idempotency-key"] = options.idempotencyKey;
  if (options.timeoutMs !== undefined) found["grpc-timeout"] = `${Math.ceil(options.timeoutMs)}m`;
  return found;
}

/** Whether doing it twice is doing it once. */
function isRepeatable(route: Route, request: Fields, options: CallOptions): boolean {
  if (route.verb === "GET" || route.verb === "PUT" || route.verb === "DELETE") {
    return true;
  }
  // The server knows the key by the same field, so that on other calls it would promise nothing.
  return route.clientId !== undefined && Boolean(request[route.clientId] || options.idempotencyKey);
}

/**
 * Whether it is the token that was refused. Other answers of this status are about what the call brought with it, such as a
 * password: sending that again would count as another failure.
 */
function isStale(error: NovaError): boolean {
  return error.status === 401 && ["TOKEN_EXPIRED", "TOKEN_REVOKED", "UNAUTHENTICATED"].includes(error.reason);
}

/** Whether the same call may well succeed a little later. */
function isPassing(error: NovaError): boolean {
  return error.status === 0 || error.status === 503;
}

/** The path with its query, and the body. */
export function spell(route: Route, request: Fields): { path: string; body: string | undefined } {
  const rest: Record<string, unknown> = { ...request };
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = request[name];
    delete rest[name];
    if (value === undefined || value === null || value === "") {
      throw new TypeError(`${name} must be set: it stands in the path`);
    }
    return encodeURIComponent(String(value));
  });
  if (route.body === "*") {
    return { path, body: JSON.stringify(rest) };
  }
  if (route.body === undefined) {
    return { path: path + search(rest), body: undefined };
  }
  const body = rest[route.body];
  delete rest[route.body];
  return { path: path + search(rest), body: JSON.stringify(body ?? {}) };
}

/** A query string; fields of messages are written `message.field`, lists as many times as they are long. */
export function search(fields: Fields): string {
  const query = new URLSearchParams();
  const add = (name: string, value: unknown): void => {
    if (Array.isArray(value)) {
      value.forEach((item) => add(name, item));
    } else if (typeof value === "object" && value !== null) {
      Object.entries(value).forEach(([inner, item]) => add(`${name}.${inner}`, item));
    } else if (value !== undefined && value !== null) {
      query.append(name, String(value));
    }
  };
  Object.entries(fields).forEach(([name, value]) => add(name, value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function etag(version: string): string {
  return /^\d+$/.test(version) ? `"${version}"` : version;
}
