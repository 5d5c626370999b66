import { useEffect, useState } from "preact/hooks";
import { words } from "../problem";
import { endedBy } from "../session";

/** Reads something every few seconds while it is looked at. The last answer stays while a later one fails. */
export function usePoll<T>(
  read: (signal: AbortSignal) => Promise<T>,
  every: number,
): { value: T | null; problem: string } {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    const look = async () => {
      try {
        setValue(await read(stop.signal));
        setProblem("");
      } catch (error) {
        if (!stop.signal.aborted && !endedBy(error)) setProblem(words(error));
      }
      if (!stop.signal.aborted) timer = window.setTimeout(look, every);
    };
    let timer = 0;
    void look();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, []);
  return { value, problem };
}
