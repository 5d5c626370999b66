// Leaving: for now, or for ever.
import { useState } from "preact/hooks";
import { isReason } from "../problem";
import { dropSession, nova, signOut } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";
import { attempt } from "../ui/notice";
import { ask } from "../ui/dialog";

/** The section. */
export function AccountSettings() {
  const everywhere = async () => {
    if (!(await ask("Log out everywhere?", "All your sessions end at once, this one too.", "Log out everywhere")))
      return;
    if (await attempt(() => nova.auth.revokeAllSessions({ keepCurrent: false })))
      dropSession("You are logged out everywhere.");
  };
  return (
    <>
      <section class="form">
        <h2>Log out</h2>
        <p class="actions start">
          <button type="button" class="button" onClick={() => void signOut()}>
            Log out
          </button>
          <button type="button" class="button quiet" onClick={() => void everywhere()}>
            Log out everywhere
          </button>
        </p>
      </section>
      <Deletion />
    </>
  );
}

function Deletion() {
  const [password, setPassword] = useState("");
  const form = useForm(
    ["password"],
    async () => {
      const text =
        "Your profile disappears, and the messages you have sent can be read by nobody any more. This cannot be undone.";
      if (!(await ask("Delete your account?", text, "Delete for ever"))) return;
      await nova.auth.deleteAccount({ password });
      dropSession("Your account is deleted.");
    },
    (error) => {
      if (!isReason(error, "INVALID_CREDENTIALS")) return false;
      form.refuse({ password: "This is not your password." });
      return true;
    },
  );
  return (
    <form class="form" onSubmit={form.onSubmit} aria-label="Delete account">
      <h2>Delete account</h2>
      <p class="quiet-text">Your user name stays taken, so that nobody can pose as you.</p>
      <Field
        form={form}
        name="password"
        label="Password"
        type="password"
        value={password}
        onValue={setPassword}
        autocomplete="current-password"
        required
      />
      <Problem text={form.problem} />
      <Submit form={form} kind="danger">
        Delete account
      </Submit>
    </form>
  );
}
