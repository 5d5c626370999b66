// Where the link of a verification mail leads.
import { useState } from "preact/hooks";
import { nova } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";

/** One button. The link alone does nothing, since mail programs open links by themselves and the token is good for one use. */
export function VerifyEmail({ token, leave }: { token: string; leave: (...path: string[]) => void }) {
  const [typed, setTyped] = useState(token);
  const [isDone, setIsDone] = useState(false);
  const form = useForm(token ? [] : ["token"], async () => {
    await nova.auth.verifyEmail({ token: typed.trim() });
    setIsDone(true);
  });
  return (
    <form onSubmit={form.onSubmit} aria-label="Confirm your e-mail">
      <h1>Confirm your e-mail</h1>
      {isDone ? (
        <p class="note" role="status">
          Thank you. Your e-mail is confirmed.
        </p>
      ) : (
        <>
          {!token && (
            <Field
              form={form}
              name="token"
              label="Token from the mail"
              value={typed}
              onValue={setTyped}
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              required
            />
          )}
          <Problem text={form.problem} />
          <Submit form={form}>Confirm</Submit>
        </>
      )}
      <p class="ways">
        <button type="button" class="link" onClick={() => leave("c")}>
          Go to Nova
        </button>
      </p>
    </form>
  );
}
