// Somebody in a list.
import type { ComponentChildren } from "preact";
import type { UserProfile } from "@nova/client";
import { to } from "../route";
import { Avatar } from "../ui/avatar";
import { Icon } from "../ui/icon";

/** A line with who it is, which leads to their profile, and what can be done. */
export function PersonRow({ profile, children }: { profile: UserProfile; children?: ComponentChildren }) {
  return (
    <li class="row">
      <a class="row-main" href={to("u", profile.id)}>
        <Avatar id={profile.id} name={profile.displayName} />
        <span class="row-text">
          <span class="row-name">
            {profile.displayName}
            {profile.verified && <Verified />}
            {profile.private && <Private />}
          </span>
          <span class="row-sub">@{profile.username}</span>
        </span>
      </a>
      {children && <span class="row-actions">{children}</span>}
    </li>
  );
}

/** That the operator vouches for who this is. */
export function Verified() {
  return (
    <span class="mark verified" title="Verified">
      <Icon name="check" />
      <span class="visually-hidden"> verified</span>
    </span>
  );
}

/** That following needs consent. */
export function Private() {
  return (
    <span class="mark" title="Private account">
      <Icon name="lock" />
      <span class="visually-hidden"> private account</span>
    </span>
  );
}
