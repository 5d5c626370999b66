import { type CallOptions, type Repeat, type Route, Transport } from "./call.js";
import { type EventsOptions, EventStream } from "./events.js";
import {
  type AuthService,
  type MessagingService,
  type RefreshTokenResponse,
  ROUTES,
  type Tokens,
  type UserService,
} from "./generated.js";
import { Session } from "./session.js";

/** How a client is made. */
export interface NovaOptions {
  /** Where Nova is, such as `https://chat.example.org`; where the page comes from unless said. */
  baseUrl?: string | undefined;
  /** The tokens to begin with; what `loadTokens` says unless said. */
  tokens?: Tokens | null | undefined;
  /** Told whenever the client has changed the tokens by itself: store them; null means that one has to log in again. */
  onTokens?: ((tokens: Tokens | null) => void) | undefined;
  /** Reads the tokens that were stored last, so that of two tabs only one renews them. */
  loadTokens?: (() => Tokens | null) | undefined;
  /** Sends requests; the global one unless said. */
  fetch?: typeof fetch | undefined;
}

/** A refresh token is taken again within ten seconds of its first use, and never later: a lost answer is asked for in that time. */
const REFRESH_MS = 9_000;
const REFRESH: Repeat = { repeatable: true, attemptMs: 4_000 };

/** A client of one Nova for one person. */
export class Nova {
  /** Accounts, log-ins, tokens and roles. */
  readonly auth: AuthService;
  /** Profiles, settings, follows and blocks. */
  readonly user: UserService;
  /** Conversations and messages. */
  readonly messaging: MessagingService;
  readonly #session: Session;
  readonly #transport: Transport;

  constructor(options: NovaOptions = {}) {
    const base = options.baseUrl ?? "";
    const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#transport = new Transport(base, send, () => this.#session);
    this.#session = new Session(`nova:refresh:${base}`, options, async (refreshToken) => {
      const timeoutMs = REFRESH_MS;
      const answer = await this.#transport.call(ROUTES.auth.refreshToken, { refreshToken }, { timeoutMs }, REFRESH);
      return (answer as RefreshTokenResponse).tokens;
    });
    this.auth = calls<AuthService>(this.#transport, ROUTES.auth);
    this.user = calls<UserService>(this.#transport, ROUTES.user);
    this.messaging = calls<MessagingService>(this.#transport, ROUTES.messaging);
  }

  /** The present tokens; null when nobody is signed in. */
  get tokens(): Tokens | null {
    return this.#session.tokens;
  }

  /** Goes on with these tokens: after Register or Login, from storage, or after another tab has renewed them; null signs out. */
  useTokens(tokens: Tokens | null): void {
    this.#session.use(tokens);
  }

  /** Every change to one's conversations from the cursor on, over lost connections and expired tokens. */
  events(options: EventsOptions = {}): EventStream {
    return new EventStream(this.#transport, this.#session, options);
  }
}

/** The methods of a service. */
function calls<Service>(transport: Transport, routes: Readonly<Record<string, Route>>): Service {
  const methods = Object.entries(routes).map(([name, route]) => {
    const method = (request: Record<string, unknown> = {}, options?: CallOptions) => transport.call(route, request, options);
    return [name, method];
  });
  return Object.fromEntries(methods) as Service;
}
