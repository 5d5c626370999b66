// One account: roles, sessions, lock-out.
import { useEffect, useState } from "preact/hooks";
import type { Session, User } from "@nova/client";
import { words } from "../problem";
import { to } from "../route";
import { endedBy, nova } from "../session";
import { Avatar } from "../ui/avatar";
import { ask } from "../ui/dialog";
import { attempt, done } from "../ui/notice";
import { Page } from "../ui/page";
import { PageEnd, usePages } from "../ui/pages";
import { Time, whole } from "../ui/time";
import { Marks } from "./people";

const ROLES = ["admin", "moderator"] as const;

// There is no REST call for one account: the search finds it, among others whose names contain its own.
async function find(username: string): Promise<User | undefined> {
  let pageToken = "";
  do {
    const page = await nova.auth.listUsers({ search: username, limit: 100, pageToken });
    const found = page.users.find((user) => user.username === username);
    if (found) return found;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return undefined;
}

/** The page. Its subject is a user name. */
export function Person({ subject }: { subject: string }) {
  const [user, setUser] = useState<User | null>(null);
  const [problem, setProblem] = useState("");
  const read = () => {
    find(subject)
      .then((found) => (found ? setUser(found) : setProblem("There is no such account.")))
      .catch((error: unknown) => {
        if (!endedBy(error)) setProblem(words(error));
      });
  };
  useEffect(read, [subject]);
  return (
    <Page title={subject} aside={<a href={to("people")}>All people</a>}>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {user && (
        <>
          <Facts user={user} />
          <Roles user={user} onChange={read} />
          <Sessions user={user} />
        </>
      )}
    </Page>
  );
}

function Facts({ user }: { user: User }) {
  const isLocked = user.lockedUntil !== undefined && Date.parse(user.lockedUntil) > Date.now();
  return (
    <header class="profile">
      <Avatar id={user.id} name={user.username} size="large" />
      <div class="profile-text">
        <p class="chips">
          <Marks user={user} />
        </p>
        <dl class="facts">
          <div>
            <dt>E-mail</dt>
            <dd>
              {user.email} {user.emailVerified ? "(confirmed)" : "(not confirmed)"}
            </dd>
          </div>
          <div>
            <dt>Id</dt>
            <dd>
              <code>{user.id}</code>
            </dd>
          </div>
          <div>
            <dt>Created</dt>
            <dd>{whole(user.createdAt)}</dd>
          </div>
          <div>
            <dt>Log-in</dt>
            <dd>
              {isLocked ? `Locked until ${whole(user.lockedUntil!)}` : "Open"}, failed log-ins in a row:{" "}
              {user.failedLoginAttempts}
            </dd>
          </div>
          <div>
            <dt>History</dt>
            <dd>
              <a href={to("audit", user.id)}>What the audit log has on this account</a>
            </dd>
          </div>
        </dl>
      </div>
    </header>
  );
}

function Roles({ user, onChange }: { user: User; onChange: () => void }) {
  const grant = async (role: string) => {
    if (!(await attempt(() => nova.auth.grantRole({ userId: user.id, role })))) return;
    done(`${user.username} has the role ${role} from the next log-in or refresh on.`);
    onChange();
  };
  const revoke = async (role: string) => {
    if (
      !(await ask(
        `Take the role ${role} from ${user.username}?`,
        "All their sessions end, so that no token carries it any more.",
        "Take it",
      ))
    )
      return;
    if (!(await attempt(() => nova.auth.revokeRole({ userId: user.id, role })))) return;
    done(`${user.username} has the role ${role} no more.`);
    onChange();
  };
  return (
    <section aria-label="Roles">
      <h2>Roles</h2>
      <ul class="rows">
        {ROLES.map((role) => {
          const has = user.roles.includes(role);
          return (
            <li class="row" key={role}>
              <span class="row-text">
                <span class="row-name">{role}</span>
                <span class="row-sub">{has ? "has it" : "has it not"}</span>
              </span>
              <span class="row-actions">
                <button
                  type="button"
                  class="button"
                  aria-label={has ? `Revoke ${role}` : `Grant ${role}`}
                  onClick={() => void (has ? revoke(role) : grant(role))}
                >
                  {has ? "Revoke" : "Grant"}
                </button>
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Sessions({ user }: { user: User }) {
  const pages = usePages<Session>(
    async (pageToken) => {
      const { sessions, nextPageToken } = await nova.auth.listSessions({ userId: user.id, pageToken });
      return { items: sessions, nextPageToken };
    },
    [user.id],
  );
  const revoke = async (session: Session) => {
    if (!(await attempt(() => nova.auth.revokeSession({ sessionId: session.id })))) return;
    pages.edit((items) => items.filter((it) => it.id !== session.id));
    done("The session has ended.");
  };
  const revokeAll = async () => {
    if (!(await ask(`Log ${user.username} out everywhere?`, "All their sessions end at once.", "Log out everywhere")))
      return;
    const answer = await attempt(() => nova.auth.revokeAllSessions({ userId: user.id }));
    if (!answer) return;
    pages.reload();
    done(`${answer.revokedCount} sessions have ended.`);
  };
  return (
    <section aria-label="Sessions">
      <h2>Sessions</h2>
      <ul class="rows">
        {pages.items.map((session) => (
          <li class="row" key={session.id}>
            <span class="row-text">
              <span class="row-name">
                {session.deviceName || "A device without a name"}
                {session.current && <span class="chip">this one</span>}
              </span>
              <span class="row-sub">
                Since <Time at={session.createdAt} form="whole" />, last used{" "}
                <Time at={session.lastUsedAt} form="whole" />
              </span>
            </span>
            <span class="row-actions">
              <button
                type="button"
                class="button"
                aria-label={`End the session on ${session.deviceName || "a device without a name"}`}
                onClick={() => void revoke(session)}
              >
                End
              </button>
            </span>
          </li>
        ))}
      </ul>
      <PageEnd pages={pages} empty="No live sessions." />
      {pages.items.length > 0 && (
        <p class="actions start">
          <button type="button" class="button danger" onClick={() => void revokeAll()}>
            Log out everywhere
          </button>
        </p>
      )}
    </section>
  );
}
