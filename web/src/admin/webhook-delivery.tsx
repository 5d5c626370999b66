// One delivery: what is sent, and every attempt.
import { useState } from "preact/hooks";
import type { GetWebhookDeliveryResponse } from "@nova/client";
import { to } from "../route";
import { nova } from "../session";
import { attempt, done } from "../ui/notice";
import { Page } from "../ui/page";
import { Time, whole } from "../ui/time";
import { usePoll } from "./poll";
import { Outcome } from "./webhook";

const LOOK_EVERY = 1000;

/** The page. Its subject is the id of a delivery. */
export function Delivery({ subject }: { subject: string }) {
  const { value, problem } = usePoll<GetWebhookDeliveryResponse>(
    () => nova.auth.getWebhookDelivery({ deliveryId: subject }),
    LOOK_EVERY,
  );
  const delivery = value?.delivery;
  return (
    <Page
      title="Delivery"
      aside={delivery ? <a href={to("webhook", delivery.webhookId)}>The webhook</a> : <a href={to("webhooks")}>All webhooks</a>}
    >
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {value && delivery && (
        <>
          <p class="chips">
            <Outcome delivery={delivery} />
          </p>
          <dl class="facts">
            <div>
              <dt>Event</dt>
              <dd>
                {delivery.eventType} <code>{delivery.eventId}</code>
              </dd>
            </div>
            <div>
              <dt>Made</dt>
              <dd>{whole(delivery.createdAt)}</dd>
            </div>
            {delivery.nextAttemptAt !== undefined && (
              <div>
                <dt>Next attempt</dt>
                <dd>{whole(delivery.nextAttemptAt)}</dd>
              </div>
            )}
          </dl>
          <Replay deliveryId={delivery.id} />
          <Attempts shown={value} />
          <section aria-label="Body">
            <h2>Body</h2>
            <pre class="raw">{pretty(value.body)}</pre>
          </section>
        </>
      )}
    </Page>
  );
}

function Replay({ deliveryId }: { deliveryId: string }) {
  const [busy, setBusy] = useState(false);
  const replay = async () => {
    setBusy(true);
    if (await attempt(() => nova.auth.replayWebhookDelivery({ deliveryId }))) done("It is sent again.");
    setBusy(false);
  };
  return (
    <p class="actions start">
      <button type="button" class="button" disabled={busy} onClick={() => void replay()}>
        Send it again
      </button>
    </p>
  );
}

function Attempts({ shown }: { shown: GetWebhookDeliveryResponse }) {
  return (
    <section aria-label="Attempts">
      <h2>Attempts</h2>
      {shown.attempts.length === 0 && <p class="quiet-text">None yet.</p>}
      <ul class="rows">
        {shown.attempts.map((tried) => (
          <li class="row" key={tried.number}>
            <span class="row-text">
              <span class="row-name">
                {tried.number}: {tried.fault || tried.status}
              </span>
              <span class="row-sub row-subs">
                <Time at={tried.at} form="whole" />
                <span>{tried.durationMs} ms</span>
                {tried.answer && <span>{tried.answer}</span>}
              </span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

// As it is if it is no JSON.
function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
