// Texts of people: shown as text, with addresses made into links.

const ADDRESS = /https?:\/\/[^\s<>"]+/g;

/** The text with its links. What they lead to does not learn where they were found. */
export function Linked({ text }: { text: string }) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(ADDRESS)) {
    // The end of a sentence is no part of an address.
    const address = found[0].replace(/[.,;:!?)\]}'’]+$/, "");
    parts.push(text.slice(at, found.index));
    parts.push(
      <a href={address} target="_blank" rel="noopener noreferrer nofollow">
        {address}
      </a>,
    );
    at = found.index + address.length;
  }
  parts.push(text.slice(at));
  return <>{parts}</>;
}
