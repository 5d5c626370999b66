// Lists that come page by page.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { words } from "../problem";
import { endedBy } from "../session";

export interface Pages<T> {
  items: T[];
  /** Whether there is a page after those that are here. */
  hasMore: boolean;
  busy: boolean;
  problem: string;
  more: () => void;
  reload: () => void;
  /** Changes what is shown after a call has changed it at the server. */
  edit: (change: (items: T[]) => T[]) => void;
}

/** Reads a list page by page, anew whenever one of `about` changes. */
export function usePages<T>(
  read: (pageToken: string) => Promise<{ items: T[]; nextPageToken: string }>,
  about: readonly unknown[],
): Pages<T> {
  const [items, setItems] = useState<T[]>([]);
  const [next, setNext] = useState("");
  const [busy, setBusy] = useState(true);
  const [problem, setProblem] = useState("");
  // An answer that comes after the question has changed is not looked at.
  const round = useRef(0);

  const load = useCallback((token: string) => {
    const mine = token === "" ? ++round.current : round.current;
    setBusy(true);
    setProblem("");
    read(token)
      .then((page) => {
        if (mine !== round.current) return;
        setItems((before) => (token === "" ? page.items : [...before, ...page.items]));
        setNext(page.nextPageToken);
        setBusy(false);
      })
      .catch((error: unknown) => {
        if (mine !== round.current) return;
        setBusy(false);
        if (token === "") setItems([]);
        if (!endedBy(error)) setProblem(words(error));
      });
  }, about);

  // What answers the former question stays until the new one is answered: an empty list in between would only flicker.
  useEffect(() => load(""), [load]);
  return { items, hasMore: next !== "", busy, problem, more: () => load(next), reload: () => load(""), edit: setItems };
}

/** What stands below a list: the next page, that there is nothing, or why it could not be read. */
export function PageEnd<T>({ pages, empty }: { pages: Pages<T>; empty: ComponentChildren }) {
  if (pages.problem) {
    return (
      <p class="problem" role="alert">
        {pages.problem}{" "}
        <button type="button" class="link" onClick={pages.reload}>
          Try again
        </button>
      </p>
    );
  }
  if (pages.busy && pages.items.length === 0) return <p class="quiet-text">Loading …</p>;
  if (pages.items.length === 0) return <p class="quiet-text">{empty}</p>;
  if (!pages.hasMore) return null;
  return (
    <button type="button" class="button" aria-disabled={pages.busy} onClick={() => pages.busy || pages.more()}>
      Show more
    </button>
  );
}
