import { NovaError } from "./error.js";
import type { Tokens } from "./generated.js";
import { abortable } from "./time.js";

/** Where tokens come from and go to. */
export interface SessionOptions {
  tokens?: Tokens | null | undefined;
  loadTokens?: (() => Tokens | null) | undefined;
  onTokens?: ((tokens: Tokens | null) => void) | undefined;
}

/** How long before its end a token is renewed; of a short one, a tenth of its life. */
const MARGIN_MS = 30_000;
/** How long a token that is still good is used on when it could not be renewed. */
const AGAIN_MS = 5_000;

/** Who is signed in: the tokens, and their renewal – one at a time, in all tabs of a browser together. */
export class Session {
  readonly #load: (() => Tokens | null) | undefined;
  readonly #tell: (tokens: Tokens | null) => void;
  readonly #refresh: (refreshToken: string) => Promise<Tokens>;
  readonly #lock: string;
  #tokens: Tokens | null = null;
  #person: string | undefined;
  #flight: Promise<void> | undefined;
  /** By how much this machine's clock is ahead of the server's, learned from a new token. */
  #ahead = 0;
  #renewAt = Infinity;
  #endsAt = Infinity;

  constructor(lock: string, options: SessionOptions, refresh: (refreshToken: string) => Promise<Tokens>) {
    this.#lock = lock;
    this.#load = options.loadTokens;
    this.#tell = options.onTokens ?? (() => {});
    this.#refresh = refresh;
    this.use(options.tokens === undefined ? (this.#load?.() ?? null) : options.tokens);
  }

  get tokens(): Tokens | null {
    return this.#tokens;
  }

  /** Whose the tokens are, as far as they tell. */
  get person(): string | undefined {
    return this.#person;
  }

  use(tokens: Tokens | null): void {
    this.#tokens = tokens;
    const { sub, iat, exp } = claims(tokens?.accessToken ?? "");
    this.#person = sub;
    // A token that cannot be read is used until the server says that its time is over.
    this.#endsAt = exp === undefined ? Infinity : exp * 1000 + this.#ahead;
    const life = iat === undefined || exp === undefined ? Infinity : (exp - iat) * 1000;
    this.#renewAt = this.#endsAt - Math.min(MARGIN_MS, life / 10);
  }

  /** An access token that is good for a while; none if nobody is signed in. */
  async token(signal?: AbortSignal): Promise<string | undefined> {
    const before = this.#tokens;
    if (before !== null && Date.now() >= this.#renewAt) {
      try {
        await this.renew(before.accessToken, signal);
      } catch (error) {
        if (this.#tokens !== before || Date.now() >= this.#endsAt) {
          throw error;
        }
        this.#renewAt = Date.now() + AGAIN_MS;
      }
    }
    return this.#tokens?.accessToken;
  }

  /** Gets new tokens in place of `used`, unless somebody has. Rejects with why not. */
  async renew(used: string, signal?: AbortSignal): Promise<void> {
    if (this.#tokens?.accessToken !== used) {
      return;
    }
    this.#flight ??= this.#renew(this.#tokens).finally(() => (this.#flight = undefined));
    await abortable(this.#flight, signal);
  }

  #renew(before: Tokens): Promise<void> {
    return exclusively(this.#lock, async () => {
      const stored = this.#load === undefined ? before : this.#load();
      if (this.#tokens !== before) {
        return; // the page has set others while this waited for its turn
      }
      if (stored?.accessToken !== before.accessToken) {
        this.#change(stored); // another tab has renewed them, or signed out
        if (stored === null) {
          throw NovaError.signedOut();
        }
        return;
      }
      try {
        const tokens = await this.#refresh(stored.refreshToken);
        if (this.#tokens === before) {
          const { iat } = claims(tokens.accessToken);
          this.#ahead = iat === undefined ? 0 : Date.now() - iat * 1000;
          this.#change(tokens);
        }
      } catch (error) {
        const refused = error instanceof NovaError && (error.status === 401 || error.status === 403);
        if (refused && this.#tokens === before) {
          this.#change(null);
        }
        throw error;
      }
    });
  }

  #change(tokens: Tokens | null): void {
    this.use(tokens);
    this.#tell(tokens);
  }
}

/** Runs it while no other tab runs one of the same name, where the browser knows locks. */
async function exclusively(name: string, run: () => Promise<void>): Promise<void> {
  const locks = globalThis.navigator?.locks;
  await (locks === undefined ? run() : locks.request(name, run));
}

/** What an access token says of itself. Only the server can tell whether it is true. */
function claims(token: string): { sub?: string; iat?: number; exp?: number } {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const value: unknown = JSON.parse(bytes);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
