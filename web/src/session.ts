// Who is signed in. The tokens live in localStorage: they outlive the page, and all tabs have the same.
import { computed, signal } from "@preact/signals";
import { Nova, NovaError, type Tokens } from "@nova/client";

const KEY = "nova.tokens";
/** Why the tokens are gone, for the other tabs. */
const WHY = "nova.farewell";
const ENDED = "Your session has ended. Log in again to go on.";

function stored(): Tokens | null {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "null") as Tokens | null;
  } catch {
    return null;
  }
}

const tokens = signal<Tokens | null>(stored());

/** What the person should know at the log-in form: why they are there. */
export const farewell = signal("");

/** The one client of this page. */
export const nova = new Nova({
  tokens: tokens.peek(),
  onTokens: (next) => {
    keep(next, stored() === null ? elsewhere() : ENDED);
  },
  loadTokens: stored,
});

interface Claims {
  sub: string;
  sid: string;
  roles?: string[];
}

// The payload is only looked at, never trusted: the server checks the signature at each call.
function claims(of: Tokens | null): Claims | null {
  const payload = of?.accessToken.split(".")[1];
  if (payload === undefined) return null;
  try {
    return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as Claims;
  } catch {
    return null;
  }
}

/** The id of who is signed in, or null. Stays the same when tokens are refreshed. */
export const me = computed(() => claims(tokens.value)?.sub ?? null);

/** Whether who is signed in is an administrator, as of the newest access token. */
export const isAdmin = computed(() => claims(tokens.value)?.roles?.includes("admin") ?? false);

function keep(next: Tokens | null, why: string): void {
  if (next === null) {
    farewell.value = why;
    localStorage.setItem(WHY, why);
    localStorage.removeItem(KEY);
  } else {
    localStorage.setItem(KEY, JSON.stringify(next));
  }
  tokens.value = next;
}

/** Takes the tokens of a log-in into use, in all tabs. */
export function signIn(next: Tokens): void {
  farewell.value = "";
  nova.useTokens(next);
  keep(next, "");
}

/** Forgets the tokens in all tabs, and says why at the log-in form. */
export function dropSession(why = ""): void {
  nova.useTokens(null);
  keep(null, why);
}

/** Ends the session at the server, as far as it can be reached, and here in any case. */
export async function signOut(): Promise<void> {
  const ended = nova.auth.logout({}, { timeoutMs: 5000 }).catch(() => undefined);
  // The call has its token by now. The other tabs shall learn of it from this one, not from being refused.
  dropSession();
  await ended;
}

// Why another tab has dropped the session.
function elsewhere(): string {
  return localStorage.getItem(WHY) || "You have logged out in another tab.";
}

/** Drops the session if this error says that it has ended; answers whether it did. */
export function endedBy(error: unknown): boolean {
  if (!(error instanceof NovaError) || error.status !== 401) return false;
  const over = [
    "TOKEN_REVOKED",
    "TOKEN_EXPIRED",
    "UNAUTHENTICATED",
    "REFRESH_TOKEN_INVALID",
    "REFRESH_TOKEN_EXPIRED",
    "REFRESH_TOKEN_REUSED",
  ];
  if (!over.includes(error.reason)) return false;
  if (me.peek() !== null) dropSession(ENDED);
  return true;
}

addEventListener("storage", (event) => {
  if (event.key !== KEY && event.key !== null) return;
  const next = stored();
  if (next === null && tokens.peek() !== null) farewell.value = elsewhere();
  nova.useTokens(next);
  tokens.value = next;
});

/** A name for this browser in the list of sessions, such as `Firefox on Linux`. */
export function deviceName(agent = navigator.userAgent): string {
  const browser = [
    ["Edg/", "Edge"],
    ["OPR/", "Opera"],
    ["Firefox/", "Firefox"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
  ].find(([mark]) => agent.includes(mark!))?.[1];
  const system = [
    ["Android", "Android"],
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Windows", "Windows"],
    ["Mac OS X", "macOS"],
    ["Linux", "Linux"],
  ].find(([mark]) => agent.includes(mark!))?.[1];
  return [browser ?? "Browser", system].filter(Boolean).join(" on ");
}
