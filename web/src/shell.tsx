// What is around every view: which one is open, the ways to the others, and how the connection is doing.
import { useEffect } from "preact/hooks";
import { Account } from "./account/account";
import { learn, nameOf } from "./people/profiles";
import { People } from "./people/people";
import { Person } from "./people/person";
import { path, route, to } from "./route";
import { me, nova } from "./session";
import { Settings } from "./settings/settings";
import { announcement } from "./talk/announce";
import { Talks } from "./talk/talks";
import { connection } from "./talk/stream";
import { isLoaded, unreadTotal } from "./talk/store";
import { requestCount, countRequests } from "./people/requests";
import { Avatar } from "./ui/avatar";
import { Asker } from "./ui/dialog";
import { Icon, type IconName } from "./ui/icon";
import { Notices } from "./ui/notice";
import { isDark } from "./ui/theme";

/** Everything. */
export function App() {
  const user = me.value;
  // The links in mails come by a path of their own, for who is signed in as well.
  const isMailed = path.value !== "/";
  return (
    <>
      {user === null || isMailed ? <Account /> : <SignedIn user={user} key={user} />}
      <Notices />
      <Asker />
    </>
  );
}

function SignedIn({ user }: { user: string }) {
  useEffect(() => {
    // Both are niceties: without an answer the page does as well.
    nova.user
      .getUserProfile({ userId: "me" })
      .then(({ profile }) => learn(profile))
      .catch(() => undefined);
    nova.user
      .getUserSettings({ userId: "me" })
      .then(({ settings }) => (isDark.value = settings.darkMode))
      .catch(() => undefined);
    void countRequests();
  }, [user]);
  const unread = unreadTotal.value;
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Nova` : "Nova";
    return () => {
      document.title = "Nova";
    };
  }, [unread]);

  const [first = "c", second] = route.value.path;
  return (
    <div class={`shell ${first === "c" && second ? "is-talking" : ""}`}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}
      >
        Skip to the content
      </a>
      <nav class="rail" aria-label="Views">
        <Tab icon="talks" label="Messages" href={to("c")} isOpen={first === "c"} count={unread} counted="unread" />
        <Tab
          icon="people"
          label="People"
          href={to("people")}
          isOpen={first === "people" || first === "u"}
          count={requestCount.value}
          counted="requests"
        />
        <Tab icon="settings" label="Settings" href={to("settings")} isOpen={first === "settings"} />
        <a class="tab tab-me" href={to("u", user)} aria-label={`Your profile, ${nameOf(user)}`}>
          <Avatar id={user} name={nameOf(user)} size="small" />
        </a>
      </nav>
      <View first={first} second={second} rest={route.value.path.slice(2)} />
      <p class="visually-hidden" aria-live="polite" id="announcements">
        {announcement.value}
      </p>
      <Connection />
    </div>
  );
}

function View({ first, second, rest }: { first: string; second: string | undefined; rest: string[] }) {
  if (first === "people") return <People tab={second} query={route.value.query.get("q") ?? ""} />;
  if (first === "u" && second) return <Person id={second} tab={rest[0]} key={second} />;
  if (first === "settings") return <Settings section={second} />;
  return <Talks open={second} />;
}

function Tab(props: {
  icon: IconName;
  label: string;
  href: string;
  isOpen: boolean;
  count?: number;
  counted?: string;
}) {
  const count = props.count ?? 0;
  return (
    <a class="tab" href={props.href} aria-current={props.isOpen ? "page" : undefined}>
      <Icon name={props.icon} />
      <span class="tab-label">{props.label}</span>
      {count > 0 && (
        <span class="badge">
          {count > 99 ? "99+" : count}
          <span class="visually-hidden"> {props.counted}</span>
        </span>
      )}
    </a>
  );
}

// Said only when it is not as it should be.
function Connection() {
  const state = connection.value;
  const text =
    state === "waiting"
      ? "Offline. Messages wait here and are sent later."
      : state === "connecting" && isLoaded.value
        ? "Connecting …"
        : "";
  return (
    <div class="connection" role="status">
      {text && <p>{text}</p>}
    </div>
  );
}
