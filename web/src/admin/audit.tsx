// The audit log: what happened to accounts, log-ins, roles and keys.
import { useState } from "preact/hooks";
import type { AuditEvent, AuditEventKind } from "@nova/client";
import { to } from "../route";
import { nova } from "../session";
import { Page } from "../ui/page";
import { PageEnd, usePages } from "../ui/pages";
import { Time } from "../ui/time";

const KINDS: Record<AuditEventKind, string> = {
  LOGIN: "Log-in",
  LOGOUT: "Log-out",
  LOCK: "Log-in locked",
  UNLOCK: "Lock lifted",
  REFRESH_TOKEN_REUSE: "Refresh token used twice",
  SESSION_REVOCATION: "Session ended",
  ALL_SESSIONS_REVOCATION: "Sessions ended",
  PASSWORD_CHANGE: "Password changed",
  PASSWORD_RESET_REQUEST: "Password reset asked for",
  PASSWORD_RESET: "Password reset",
  EMAIL_VERIFICATION: "E-mail confirmed",
  TOTP_ENROLLMENT: "Second factor begun",
  TOTP_CONFIRMATION: "Second factor confirmed",
  TOTP_REMOVAL: "Second factor removed",
  RECOVERY_CODE_USE: "Recovery code used",
  ROLE_GRANT: "Role granted",
  ROLE_REVOCATION: "Role revoked",
  SIGNING_KEY_ROTATION: "Signing key made",
  REGISTRATION: "Registration",
  ACCOUNT_DELETION: "Account deleted",
  ACCOUNT_EXPORT: "Account exported",
  SERVICE_TOKEN: "Service token",
  ADMIN_READ: "Read by an administrator",
  WEBHOOK_CREATION: "Webhook registered",
  WEBHOOK_UPDATE: "Webhook changed",
  WEBHOOK_DELETION: "Webhook removed",
  WEBHOOK_SECRET_ROTATION: "Webhook secret replaced",
  WEBHOOK_TEST: "Webhook tested",
  WEBHOOK_REPLAY: "Webhook deliveries sent again",
  WEBHOOK_DISABLING: "Webhook disabled by Nova",
};

const CHOICES = [["", "Every kind"], ...Object.entries(KINDS)] as const;

/** The page. Its subject is the id of an account, or nothing for everyone. */
export function Audit({ subject }: { subject: string }) {
  const [kind, setKind] = useState("");
  const pages = usePages<AuditEvent>(
    async (pageToken) => {
      const wanted = kind === "" ? {} : { kind: kind as AuditEventKind };
      const { events, nextPageToken } = await nova.auth.listAuditEvents({ userId: subject, ...wanted, pageToken });
      return { items: events, nextPageToken };
    },
    [subject, kind],
  );
  return (
    <Page title="Audit log" aside={subject && <a href={to("audit")}>All accounts</a>}>
      <select aria-label="Kind of event" value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
        {CHOICES.map(([value, text]) => (
          <option key={value} value={value} selected={value === kind}>
            {text}
          </option>
        ))}
      </select>
      <ul class="rows">
        {pages.items.map((event) => (
          <Row key={event.id} event={event} />
        ))}
      </ul>
      <PageEnd pages={pages} empty="No such event." />
    </Page>
  );
}

function Row({ event }: { event: AuditEvent }) {
  // An event of a later release has a kind that this page does not know.
  const name = KINDS[event.kind] ?? event.kind;
  const details = Object.entries(event.details).filter(([key]) => key !== "reason");
  return (
    <li class="row">
      <span class="row-text">
        <span class="row-name">
          {name} {event.outcome === "FAILURE" && <span class="chip danger">{event.details["reason"] ?? "refused"}</span>}
        </span>
        <span class="row-sub row-subs">
          <Time at={event.at} form="whole" />
          <span>by {who(event)}</span>
          {event.userId && event.userId !== event.actor && (
            <span>
              on <a href={to("audit", event.userId)}>{event.userId}</a>
            </span>
          )}
          {event.address && <span title={event.userAgent}>from {event.address}</span>}
          {details.map(([key, value]) => (
            <span key={key}>
              {key}: {value}
            </span>
          ))}
        </span>
      </span>
    </li>
  );
}

function who({ actorType, actor }: AuditEvent) {
  switch (actorType) {
    case "USER":
      return <a href={to("audit", actor)}>{actor}</a>;
    case "SERVICE":
      return `the service ${actor}`;
    case "OPERATOR":
      return "the operator";
    default:
      return "somebody not logged in";
  }
}
