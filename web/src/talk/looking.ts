// Whether a person looks at this page: only then what arrives counts as seen.
import { signal } from "@preact/signals";

const looks = () => document.visibilityState === "visible" && document.hasFocus();

/** Whether the page is visible and has the focus. */
export const isLookedAt = signal(looks());

for (const event of ["focus", "blur"]) addEventListener(event, () => (isLookedAt.value = looks()));
document.addEventListener("visibilitychange", () => (isLookedAt.value = looks()));
