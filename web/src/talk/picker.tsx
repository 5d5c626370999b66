// Choosing people.
import { useEffect, useState } from "preact/hooks";
import type { UserProfile } from "@nova/client";
import { words } from "../problem";
import { endedBy, me, nova } from "../session";
import { Avatar } from "../ui/avatar";
import { Icon } from "../ui/icon";

const TYPING_PAUSE = 200;

interface Props {
  chosen: readonly UserProfile[];
  onChange: (chosen: UserProfile[]) => void;
  /** Who is not offered. */
  without?: readonly string[];
}

/** A search whose finds can be chosen, and those chosen so far. With nothing typed, whom one follows is offered. */
export function Picker({ chosen, onChange, without = [] }: Props) {
  const [typed, setTyped] = useState("");
  const [found, setFound] = useState<UserProfile[]>([]);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    const stop = new AbortController();
    const query = typed.trim();
    const seek = async () => {
      const call = { signal: stop.signal };
      const { profiles } =
        query === ""
          ? await nova.user.getUserFollowing({ userId: "me" }, call)
          : await nova.user.searchUsers({ query, limit: 8 }, call);
      setFound(profiles);
      setProblem("");
    };
    const timer = setTimeout(() => {
      seek().catch((error: unknown) => {
        if (!stop.signal.aborted && !endedBy(error)) setProblem(words(error));
      });
    }, TYPING_PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [typed]);

  const isChosen = (id: string) => chosen.some((profile) => profile.id === id);
  const toggle = (profile: UserProfile) =>
    onChange(isChosen(profile.id) ? chosen.filter((it) => it.id !== profile.id) : [...chosen, profile]);
  const offered = found.filter((profile) => profile.id !== me.value && !without.includes(profile.id));
  const onArrow = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const stops = [...event.currentTarget.querySelectorAll<HTMLElement>("input, [aria-pressed]")];
    event.preventDefault();
    stops[stops.indexOf(document.activeElement as HTMLElement) + step]?.focus();
  };
  return (
    <div class="picker" onKeyDown={onArrow}>
      {chosen.length > 0 && (
        <ul class="chips" aria-label="Chosen">
          {chosen.map((profile) => (
            <li key={profile.id}>
              <button
                type="button"
                class="chip"
                aria-label={`Take ${profile.displayName} off`}
                onClick={() => toggle(profile)}
              >
                {profile.displayName}
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="searchbar">
        <Icon name="search" />
        <input
          type="search"
          aria-label="Search people"
          placeholder="Name or user name"
          maxLength={64}
          autofocus
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && event.preventDefault()}
        />
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <ul class="rows picks" aria-label="Found">
        {offered.map((profile) => (
          <li key={profile.id}>
            <button type="button" class="row pick" aria-pressed={isChosen(profile.id)} onClick={() => toggle(profile)}>
              <Avatar id={profile.id} name={profile.displayName} size="small" />
              <span class="row-text">
                <span class="row-name">{profile.displayName}</span>
                <span class="row-sub">@{profile.username}</span>
              </span>
              {isChosen(profile.id) && <Icon name="check" />}
            </button>
          </li>
        ))}
      </ul>
      {offered.length === 0 && (
        <p class="quiet-text">{typed.trim() ? "Nobody found." : "Type a name to find people."}</p>
      )}
    </div>
  );
}
