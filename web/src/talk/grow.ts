const MOST = 200;

/** Makes a field as high as its text, within bounds. */
export function grow(field: HTMLTextAreaElement | null): void {
  if (field === null) return;
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, MOST)}px`;
}
