// What there is to do without being signed in.
import { path, replace, route } from "../route";
import { Forgotten } from "./forgotten";
import { ResetPassword } from "./reset-password";
import { SignIn } from "./sign-in";
import { SignUp } from "./sign-up";
import { VerifyEmail } from "./verify-email";

/** The view that the address asks for: by path for the links in mails, else by what follows `#`. */
export function Account() {
  // The token of a mail is good for one use; whoever has used it is led away from its address.
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const first = route.value.path[0];
  return (
    <main class="account" id="main">
      <div class="card">
        <header class="brand">
          <img src="/assets/icon.svg" alt="" width="40" height="40" />
          <span>Nova</span>
        </header>
        {path.value === "/reset-password" ? (
          <ResetPassword token={token} leave={replace} />
        ) : path.value === "/verify-email" ? (
          <VerifyEmail token={token} leave={replace} />
        ) : first === "join" ? (
          <SignUp />
        ) : first === "forgotten" ? (
          <Forgotten />
        ) : (
          <SignIn />
        )}
      </div>
      <p class="account-foot">
        <a href="/explorer">API explorer</a>
        <a href="/openapi.json">OpenAPI</a>
        <a href="/admin">Administration</a>
      </p>
    </main>
  );
}
