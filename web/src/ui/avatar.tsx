import { Icon } from "./icon";

// People are shown by their initials: loading a picture from an address that somebody chose would tell them the reader's.

const TINTS = 8;

function initials(name: string): string {
  const words = name
    .trim()
    .split(/[\s._-]+/)
    .filter(Boolean);
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : undefined].map(
    (word) => [...(word ?? "")][0] ?? "",
  );
  return letters.join("").toUpperCase() || "?";
}

function tint(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum % TINTS;
}

/** A round with somebody's initials, in a colour that is always the same for them. */
export function Avatar({
  id,
  name,
  size = "normal",
}: {
  id: string;
  name: string;
  size?: "small" | "normal" | "large";
}) {
  return (
    <span class={`avatar avatar-${size} tint-${tint(id)}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

/** A group is shown by the sign for people. */
export function GroupAvatar({ id }: { id: string }) {
  return (
    <span class={`avatar avatar-normal tint-${tint(id)}`} aria-hidden="true">
      <Icon name="people" />
    </span>
  );
}
