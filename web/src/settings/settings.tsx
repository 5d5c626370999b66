// What one sets for oneself, one section a file.
import { to } from "../route";
import { Page, Tabs } from "../ui/page";
import { AccountSettings } from "./account";
import { Preferences } from "./preferences";
import { ProfileSettings } from "./profile";
import { Security } from "./security";
import { Sessions } from "./sessions";

const SECTIONS = {
  profile: ["Profile", ProfileSettings],
  preferences: ["Preferences", Preferences],
  security: ["Security", Security],
  sessions: ["Sessions", Sessions],
  account: ["Account", AccountSettings],
} as const;

/** The view of settings. */
export function Settings({ section }: { section: string | undefined }) {
  const open = section !== undefined && section in SECTIONS ? (section as keyof typeof SECTIONS) : "profile";
  const Section = SECTIONS[open][1];
  return (
    <Page title="Settings">
      <Tabs
        label="Settings"
        open={open}
        tabs={Object.entries(SECTIONS).map(([name, [text]]) => [name, text, to("settings", name)] as const)}
      />
      <Section />
    </Page>
  );
}
