// Whether the services answer.
import { NovaError } from "@nova/client";
import { Page } from "../ui/page";
import { usePoll } from "./poll";

const EVERY = 5000;

interface Readiness {
  ready: boolean;
  services: Record<string, boolean>;
}

// Not a call of the API: it answers 503 with the same document when something is not ready.
async function readiness(signal: AbortSignal): Promise<Readiness> {
  const answer = await fetch("/readyz", { headers: { accept: "application/json" }, signal }).catch((cause: unknown) => {
    throw NovaError.network(cause);
  });
  const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
  return isJson ? ((await answer.json()) as Readiness) : { ready: answer.ok, services: {} };
}

/** The page. */
export function Health() {
  const { value, problem } = usePoll(readiness, EVERY);
  return (
    <Page title="Health">
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {value && !problem && (
        <>
          <p class={`verdict ${value.ready ? "good" : "bad"}`} role="status">
            <span class="dot" aria-hidden="true" />
            {value.ready ? "Everything answers." : "Not everything answers."}
          </p>
          <ul class="tiles">
            {Object.entries(value.services).map(([name, isReady]) => (
              <li class={`tile ${isReady ? "good" : "bad"}`} key={name}>
                <span class="tile-name">{name}</span>
                <span class="tile-value">
                  <span class="dot" aria-hidden="true" />
                  {isReady ? "Ready" : "Not ready"}
                </span>
              </li>
            ))}
          </ul>
          <p class="quiet-text">Asked every {EVERY / 1000} seconds.</p>
        </>
      )}
    </Page>
  );
}
