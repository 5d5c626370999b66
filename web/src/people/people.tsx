// Finding people, and the lists of those one has to do with.
import { useEffect, useState } from "preact/hooks";
import type { UserProfile } from "@nova/client";
import { to } from "../route";
import { me, nova } from "../session";
import { Icon } from "../ui/icon";
import { attempt, done } from "../ui/notice";
import { PageEnd, usePages } from "../ui/pages";
import { Page, Tabs } from "../ui/page";
import { countRequests, requestCount } from "./requests";
import { PersonRow } from "./row";

/** The view of people. */
export function People({ tab = "search", query }: { tab: string | undefined; query: string }) {
  return (
    <Page title="People">
      <Tabs
        label="Lists of people"
        open={tab}
        tabs={[
          ["search", "Search", to("people")],
          ["following", "Following", to("people", "following")],
          ["followers", "Followers", to("people", "followers")],
          [
            "requests",
            requestCount.value > 0 ? `Requests (${requestCount.value})` : "Requests",
            to("people", "requests"),
          ],
          ["blocked", "Blocked", to("people", "blocked")],
        ]}
      />
      {tab === "following" && <Followed userId={me.value!} which="following" />}
      {tab === "followers" && <Followed userId={me.value!} which="followers" />}
      {tab === "requests" && <Requests />}
      {tab === "blocked" && <Blocked />}
      {tab === "search" && <Search query={query} />}
    </Page>
  );
}

const TYPING_PAUSE = 250;

function Search({ query }: { query: string }) {
  const [typed, setTyped] = useState(query);
  const [sought, setSought] = useState(query.trim());
  useEffect(() => {
    const timer = setTimeout(() => setSought(typed.trim()), TYPING_PAUSE);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <search>
      <form
        class="searchbar"
        onSubmit={(event) => {
          event.preventDefault();
          setSought(typed.trim());
        }}
      >
        <Icon name="search" />
        <input
          type="search"
          aria-label="Search people"
          placeholder="Search by name or user name"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          autofocus
          maxLength={64}
        />
      </form>
      {sought ? (
        <Found query={sought} />
      ) : (
        <p class="quiet-text">Type a part of a name. Follow people to see who they are to you, or write to them.</p>
      )}
    </search>
  );
}

function Found({ query }: { query: string }) {
  const pages = usePages<UserProfile>(
    async (pageToken) => {
      const { profiles, nextPageToken } = await nova.user.searchUsers({ query, pageToken });
      return { items: profiles, nextPageToken };
    },
    [query],
  );
  return (
    <section aria-label="Found" aria-busy={pages.busy}>
      <p class="visually-hidden" role="status">
        {pages.busy ? "" : `${pages.items.length} found`}
      </p>
      <PersonList profiles={pages.items} />
      <PageEnd pages={pages} empty={`Nobody is called “${query}”.`} />
    </section>
  );
}

function PersonList({ profiles }: { profiles: UserProfile[] }) {
  return (
    <ul class="rows">
      {profiles.map((profile) => (
        <PersonRow key={profile.id} profile={profile} />
      ))}
    </ul>
  );
}

/** Who follows somebody, or whom they follow. */
export function Followed({ userId, which }: { userId: string; which: "followers" | "following" }) {
  const pages = usePages<UserProfile>(
    async (pageToken) => {
      const request = { userId, pageToken };
      const { profiles, nextPageToken } =
        which === "followers" ? await nova.user.getUserFollowers(request) : await nova.user.getUserFollowing(request);
      return { items: profiles, nextPageToken };
    },
    [userId, which],
  );
  return (
    <section aria-label={which === "followers" ? "Followers" : "Following"}>
      <PersonList profiles={pages.items} />
      <PageEnd pages={pages} empty={which === "followers" ? "No followers yet." : "Follows nobody yet."} />
    </section>
  );
}

function Requests() {
  const pages = usePages<UserProfile>(async (pageToken) => {
    const { profiles, nextPageToken } = await nova.user.listFollowRequests({ userId: "me", pageToken });
    return { items: profiles, nextPageToken };
  }, []);
  const respond = async (profile: UserProfile, accept: boolean) => {
    const answered = await attempt(() =>
      nova.user.respondToFollowRequest({ followeeId: "me", followerId: profile.id, accept }),
    );
    if (!answered) return;
    pages.edit((items) => items.filter((it) => it.id !== profile.id));
    void countRequests();
    done(accept ? `${profile.displayName} follows you now.` : `The request of ${profile.displayName} is refused.`);
  };
  return (
    <section aria-label="Follow requests">
      <ul class="rows">
        {pages.items.map((profile) => (
          <PersonRow key={profile.id} profile={profile}>
            <button
              type="button"
              class="button primary"
              aria-label={`Accept ${profile.displayName}`}
              onClick={() => void respond(profile, true)}
            >
              Accept
            </button>
            <button
              type="button"
              class="button"
              aria-label={`Refuse ${profile.displayName}`}
              onClick={() => void respond(profile, false)}
            >
              Refuse
            </button>
          </PersonRow>
        ))}
      </ul>
      <PageEnd pages={pages} empty="Nobody waits for your answer. Requests come when your account is private." />
    </section>
  );
}

function Blocked() {
  const pages = usePages<UserProfile>(async (pageToken) => {
    const { profiles, nextPageToken } = await nova.user.listBlockedUsers({ userId: "me", pageToken });
    return { items: profiles, nextPageToken };
  }, []);
  const unblock = async (profile: UserProfile) => {
    if (!(await attempt(() => nova.user.unblockUser({ blockedId: profile.id })))) return;
    pages.edit((items) => items.filter((it) => it.id !== profile.id));
    done(`${profile.displayName} is not blocked any more.`);
  };
  return (
    <section aria-label="Blocked people">
      <ul class="rows">
        {pages.items.map((profile) => (
          <PersonRow key={profile.id} profile={profile}>
            <button
              type="button"
              class="button"
              aria-label={`Unblock ${profile.displayName}`}
              onClick={() => void unblock(profile)}
            >
              Unblock
            </button>
          </PersonRow>
        ))}
      </ul>
      <PageEnd pages={pages} empty="You have blocked nobody." />
    </section>
  );
}
