// Somebody's profile, how one stands to them, and what one can do about it.
import { useEffect, useState } from "preact/hooks";
import type { RelationshipKind, UserProfile } from "@nova/client";
import { isReason, words } from "../problem";
import { go, to } from "../route";
import { endedBy, me, nova } from "../session";
import { refresh } from "../talk/store";
import { Avatar } from "../ui/avatar";
import { ask } from "../ui/dialog";
import { attempt, done } from "../ui/notice";
import { Page, Tabs } from "../ui/page";
import { date } from "../ui/time";
import { Followed } from "./people";
import { learn } from "./profiles";
import { Private, Verified } from "./row";

const STANDING: Partial<Record<RelationshipKind, string>> = {
  FOLLOWING: "You follow them.",
  FOLLOWER: "Follows you.",
  MUTUAL: "You follow each other.",
  BLOCKED: "You have blocked them: neither of you can write to the other.",
  PENDING: "You have asked to follow them. They have not answered yet.",
};

/** The view of one person. */
export function Person({ id, tab }: { id: string; tab: string | undefined }) {
  const [profile, setProfile] = useState<UserProfile | null>(null);
  const [standing, setStanding] = useState<RelationshipKind | null>(null);
  const [problem, setProblem] = useState("");
  const isMe = id === me.value || id === "me";

  const read = () => {
    const asked = Promise.all([
      nova.user.getUserProfile({ userId: id }),
      isMe ? null : nova.user.checkUserRelationship({ userId1: "me", userId2: id }),
    ]);
    asked
      .then(([found, relation]) => {
        setProfile(found.profile);
        learn(found.profile);
        setStanding(relation?.relationship ?? null);
      })
      .catch((error: unknown) => {
        if (endedBy(error)) return;
        setProblem(
          isReason(error, "USER_NOT_FOUND")
            ? "There is nobody here. The account may be deleted, or not be open to you."
            : words(error),
        );
      });
  };
  useEffect(read, [id]);

  if (problem) {
    return (
      <Page title="Profile">
        <p class="problem" role="alert">
          {problem}
        </p>
      </Page>
    );
  }
  if (profile === null) {
    return (
      <Page title="Profile">
        <p class="quiet-text">Loading …</p>
      </Page>
    );
  }
  const isClosed = profile.private && standing !== null && standing !== "FOLLOWING" && standing !== "MUTUAL";
  return (
    <Page title={profile.displayName}>
      <header class="profile">
        <Avatar id={profile.id} name={profile.displayName} size="large" />
        <div class="profile-text">
          <p class="profile-user">
            @{profile.username}
            {profile.verified && <Verified />}
            {profile.private && <Private />}
          </p>
          {profile.bio && <p class="profile-bio">{profile.bio}</p>}
          {standing && STANDING[standing] && <p class="quiet-text">{STANDING[standing]}</p>}
          <Actions profile={profile} isMe={isMe} standing={standing} onChange={read} setStanding={setStanding} />
        </div>
      </header>
      <Facts profile={profile} />
      <Tabs
        label="Lists"
        open={tab ?? "followers"}
        tabs={[
          ["followers", `Followers (${profile.followerCount})`, to("u", id)],
          ["following", `Following (${profile.followingCount})`, to("u", id, "following")],
        ]}
      />
      {isClosed ? (
        <p class="quiet-text">Only followers see these lists.</p>
      ) : (
        <Followed key={tab} userId={profile.id} which={tab === "following" ? "following" : "followers"} />
      )}
    </Page>
  );
}

interface ActionsProps {
  profile: UserProfile;
  isMe: boolean;
  standing: RelationshipKind | null;
  setStanding: (standing: RelationshipKind) => void;
  onChange: () => void;
}

function Actions({ profile, isMe, standing, setStanding, onChange }: ActionsProps) {
  if (isMe) {
    return (
      <p class="actions start">
        <a class="button" href={to("settings")}>
          Edit profile
        </a>
      </p>
    );
  }
  const { id, displayName } = profile;
  const write = async () => {
    const answer = await attempt(() => nova.messaging.createConversation({ type: "DIRECT", memberIds: [id] }));
    if (!answer) return;
    await refresh(answer.conversation.id);
    go("c", answer.conversation.id);
  };
  const follow = async () => {
    const answer = await attempt(() => nova.user.followUser({ followeeId: id }));
    if (!answer) return;
    setStanding(answer.relationship);
    onChange();
    if (answer.relationship === "PENDING") done(`${displayName} is asked whether you may follow.`);
  };
  const unfollow = async () => {
    const answer = await attempt(() => nova.user.unfollowUser({ followeeId: id }));
    if (!answer) return;
    setStanding(answer.relationship);
    onChange();
  };
  const block = async () => {
    const text =
      "You stop following each other, and neither can write to the other or find them. Unblocking brings no follow back.";
    if (!(await ask(`Block ${displayName}?`, text, "Block"))) return;
    if (!(await attempt(() => nova.user.blockUser({ blockedId: id })))) return;
    setStanding("BLOCKED");
    onChange();
    done(`${displayName} is blocked.`);
  };
  const unblock = async () => {
    if (!(await attempt(() => nova.user.unblockUser({ blockedId: id })))) return;
    onChange();
    done(`${displayName} is not blocked any more.`);
  };
  if (standing === "BLOCKED") {
    return (
      <p class="actions start">
        <button type="button" class="button" onClick={() => void unblock()}>
          Unblock
        </button>
      </p>
    );
  }
  const follows = standing === "FOLLOWING" || standing === "MUTUAL";
  return (
    <p class="actions start">
      <button type="button" class="button primary" onClick={() => void write()}>
        Message
      </button>
      {follows || standing === "PENDING" ? (
        <button type="button" class="button" onClick={() => void unfollow()}>
          {follows ? "Unfollow" : "Withdraw request"}
        </button>
      ) : (
        <button type="button" class="button" onClick={() => void follow()}>
          {profile.private ? "Ask to follow" : "Follow"}
        </button>
      )}
      <button type="button" class="button quiet" onClick={() => void block()}>
        Block
      </button>
    </p>
  );
}

// Pictures are links, not shown: loading them would tell the address of whoever looks to whoever chose them.
function Facts({ profile }: { profile: UserProfile }) {
  const links = [
    ["Web page", profile.website],
    ["Picture", profile.avatarUrl],
    ["Cover", profile.coverUrl],
  ] as const;
  return (
    <dl class="facts">
      {profile.location && (
        <div>
          <dt>Place</dt>
          <dd>{profile.location}</dd>
        </div>
      )}
      {links.map(([name, address]) =>
        address ? (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <a href={address} target="_blank" rel="noopener noreferrer nofollow">
                {address.replace(/^https?:\/\//, "")}
              </a>
            </dd>
          </div>
        ) : null,
      )}
      <div>
        <dt>Here since</dt>
        <dd>{date(profile.createdAt)}</dd>
      </div>
    </dl>
  );
}
