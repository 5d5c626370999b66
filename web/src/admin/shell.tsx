// What is around every page of the administration.
import { SignIn } from "../account/sign-in";
import { route, to } from "../route";
import { isAdmin, me, signOut } from "../session";
import { Asker } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Notices } from "../ui/notice";
import { PAGES } from "./pages";

/** Everything. */
export function Administration() {
  return (
    <>
      {me.value === null ? <Welcome /> : isAdmin.value ? <Pages /> : <Refusal />}
      <Notices />
      <Asker />
    </>
  );
}

function Brand() {
  return (
    <header class="brand">
      <img src="/assets/icon.svg" alt="" width="40" height="40" />
      <span>Nova administration</span>
    </header>
  );
}

function Welcome() {
  return (
    <main class="account" id="main">
      <div class="card">
        <Brand />
        <SignIn isAdministration />
      </div>
      <p class="account-foot">
        <a href="/">To the page for people</a>
      </p>
    </main>
  );
}

// A role that was granted a moment ago is in the tokens of the next log-in, or of the next refresh.
function Refusal() {
  return (
    <main class="account" id="main">
      <div class="card">
        <Brand />
        <h1>You are not an administrator</h1>
        <p>This page is for people with the role “admin”. If you have just been given it, log in again.</p>
        <p class="actions start">
          <button type="button" class="button primary" onClick={() => void signOut()}>
            Log in as somebody else
          </button>
          <a class="button" href="/">
            To the page for people
          </a>
        </p>
      </div>
    </main>
  );
}

function Pages() {
  const [first, subject = ""] = route.value.path;
  const page = PAGES.find(({ path }) => path === first) ?? PAGES[0]!;
  const { View } = page;
  return (
    <div class="shell">
      <nav class="rail" aria-label="Pages">
        {PAGES.map(({ path, label, icon }) =>
          label && icon ? (
            <a
              key={path}
              class="tab"
              href={to(path)}
              aria-current={path === (page.under ?? page.path) ? "page" : undefined}
            >
              <Icon name={icon} />
              <span class="tab-label">{label}</span>
            </a>
          ) : null,
        )}
        <a class="tab tab-me" href="/" title="To the page for people">
          <Icon name="talks" />
          <span class="tab-label">Nova</span>
        </a>
      </nav>
      <View subject={subject} key={`${page.path} ${subject}`} />
    </div>
  );
}
