// Codes of an authenticator app. The API does not tell whether an account has them, so both ways are offered, and the one that
// does not fit says so.
import { useState } from "preact/hooks";
import type { BeginTotpEnrollmentResponse } from "@nova/client";
import { nova } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";
import { attempt, done } from "../ui/notice";
import { QrCode } from "../ui/qr-code";

type Step =
  | { name: "start" }
  | { name: "scan"; enrollment: BeginTotpEnrollmentResponse }
  | { name: "codes"; codes: string[] }
  | { name: "disable" };

/** The section. */
export function SecondFactor() {
  const [step, setStep] = useState<Step>({ name: "start" });
  const begin = async () => {
    const enrollment = await attempt(() => nova.auth.beginTotpEnrollment({}));
    if (enrollment) setStep({ name: "scan", enrollment });
  };
  return (
    <section class="form" aria-label="Second factor">
      <h2>Second factor</h2>
      {step.name === "start" && (
        <>
          <p class="quiet-text">
            With a second factor, logging in needs a code from an app on your phone besides your password.
          </p>
          <p class="actions start">
            <button type="button" class="button" onClick={() => void begin()}>
              Set up an app
            </button>
            <button type="button" class="button quiet" onClick={() => setStep({ name: "disable" })}>
              Turn it off
            </button>
          </p>
        </>
      )}
      {step.name === "scan" && (
        <Scan
          enrollment={step.enrollment}
          onCodes={(codes) => setStep({ name: "codes", codes })}
          onCancel={() => setStep({ name: "start" })}
        />
      )}
      {step.name === "codes" && <RecoveryCodes codes={step.codes} onDone={() => setStep({ name: "start" })} />}
      {step.name === "disable" && <Disable onDone={() => setStep({ name: "start" })} />}
    </section>
  );
}

function Scan({
  enrollment,
  onCodes,
  onCancel,
}: {
  enrollment: BeginTotpEnrollmentResponse;
  onCodes: (codes: string[]) => void;
  onCancel: () => void;
}) {
  const [code, setCode] = useState("");
  const form = useForm(["code"], async () => {
    const { recoveryCodes } = await nova.auth.confirmTotp({ code: code.trim() });
    onCodes(recoveryCodes);
  });
  return (
    <form onSubmit={form.onSubmit} aria-label="Set up an app">
      <p>Scan this with your authenticator app, or type the secret in. Then enter the code that the app shows.</p>
      <div class="enrollment">
        <QrCode text={enrollment.otpauthUri} label="QR code for your authenticator app" />
        <dl class="facts">
          <div>
            <dt>Secret</dt>
            <dd>
              <code class="secret">{enrollment.secret.replace(/.{4}(?=.)/g, "$& ")}</code>
            </dd>
          </div>
          <div>
            <dt>Address</dt>
            <dd>
              <code class="uri">{enrollment.otpauthUri}</code>
            </dd>
          </div>
        </dl>
      </div>
      <Field
        form={form}
        name="code"
        label="Code"
        value={code}
        onValue={setCode}
        inputMode="numeric"
        autocomplete="one-time-code"
        required
        autofocus
      />
      <Problem text={form.problem} />
      <p class="actions start">
        <Submit form={form}>Turn it on</Submit>
        <button type="button" class="button quiet" onClick={onCancel}>
          Cancel
        </button>
      </p>
    </form>
  );
}

function RecoveryCodes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  return (
    <>
      <p class="note" role="status">
        Your second factor is on. Keep these recovery codes: each is good for one log-in without the app, and they are
        not shown again.
      </p>
      <ol class="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <button type="button" class="button primary" onClick={onDone}>
        I have kept them
      </button>
    </>
  );
}

function Disable({ onDone }: { onDone: () => void }) {
  const [code, setCode] = useState("");
  const form = useForm(["code"], async () => {
    await nova.auth.disableTotp({ code: code.trim() });
    done("Your second factor is off.");
    onDone();
  });
  return (
    <form onSubmit={form.onSubmit} aria-label="Turn the second factor off">
      <Field
        form={form}
        name="code"
        label="Code"
        hint="From your app, or a recovery code."
        value={code}
        onValue={setCode}
        autocomplete="one-time-code"
        required
        autofocus
      />
      <Problem text={form.problem} />
      <p class="actions start">
        <Submit form={form} kind="danger">
          Turn it off
        </Submit>
        <button type="button" class="button quiet" onClick={onDone}>
          Cancel
        </button>
      </p>
    </form>
  );
}
