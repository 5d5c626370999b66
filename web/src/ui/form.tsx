// Forms: one submission at a time, and what the server found wrong is said at the field that it is about.
import { useId, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { NovaError } from "@nova/client";
import { sentence, words } from "../problem";
import { endedBy } from "../session";

export interface Form {
  busy: boolean;
  /** What is wrong with the whole, in words; empty if nothing is. */
  problem: string;
  /** What is wrong with a field, by its name in the protos. */
  faults: Record<string, string>;
  /** Says something is wrong that the page found by itself. */
  refuse: (faults: Record<string, string>) => void;
  onSubmit: (event: SubmitEvent) => void;
}

/**
 * State of a form around `send`. `fields` are the names that the form shows; a fault of any other field is said with the
 * whole. An error for which `caught` answers true is taken care of.
 */
export function useForm(
  fields: readonly string[],
  send: () => Promise<void>,
  caught: (error: unknown) => boolean = () => false,
): Form {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const [faults, setFaults] = useState<Record<string, string>>({});

  const fail = (error: unknown) => {
    if (caught(error) || endedBy(error)) return;
    const violations = error instanceof NovaError ? error.violations : [];
    const shown = violations.filter((violation) => fields.includes(violation.field));
    const others = violations.filter((violation) => !fields.includes(violation.field));
    setFaults(Object.fromEntries(shown.map(({ field, description }) => [field, sentence(description)])));
    if (violations.length === 0) setProblem(words(error));
    else setProblem(others.map(({ field, description }) => `${field}: ${sentence(description)}`).join(" "));
  };
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem("");
    setFaults({});
    send()
      .catch(fail)
      .finally(() => setBusy(false));
  };
  return { busy, problem, faults, refuse: setFaults, onSubmit };
}

interface FieldProps {
  form: Form;
  /** The field's name in the protos. */
  name: string;
  label: string;
  hint?: string;
  value: string;
  onValue: (value: string) => void;
  type?: "text" | "password" | "email" | "url";
  autocomplete?: string;
  autocapitalize?: "none" | "sentences";
  spellcheck?: boolean;
  placeholder?: string;
  inputMode?: "numeric";
  maxLength?: number;
  required?: boolean;
  autofocus?: boolean;
}

/** A labelled line of text with its hint and its fault. */
export function Field({ form, name, label, hint, value, onValue, type = "text", ...rest }: FieldProps) {
  const id = useId();
  const fault = form.faults[name];
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...rest}
        // The types of Preact want to know which of them it is.
        type={type as "text"}
        id={id}
        name={name}
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
        aria-invalid={fault ? "true" : undefined}
        aria-describedby={`${id}-about`}
      />
      <About id={id} hint={hint} fault={fault} />
    </div>
  );
}

/** The same for several lines. */
export function TextField(props: {
  form: Form;
  name: string;
  label: string;
  hint?: string;
  value: string;
  onValue: (value: string) => void;
  rows?: number;
}) {
  const id = useId();
  const fault = props.form.faults[props.name];
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        name={props.name}
        rows={props.rows ?? 3}
        value={props.value}
        onInput={(event) => props.onValue(event.currentTarget.value)}
        aria-invalid={fault ? "true" : undefined}
        aria-describedby={`${id}-about`}
      />
      <About id={id} hint={props.hint} fault={fault} />
    </div>
  );
}

/** A choice of one of a few. */
export function Choice(props: {
  form: Form;
  name: string;
  label: string;
  hint?: string;
  value: string;
  onValue: (value: string) => void;
  options: readonly (readonly [string, string])[];
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select
        id={id}
        name={props.name}
        value={props.value}
        onChange={(event) => props.onValue(event.currentTarget.value)}
        aria-describedby={`${id}-about`}
      >
        {props.options.map(([value, text]) => (
          <option key={value} value={value} selected={value === props.value}>
            {text}
          </option>
        ))}
      </select>
      <About id={id} hint={props.hint} fault={props.form.faults[props.name]} />
    </div>
  );
}

/** A yes or no. */
export function Switch(props: {
  name: string;
  label: string;
  hint?: string;
  value: boolean;
  onValue: (value: boolean) => void;
}) {
  const id = useId();
  return (
    <div class="switch">
      <input
        id={id}
        name={props.name}
        type="checkbox"
        role="switch"
        checked={props.value}
        onChange={(event) => props.onValue(event.currentTarget.checked)}
        aria-describedby={`${id}-about`}
      />
      <label for={id}>{props.label}</label>
      <About id={id} hint={props.hint} fault={undefined} />
    </div>
  );
}

function About({ id, hint, fault }: { id: string; hint: ComponentChildren; fault: string | undefined }) {
  return (
    <p class={fault ? "fault" : "hint"} id={`${id}-about`} aria-live="polite">
      {fault ?? hint}
    </p>
  );
}

/** What is wrong with the whole form; read out when it appears. */
export function Problem({ text }: { text: string }) {
  return <div role="alert">{text && <p class="problem">{text}</p>}</div>;
}

/** The button that submits. */
export function Submit({
  form,
  children,
  kind = "primary",
}: {
  form: Form;
  children: ComponentChildren;
  kind?: "primary" | "danger" | "plain";
}) {
  return (
    <button type="submit" class={`button ${kind}`} aria-disabled={form.busy}>
      {children}
    </button>
  );
}
