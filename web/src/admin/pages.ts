// The pages of the administration. Another one is a file of its own and a line here.
import type { FunctionComponent } from "preact";
import type { IconName } from "../ui/icon";
import { Audit } from "./audit";
import { Health } from "./health";
import { People } from "./people";
import { Person } from "./person";
import { Streams } from "./streams";
import { Delivery } from "./webhook-delivery";
import { Webhook } from "./webhook";
import { Webhooks } from "./webhooks";

export interface AdminPage {
  /** The first part of its address after `#/`. */
  path: string;
  /** How it is called among the ways to other pages; absent if it is reached from one of them. */
  label?: string;
  icon?: IconName;
  /** The page whose way is marked while this one is open. */
  under?: string;
  /** What it shows; gets the second part of its address. */
  View: FunctionComponent<{ subject: string }>;
}

/** All of them; the first is shown at the start. */
export const PAGES: readonly AdminPage[] = [
  { path: "people", label: "People", icon: "people", View: People },
  { path: "person", under: "people", View: Person },
  { path: "audit", label: "Audit log", icon: "shield", View: Audit },
  { path: "webhooks", label: "Webhooks", icon: "send", View: Webhooks },
  { path: "webhook", under: "webhooks", View: Webhook },
  { path: "delivery", under: "webhooks", View: Delivery },
  { path: "health", label: "Health", icon: "pulse", View: Health },
  { path: "streams", label: "Streams", icon: "stream", View: Streams },
];
