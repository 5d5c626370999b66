// One webhook: its state, what can be done with it, what was sent to it.
import { useEffect, useState } from "preact/hooks";
import type { Webhook as Hook, WebhookDelivery, WebhookDeliveryState } from "@nova/client";
import { words } from "../problem";
import { go, to } from "../route";
import { endedBy, nova } from "../session";
import { ask } from "../ui/dialog";
import { attempt, done } from "../ui/notice";
import { Page } from "../ui/page";
import { PageEnd, usePages } from "../ui/pages";
import { Time, whole } from "../ui/time";
import { Marks, Secret } from "./webhooks";

const STATES = [
  ["", "Every delivery"],
  ["PENDING", "Waiting"],
  ["DELIVERED", "Delivered"],
  ["FAILED", "Given up"],
] as const;

/** The page. Its subject is the id of a webhook. */
export function Webhook({ subject }: { subject: string }) {
  const [webhook, setWebhook] = useState<Hook | null>(null);
  const [problem, setProblem] = useState("");
  const [round, setRound] = useState(0);
  const read = () => {
    setRound((before) => before + 1);
    nova.auth
      .getWebhook({ webhookId: subject })
      .then((found) => setWebhook(found.webhook ?? null))
      .catch((error: unknown) => {
        if (!endedBy(error)) setProblem(words(error));
      });
  };
  useEffect(read, [subject]);
  return (
    <Page title="Webhook" aside={<a href={to("webhooks")}>All webhooks</a>}>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {webhook && (
        <>
          <Facts webhook={webhook} />
          <Actions webhook={webhook} onChange={read} />
          <Deliveries webhook={webhook} round={round} />
        </>
      )}
    </Page>
  );
}

function Facts({ webhook }: { webhook: Hook }) {
  return (
    <header class="profile">
      <div class="profile-text">
        <p class="chips">
          <Marks webhook={webhook} />
        </p>
        <dl class="facts">
          <div>
            <dt>Address</dt>
            <dd>
              <code>{webhook.url}</code>
            </dd>
          </div>
          {webhook.description && (
            <div>
              <dt>For</dt>
              <dd>{webhook.description}</dd>
            </div>
          )}
          <div>
            <dt>Events</dt>
            <dd>{webhook.eventTypes[0] === "*" ? "All" : webhook.eventTypes.join(", ")}</dd>
          </div>
          <div>
            <dt>State</dt>
            <dd>
              {webhook.enabled ? "Enabled" : "Disabled"}
              {webhook.failingSince !== undefined && `; every attempt has failed since ${whole(webhook.failingSince)}`}
            </dd>
          </div>
          {webhook.oldSecretValidUntil !== undefined && (
            <div>
              <dt>Old secret</dt>
              <dd>signs too until {whole(webhook.oldSecretValidUntil)}</dd>
            </div>
          )}
        </dl>
      </div>
    </header>
  );
}

function Actions({ webhook, onChange }: { webhook: Hook; onChange: () => void }) {
  const [secret, setSecret] = useState("");
  const webhookId = webhook.id;
  const test = async () => {
    const answer = await attempt(() => nova.auth.sendTestEvent({ webhookId }));
    if (answer?.delivery) go("delivery", answer.delivery.id);
  };
  const enable = async (enabled: boolean) => {
    if (!(await attempt(() => nova.auth.updateWebhook({ webhookId, enabled })))) return;
    done(enabled ? "Events are sent." : "Nothing is sent any more. Events that happen now are not kept for it.");
    onChange();
  };
  const replay = async () => {
    const since = new Date(Date.now() - 3 * 24 * 60 * 60 * 1000).toISOString();
    const answer = await attempt(() => nova.auth.replayWebhookDeliveries({ webhookId, since }));
    if (!answer) return;
    done(`${answer.replayedCount} deliveries are sent again.`);
    onChange();
  };
  const rotate = async () => {
    const text = "The present secret goes on signing for a day, so that the receiver can change over.";
    if (!(await ask("Make another secret?", text, "Make it"))) return;
    const answer = await attempt(() => nova.auth.rotateWebhookSecret({ webhookId }));
    if (!answer) return;
    setSecret(answer.secret);
    onChange();
  };
  const remove = async () => {
    if (!(await ask("Delete the webhook?", "What waits for it is not sent, and its log is gone.", "Delete it"))) return;
    if (!(await attempt(() => nova.auth.deleteWebhook({ webhookId })))) return;
    done("The webhook is deleted.");
    go("webhooks");
  };
  return (
    <p class="actions start">
      {secret !== "" && <Secret secret={secret} onClose={() => setSecret("")} />}
      {webhook.enabled ? (
        <>
          <button type="button" class="button primary" onClick={() => void test()}>
            Send a test event
          </button>
          <button type="button" class="button" onClick={() => void replay()}>
            Send again what failed in three days
          </button>
          <button type="button" class="button" onClick={() => void enable(false)}>
            Disable
          </button>
        </>
      ) : (
        <button type="button" class="button primary" onClick={() => void enable(true)}>
          Enable
        </button>
      )}
      <button type="button" class="button" onClick={() => void rotate()}>
        Replace the secret
      </button>
      <button type="button" class="button danger" onClick={() => void remove()}>
        Delete
      </button>
    </p>
  );
}

function Deliveries({ webhook, round }: { webhook: Hook; round: number }) {
  const [state, setState] = useState("");
  const pages = usePages<WebhookDelivery>(
    async (pageToken) => {
      const wanted = state === "" ? {} : { state: state as WebhookDeliveryState };
      const asked = { webhookId: webhook.id, ...wanted, pageToken };
      const { deliveries, nextPageToken } = await nova.auth.listWebhookDeliveries(asked);
      return { items: deliveries, nextPageToken };
    },
    [webhook.id, state, round],
  );
  return (
    <section aria-label="Deliveries">
      <h2>Deliveries</h2>
      <select aria-label="State of deliveries" value={state} onChange={(event) => setState(event.currentTarget.value)}>
        {STATES.map(([value, text]) => (
          <option key={value} value={value} selected={value === state}>
            {text}
          </option>
        ))}
      </select>
      <ul class="rows">
        {pages.items.map((delivery) => (
          <li class="row" key={delivery.id}>
            <a class="row-main" href={to("delivery", delivery.id)}>
              <span class="row-text">
                <span class="row-name">{delivery.eventType}</span>
                <span class="row-sub row-subs">
                  <Time at={delivery.createdAt} form="whole" />
                  <span>attempts: {delivery.attempts}</span>
                </span>
              </span>
            </a>
            <span class="row-actions">
              <Outcome delivery={delivery} />
            </span>
          </li>
        ))}
      </ul>
      <PageEnd pages={pages} empty="No such delivery." />
    </section>
  );
}

/** What has become of a delivery. */
export function Outcome({ delivery }: { delivery: WebhookDelivery }) {
  const last = delivery.lastFault || (delivery.lastStatus === 0 ? "" : String(delivery.lastStatus));
  switch (delivery.state) {
    case "DELIVERED":
      return <span class="chip accent">delivered {last}</span>;
    case "FAILED":
      return <span class="chip danger">given up {last}</span>;
    default:
      return <span class={delivery.attempts === 0 ? "chip" : "chip danger"}>waiting {last}</span>;
  }
}
