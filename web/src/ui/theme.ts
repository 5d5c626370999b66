// Light or dark: what the person has set on Nova, else what their device says.
import { effect, signal } from "@preact/signals";

// Kept here too, so that the page does not flash in the wrong colours while the settings are on their way.
const KEY = "nova.dark";

/** Whether the person has asked for dark colours. */
export const isDark = signal(localStorage.getItem(KEY) === "true");

effect(() => {
  document.documentElement.dataset["theme"] = isDark.value ? "dark" : "system";
  localStorage.setItem(KEY, String(isDark.value));
});
