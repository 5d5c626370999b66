// One line at the foot of the page: what has just happened, or why it has not.
import { signal } from "@preact/signals";
import { words } from "../problem";
import { endedBy } from "../session";

interface Notice {
  text: string;
  kind: "done" | "problem";
}

const notice = signal<Notice | null>(null);
let timer = 0;

function show(next: Notice): void {
  notice.value = next;
  clearTimeout(timer);
  timer = window.setTimeout(() => (notice.value = null), next.kind === "done" ? 4000 : 8000);
}

/** Says that something has been done. */
export function done(text: string): void {
  show({ text, kind: "done" });
}

/** Does something, and says in words why it failed if it does. Answers what it gave, or undefined after a failure. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!endedBy(error)) show({ text: words(error), kind: "problem" });
    return undefined;
  }
}

/** The line; is rendered once a page. */
export function Notices() {
  const shown = notice.value;
  return (
    <div class="notices">
      <div role="status">{shown?.kind === "done" && <p class="notice">{shown.text}</p>}</div>
      <div role="alert">
        {shown?.kind === "problem" && (
          <p class="notice problem">
            {shown.text}
            <button type="button" class="link" onClick={() => (notice.value = null)}>
              Dismiss
            </button>
          </p>
        )}
      </div>
    </div>
  );
}
