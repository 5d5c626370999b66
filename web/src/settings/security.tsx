// Password, second factor, e-mail.
import { useState } from "preact/hooks";
import { isReason } from "../problem";
import { nova } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";
import { attempt, done } from "../ui/notice";
import { SecondFactor } from "./second-factor";

/** The section. */
export function Security() {
  return (
    <>
      <Password />
      <SecondFactor />
      <Email />
    </>
  );
}

function Password() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const form = useForm(
    ["current_password", "new_password"],
    async () => {
      await nova.auth.changePassword({ currentPassword: current, newPassword: next });
      setCurrent("");
      setNext("");
      done("Your password is changed. All your other sessions have ended.");
    },
    (error) => {
      if (!isReason(error, "INVALID_CREDENTIALS")) return false;
      form.refuse({ current_password: "This is not your password." });
      return true;
    },
  );
  return (
    <form class="form" onSubmit={form.onSubmit} aria-label="Change password">
      <h2>Password</h2>
      <Field
        form={form}
        name="current_password"
        label="Password so far"
        type="password"
        value={current}
        onValue={setCurrent}
        autocomplete="current-password"
        required
      />
      <Field
        form={form}
        name="new_password"
        label="New password"
        hint="At least 8 characters. Your other sessions end."
        type="password"
        value={next}
        onValue={setNext}
        autocomplete="new-password"
        required
      />
      <Problem text={form.problem} />
      <Submit form={form}>Change password</Submit>
    </form>
  );
}

function Email() {
  const verify = async () => {
    if (await attempt(() => nova.auth.sendEmailVerification({}))) done("A mail with a link is on its way.");
  };
  return (
    <section class="form">
      <h2>E-mail</h2>
      <p class="quiet-text">A confirmed e-mail shows that the address is yours.</p>
      <button type="button" class="button" onClick={() => void verify()}>
        Send a confirmation mail
      </button>
    </section>
  );
}
