// A record that one edits: read, changed in a form, and saved under the version that it had.
import { useEffect, useState } from "preact/hooks";
import { isReason, words } from "../problem";
import { endedBy } from "../session";

export interface Edited<T> {
  /** As it is in the form; null while it is being read. */
  value: T | null;
  problem: string;
  /** That it has changed elsewhere and is shown as it is now; empty if it has not. */
  conflict: string;
  set: (change: Partial<T>) => void;
  /** Takes what the server has answered. */
  saved: (value: T) => void;
  /** To give to a form: reads the record anew if it was saved elsewhere meanwhile. */
  caught: (error: unknown) => boolean;
}

/** Reads the record and keeps it. */
export function useRecord<T>(read: () => Promise<T>): Edited<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const [conflict, setConflict] = useState("");
  const load = () => {
    read()
      .then(setValue)
      .catch((error: unknown) => {
        if (!endedBy(error)) setProblem(words(error));
      });
  };
  useEffect(load, []);
  return {
    value,
    problem,
    conflict,
    set: (change) => setValue((before) => (before === null ? null : { ...before, ...change })),
    saved: (next) => {
      setConflict("");
      setValue(next);
    },
    caught: (error) => {
      if (!isReason(error, "VERSION_CONFLICT")) return false;
      setConflict("This was changed elsewhere in the meantime. You see it as it is now; make your change again.");
      load();
      return true;
    },
  };
}
