// Settings that others do not see.
import type { UserSettings } from "@nova/client";
import { nova } from "../session";
import { Choice, Field, Problem, Submit, Switch, useForm } from "../ui/form";
import { done } from "../ui/notice";
import { isDark } from "../ui/theme";
import { useRecord } from "./use-record";

/** The form of all settings. */
export function Preferences() {
  const record = useRecord<UserSettings>(async () => (await nova.user.getUserSettings({ userId: "me" })).settings);
  const settings = record.value;
  const form = useForm(
    ["timezone", "language", "privacy_level", "allow_messages"],
    async () => {
      if (settings === null) return;
      const { emailNotifications, pushNotifications, marketingEmails, darkMode, privacyLevel, allowMessages, version } =
        settings;
      const answer = await nova.user.updateUserSettings({
        userId: "me",
        emailNotifications,
        pushNotifications,
        marketingEmails,
        timezone: settings.timezone.trim(),
        language: settings.language.trim(),
        darkMode,
        privacyLevel,
        allowMessages,
        expectedVersion: version,
      });
      record.saved(answer.settings);
      isDark.value = answer.settings.darkMode;
      done("Your preferences are saved.");
    },
    record.caught,
  );
  if (settings === null)
    return <p class={record.problem ? "problem" : "quiet-text"}>{record.problem || "Loading …"}</p>;
  const { set } = record;
  return (
    <form class="form" onSubmit={form.onSubmit} aria-label="Preferences">
      <h2>Privacy</h2>
      <Choice
        form={form}
        name="allow_messages"
        label="Who may write to you"
        hint="People you have blocked cannot, whatever you choose."
        value={settings.allowMessages}
        onValue={(value) => set({ allowMessages: value as UserSettings["allowMessages"] })}
        options={[
          ["EVERYONE", "Everyone"],
          ["FOLLOWING", "People you follow"],
          ["NOBODY", "Nobody"],
        ]}
      />
      <Choice
        form={form}
        name="privacy_level"
        label="Who sees whom you follow and who follows you"
        value={settings.privacyLevel}
        onValue={(value) => set({ privacyLevel: value as UserSettings["privacyLevel"] })}
        options={[
          ["PUBLIC", "Everyone (of a private account: followers)"],
          ["FOLLOWERS", "Your followers"],
          ["PRIVATE", "Only you"],
        ]}
      />
      <h2>Notifications</h2>
      <Switch
        name="email_notifications"
        label="By e-mail"
        value={settings.emailNotifications}
        onValue={(emailNotifications) => set({ emailNotifications })}
      />
      <Switch
        name="push_notifications"
        label="On your devices"
        value={settings.pushNotifications}
        onValue={(pushNotifications) => set({ pushNotifications })}
      />
      <Switch
        name="marketing_emails"
        label="News of the operator by e-mail"
        value={settings.marketingEmails}
        onValue={(marketingEmails) => set({ marketingEmails })}
      />
      <h2>Display</h2>
      <Switch
        name="dark_mode"
        label="Always dark"
        hint="Otherwise this page follows your device."
        value={settings.darkMode}
        onValue={(darkMode) => set({ darkMode })}
      />
      <Field
        form={form}
        name="language"
        label="Language"
        hint="A tag such as en or de-AT, for what Nova sends you."
        value={settings.language}
        onValue={(language) => set({ language })}
        spellcheck={false}
        autocapitalize="none"
      />
      <Field
        form={form}
        name="timezone"
        label="Time zone"
        hint="A name such as Europe/Berlin, for what Nova sends you."
        value={settings.timezone}
        onValue={(timezone) => set({ timezone })}
        spellcheck={false}
        autocapitalize="none"
      />
      <Problem text={record.conflict || form.problem} />
      <Submit form={form}>Save preferences</Submit>
    </form>
  );
}
