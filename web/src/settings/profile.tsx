// The own profile.
import type { UserProfile } from "@nova/client";
import { learn } from "../people/profiles";
import { nova } from "../session";
import { Field, Problem, Submit, Switch, TextField, useForm } from "../ui/form";
import { done } from "../ui/notice";
import { useRecord } from "./use-record";

/** The form of all that others see. */
export function ProfileSettings() {
  const record = useRecord<UserProfile>(async () => (await nova.user.getUserProfile({ userId: "me" })).profile);
  const profile = record.value;
  const form = useForm(
    ["display_name", "bio", "avatar_url", "cover_url", "website", "location"],
    async () => {
      if (profile === null) return;
      const { displayName, bio, website, location, version } = profile;
      const answer = await nova.user.updateUserProfile({
        userId: "me",
        displayName,
        bio,
        website: website.trim(),
        location,
        avatarUrl: (profile.avatarUrl ?? "").trim(),
        coverUrl: (profile.coverUrl ?? "").trim(),
        private: profile.private,
        expectedVersion: version,
      });
      record.saved(answer.profile);
      learn(answer.profile);
      done("Your profile is saved.");
    },
    record.caught,
  );
  if (profile === null) return <p class={record.problem ? "problem" : "quiet-text"}>{record.problem || "Loading …"}</p>;
  const { set } = record;
  return (
    <form class="form" onSubmit={form.onSubmit} aria-label="Profile">
      <Field
        form={form}
        name="display_name"
        label="Name"
        value={profile.displayName}
        onValue={(displayName) => set({ displayName })}
        required
        autocomplete="name"
      />
      <TextField
        form={form}
        name="bio"
        label="About you"
        hint="Up to 500 characters."
        value={profile.bio}
        onValue={(bio) => set({ bio })}
        rows={4}
      />
      <Field
        form={form}
        name="location"
        label="Place"
        value={profile.location}
        onValue={(location) => set({ location })}
      />
      <Field
        form={form}
        name="website"
        label="Web page"
        type="url"
        value={profile.website}
        onValue={(website) => set({ website })}
        placeholder="https://"
      />
      <Field
        form={form}
        name="avatar_url"
        label="Address of your picture"
        hint="This page shows initials: it loads no pictures from elsewhere, so that nobody learns who looks."
        type="url"
        value={profile.avatarUrl ?? ""}
        onValue={(avatarUrl) => set({ avatarUrl })}
        placeholder="https://"
      />
      <Field
        form={form}
        name="cover_url"
        label="Address of your cover picture"
        type="url"
        value={profile.coverUrl ?? ""}
        onValue={(coverUrl) => set({ coverUrl })}
        placeholder="https://"
      />
      <Switch
        name="private"
        label="Private account"
        hint="Following you needs your consent, and only followers see your lists."
        value={profile.private}
        onValue={(isPrivate) => set({ private: isPrivate })}
      />
      <Problem text={record.conflict || form.problem} />
      <Submit form={form}>Save profile</Submit>
    </form>
  );
}
