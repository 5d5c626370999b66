// Asking for a mail that lets one set a new password.
import { useState } from "preact/hooks";
import { to } from "../route";
import { nova } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";

/** The form. Its answer is the same whether there is such an account or not. */
export function Forgotten() {
  const [email, setEmail] = useState("");
  const [isSent, setIsSent] = useState(false);
  const form = useForm(["email"], async () => {
    await nova.auth.requestPasswordReset({ email: email.trim() });
    setIsSent(true);
  });
  return (
    <form onSubmit={form.onSubmit} aria-label="Forgotten password">
      <h1>Forgotten password</h1>
      {isSent ? (
        <p class="note" role="status">
          If an account has this e-mail, a mail is on its way to it. Its link is good for one hour.
        </p>
      ) : (
        <>
          <Field
            form={form}
            name="email"
            label="E-mail of your account"
            type="email"
            value={email}
            onValue={setEmail}
            autocomplete="email"
            required
            autofocus
          />
          <Problem text={form.problem} />
          <Submit form={form}>Send the mail</Submit>
        </>
      )}
      <p class="ways">
        <a href={to("login")}>Back to log-in</a>
      </p>
    </form>
  );
}
