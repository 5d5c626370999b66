/** A message of a stream of Server-Sent Events. */
export interface ServerSentEvent {
  /** What it is called; `message` if it has no name. */
  event: string;
  data: string;
  /** The newest id in the stream so far. */
  id: string;
}

/**
 * Reads Server-Sent Events as the HTML standard has them, from text that may be cut anywhere.
 *
 * A message counts once the empty line after it has come: half of one at the end of a stream does not.
 */
export class EventParser {
  /** What has come of the line that is not complete yet, piece by piece: joining once keeps long lines cheap. */
  #line: string[] = [];
  /** The text before ended with CR: an LF that comes first belongs to it. */
  #afterReturn = false;
  #event = "";
  #data: string[] = [];
  #id = "";

  push(text: string): ServerSentEvent[] {
    const found: ServerSentEvent[] = [];
    let start = this.#afterReturn && text.startsWith("\n") ? 1 : 0;
    if (text !== "") {
      this.#afterReturn = text.endsWith("\r");
    }
    const ends = /\r\n|\r|\n/g;
    ends.lastIndex = start;
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      this.#line.push(text.slice(start, end.index));
      start = ends.lastIndex;
      const event = this.#take(this.#line.join(""));
      this.#line = [];
      if (event !== undefined) {
        found.push(event);
      }
    }
    if (start < text.length) {
      this.#line.push(text.slice(start));
    }
    return found;
  }

  #take(line: string): ServerSentEvent | undefined {
    if (line === "") {
      return this.#finish();
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "event") {
      this.#event = value;
    } else if (name === "data") {
      this.#data.push(value);
    } else if (name === "id" && !value.includes("\0")) {
      this.#id = value;
    }
    return undefined; // comments, `retry` and what is unknown are passed over
  }

  #finish(): ServerSentEvent | undefined {
    const [event, data] = [this.#event || "message", this.#data];
    this.#event = "";
    this.#data = [];
    return data.length === 0 ? undefined : { event, data: data.join("\n"), id: this.#id };
  }
}
