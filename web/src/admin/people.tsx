// All accounts, to be searched.
import { useEffect, useState } from "preact/hooks";
import type { User } from "@nova/client";
import { to } from "../route";
import { nova } from "../session";
import { Avatar } from "../ui/avatar";
import { Icon } from "../ui/icon";
import { Page } from "../ui/page";
import { PageEnd, usePages } from "../ui/pages";
import { date } from "../ui/time";

const TYPING_PAUSE = 250;

/** The page. */
export function People() {
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  const [total, setTotal] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSearch(typed.trim()), TYPING_PAUSE);
    return () => clearTimeout(timer);
  }, [typed]);
  const pages = usePages<User>(
    async (pageToken) => {
      const { users, totalCount, nextPageToken } = await nova.auth.listUsers({ search, pageToken });
      setTotal(totalCount);
      return { items: users, nextPageToken };
    },
    [search],
  );
  return (
    <Page
      title="People"
      aside={
        <span class="quiet-text" role="status">
          {total && `${Number(total).toLocaleString()} ${total === "1" ? "account" : "accounts"}`}
        </span>
      }
    >
      <search class="searchbar">
        <Icon name="search" />
        <input
          type="search"
          aria-label="Search accounts"
          placeholder="Part of a user name or e-mail"
          maxLength={254}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          autofocus
        />
      </search>
      <ul class="rows">
        {pages.items.map((user) => (
          <li class="row" key={user.id}>
            <a class="row-main" href={to("person", user.username)}>
              <Avatar id={user.id} name={user.username} />
              <span class="row-text">
                <span class="row-name">{user.username}</span>
                <span class="row-sub row-subs">
                  <span>{user.email}</span>
                  <span>since {date(user.createdAt)}</span>
                </span>
              </span>
            </a>
            <span class="row-actions">
              <Marks user={user} />
            </span>
          </li>
        ))}
      </ul>
      <PageEnd pages={pages} empty="No account matches." />
    </Page>
  );
}

/** What is out of the ordinary with an account. */
export function Marks({ user }: { user: User }) {
  const isLocked = user.lockedUntil !== undefined && Date.parse(user.lockedUntil) > Date.now();
  return (
    <>
      {user.roles
        .filter((role) => role !== "user")
        .map((role) => (
          <span class="chip accent" key={role}>
            {role}
          </span>
        ))}
      {isLocked && <span class="chip danger">locked</span>}
      {!user.active && <span class="chip danger">disabled</span>}
    </>
  );
}
