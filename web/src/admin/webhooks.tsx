// Webhooks: addresses that events are sent to.
import { useState } from "preact/hooks";
import type { Webhook } from "@nova/client";
import { to } from "../route";
import { nova } from "../session";
import { Dialog } from "../ui/dialog";
import { Field, Problem, Submit, useForm } from "../ui/form";
import { Page } from "../ui/page";
import { PageEnd, usePages } from "../ui/pages";
import { Time } from "../ui/time";

const REASONS: Record<string, string> = {
  BY_ADMINISTRATOR: "disabled",
  GONE: "disabled: the receiver wants no more",
  FAILING: "disabled: everything failed",
};

/** The page. */
export function Webhooks() {
  const [isAdding, setAdding] = useState(false);
  const pages = usePages<Webhook>(async (pageToken) => {
    const { webhooks, nextPageToken } = await nova.auth.listWebhooks({ pageToken });
    return { items: webhooks, nextPageToken };
  }, []);
  return (
    <Page
      title="Webhooks"
      aside={
        <button type="button" class="button primary" onClick={() => setAdding(true)}>
          Add a webhook
        </button>
      }
    >
      {isAdding && <Adding onClose={() => setAdding(false)} onAdded={pages.reload} />}
      <ul class="rows">
        {pages.items.map((webhook) => (
          <li class="row" key={webhook.id}>
            <a class="row-main" href={to("webhook", webhook.id)}>
              <span class="row-text">
                <span class="row-name">{webhook.url}</span>
                <span class="row-sub row-subs">
                  {webhook.description && <span>{webhook.description}</span>}
                  <span>
                    since <Time at={webhook.createdAt} form="whole" />
                  </span>
                </span>
              </span>
            </a>
            <span class="row-actions">
              <Marks webhook={webhook} />
            </span>
          </li>
        ))}
      </ul>
      <PageEnd pages={pages} empty="No webhooks yet." />
    </Page>
  );
}

/** What is out of the ordinary with a webhook. */
export function Marks({ webhook }: { webhook: Webhook }) {
  return (
    <>
      {webhook.pendingCount !== "0" && <span class="chip">{webhook.pendingCount} waiting</span>}
      {webhook.failingSince !== undefined && <span class="chip danger">failing</span>}
      {!webhook.enabled && <span class="chip danger">{REASONS[webhook.disabledReason] ?? "disabled"}</span>}
    </>
  );
}

function Adding({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const [url, setUrl] = useState("");
  const [types, setTypes] = useState("*");
  const [description, setDescription] = useState("");
  const [secret, setSecret] = useState("");
  const form = useForm(["url", "event_types", "description"], async () => {
    const eventTypes = types.split(/[\s,]+/).filter((type) => type !== "");
    const made = await nova.auth.createWebhook({ url: url.trim(), eventTypes, description });
    setSecret(made.secret);
    onAdded();
  });
  // One dialog: closing the form's to open another would close both.
  return (
    <Dialog title={secret === "" ? "Add a webhook" : "The secret"} onClose={onClose}>
      {secret === "" ? (
        <form onSubmit={form.onSubmit} noValidate>
          <Field form={form} name="url" label="Address" type="url" value={url} onValue={setUrl} required autofocus />
          <Field
            form={form}
            name="event_types"
            label="Types of events"
            hint="Such as nova.user.registered.v1, with spaces between; * for all."
            value={types}
            onValue={setTypes}
            spellcheck={false}
          />
          <Field form={form} name="description" label="What it is for" value={description} onValue={setDescription} />
          <Problem text={form.problem} />
          <Submit form={form}>Add it</Submit>
        </form>
      ) : (
        <Shown secret={secret} onClose={onClose} />
      )}
    </Dialog>
  );
}

/** A new secret in a dialog of its own. */
export function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <Dialog title="The secret" onClose={onClose}>
      <Shown secret={secret} onClose={onClose} />
    </Dialog>
  );
}

function Shown({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <>
      <p>The receiver checks signatures with it. It is not shown again.</p>
      <p>
        <code class="secret">{secret}</code>
      </p>
      <p class="actions">
        <button type="button" class="button primary" onClick={onClose}>
          I have kept it
        </button>
      </p>
    </>
  );
}
