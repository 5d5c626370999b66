// Where one is logged in.
import type { Session } from "@nova/client";
import { nova, signOut } from "../session";
import { ask } from "../ui/dialog";
import { attempt, done } from "../ui/notice";
import { PageEnd, usePages } from "../ui/pages";
import { Time } from "../ui/time";

/** The section. */
export function Sessions() {
  const pages = usePages<Session>(async (pageToken) => {
    const { sessions, nextPageToken } = await nova.auth.listSessions({ pageToken });
    return { items: sessions, nextPageToken };
  }, []);
  const revoke = async (session: Session) => {
    if (!(await attempt(() => nova.auth.revokeSession({ sessionId: session.id })))) return;
    pages.edit((items) => items.filter((it) => it.id !== session.id));
    done("The session has ended.");
  };
  const revokeOthers = async () => {
    if (
      !(await ask("Log out everywhere else?", "All your sessions but this one end at once.", "Log out everywhere else"))
    )
      return;
    const answer = await attempt(() => nova.auth.revokeAllSessions({ keepCurrent: true }));
    if (!answer) return;
    pages.reload();
    done(answer.revokedCount === "1" ? "One session has ended." : `${answer.revokedCount} sessions have ended.`);
  };
  return (
    <section class="form wide" aria-label="Sessions">
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
                aria-label={`Log out ${session.deviceName || "a device without a name"}`}
                onClick={() => void (session.current ? signOut() : revoke(session))}
              >
                Log out
              </button>
            </span>
          </li>
        ))}
      </ul>
      <PageEnd pages={pages} empty="There are no sessions." />
      <p class="actions start">
        <button type="button" class="button danger" onClick={() => void revokeOthers()}>
          Log out everywhere else
        </button>
      </p>
    </section>
  );
}
