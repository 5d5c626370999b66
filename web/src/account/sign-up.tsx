// A new account.
import { useState } from "preact/hooks";
import { isReason } from "../problem";
import { to } from "../route";
import { nova, signIn } from "../session";
import { Field, Problem, Submit, useForm } from "../ui/form";

/** The form. */
export function SignUp() {
  const [username, setUsername] = useState("");
  const [displayName, setDisplayName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");

  const form = useForm(
    ["username", "display_name", "email", "password"],
    async () => {
      const name = displayName.trim();
      const { tokens } = await nova.auth.register({
        username: username.trim(),
        email: email.trim(),
        password,
        ...(name && { displayName: name }),
      });
      signIn(tokens);
    },
    (error) => {
      if (isReason(error, "USERNAME_TAKEN")) form.refuse({ username: "Somebody has this user name already." });
      else if (isReason(error, "EMAIL_TAKEN")) form.refuse({ email: "There is an account with this e-mail already." });
      else return false;
      return true;
    },
  );
  return (
    <form onSubmit={form.onSubmit} aria-label="Create an account">
      <h1>Create an account</h1>
      <Field
        form={form}
        name="username"
        label="User name"
        hint="3 to 32 letters, digits, dots and underscores. It cannot be changed later."
        value={username}
        onValue={setUsername}
        autocomplete="username"
        autocapitalize="none"
        spellcheck={false}
        required
        autofocus
      />
      <Field
        form={form}
        name="display_name"
        label="Name"
        hint="Shown to others. Your user name if left empty."
        value={displayName}
        onValue={setDisplayName}
        autocomplete="name"
      />
      <Field
        form={form}
        name="email"
        label="E-mail"
        type="email"
        value={email}
        onValue={setEmail}
        autocomplete="email"
        required
      />
      <Field
        form={form}
        name="password"
        label="Password"
        hint="At least 8 characters."
        type="password"
        value={password}
        onValue={setPassword}
        autocomplete="new-password"
        required
      />
      <Problem text={form.problem} />
      <Submit form={form}>Create account</Submit>
      <p class="ways">
        <a href={to("login")}>I have an account: log in</a>
      </p>
    </form>
  );
}
