// Where the link of a reset mail leads.
import { useState } from "preact/hooks";
import { dropSession, nova } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";

/** The form. All sessions end when the password is set, the one of this browser too. */
export function ResetPassword({ token, leave }: { token: string; leave: (...path: string[]) => void }) {
  const [typed, setTyped] = useState(token);
  const [password, setPassword] = useState("");
  const form = useForm(token ? ["new_password"] : ["token", "new_password"], async () => {
    await nova.auth.resetPassword({ token: typed.trim(), newPassword: password });
    dropSession("Your new password is set. Log in with it.");
    leave("login");
  });
  return (
    <form onSubmit={form.onSubmit} aria-label="Set a new password">
      <h1>Set a new password</h1>
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
      <Field
        form={form}
        name="new_password"
        label="New password"
        hint="At least 8 characters. You will be logged out everywhere."
        type="password"
        value={password}
        onValue={setPassword}
        autocomplete="new-password"
        required
        autofocus
      />
      <Problem text={form.problem} />
      <Submit form={form}>Set password</Submit>
      <p class="ways">
        <button type="button" class="link" onClick={() => leave("login")}>
          Back
        </button>
      </p>
    </form>
  );
}
