// Logging in, with a code if the account has a second factor.
import { useEffect, useRef, useState } from "preact/hooks";
import { isReason } from "../problem";
import { to } from "../route";
import { deviceName, farewell, nova, signIn } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";

/** The form. `isAdministration` leaves out the ways to a new account. */
export function SignIn({ isAdministration = false }: { isAdministration?: boolean }) {
  const [identifier, setIdentifier] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [needsCode, setNeedsCode] = useState(false);
  const codeField = useRef<HTMLDivElement>(null);

  const form = useForm(
    ["identifier", "password", "totp_code"],
    async () => {
      const { tokens } = await nova.auth.login({
        identifier: identifier.trim(),
        password,
        deviceName: deviceName(),
        ...(needsCode && { totpCode: code.trim() }),
      });
      signIn(tokens);
    },
    (error) => {
      if (!isReason(error, "TOTP_REQUIRED")) return false;
      setNeedsCode(true);
      return true;
    },
  );
  useEffect(() => {
    if (needsCode) codeField.current?.querySelector("input")?.focus();
  }, [needsCode]);

  return (
    <form onSubmit={form.onSubmit} aria-label="Log in">
      <h1>Log in</h1>
      {farewell.value && (
        <p class="note" role="status">
          {farewell.value}
        </p>
      )}
      <Field
        form={form}
        name="identifier"
        label="User name or e-mail"
        value={identifier}
        onValue={setIdentifier}
        autocomplete="username"
        autocapitalize="none"
        spellcheck={false}
        required
        autofocus
      />
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
      {needsCode && (
        <div ref={codeField}>
          <Field
            form={form}
            name="totp_code"
            label="Code"
            hint="Six digits from your authenticator app, or a recovery code."
            value={code}
            onValue={setCode}
            autocomplete="one-time-code"
            autocapitalize="none"
            spellcheck={false}
            required
          />
        </div>
      )}
      <Problem text={form.problem} />
      <Submit form={form}>Log in</Submit>
      {!isAdministration && (
        <p class="ways">
          <a href={to("join")}>Create an account</a>
          <a href={to("forgotten")}>Forgotten your password?</a>
        </p>
      )}
    </form>
  );
}
