// Views by the part of the address after `#`, so that one page is enough and the back button works.
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);

/** The path of the page; the links in mails have one of their own. */
export const path = signal(location.pathname);

addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export interface Route {
  /** The parts of the path: `#/c/42` is `["c", "42"]`. */
  path: string[];
  query: URLSearchParams;
}

/** The view that the address asks for. */
export const route = computed<Route>(() => {
  const [parts = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?", 2);
  return { path: parts.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
});

// A hand-made address may hold a lone `%`; it shall lead to an empty view, not to an exception.
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a view. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Opens a view. */
export function go(...parts: string[]): void {
  location.hash = to(...parts);
}

/** Opens a view in place of the present one, which the back button then passes over. */
export function replace(...parts: string[]): void {
  history.replaceState(null, "", `/${to(...parts)}`);
  path.value = location.pathname;
  hash.value = location.hash;
}
