//! Records of an export on the wire: JSON as REST has it.

use chrono::{DateTime, Utc};
use clock::rfc3339;
use protos::auth::v1 as pb;
use serde_json::{Value, json};

use super::convert;
use crate::app::export::Record;
use crate::storage::export::{Credentials, Grant, KeptSession, MailToken};

/// Name of this service in an export.
const SERVICE: &str = "auth";

/// A record, as it is now.
pub(super) fn record(record: Record, now: DateTime<Utc>) -> pb::ExportAccountResponse {
    let (service, kind) = match &record {
        Record::Held(held) => (held.service, held.kind.clone()),
        own => (SERVICE, own.kind().to_owned()),
    };
    let record = match record {
        Record::Account(user) => rest::json(&convert::user(*user, now)),
        Record::Credentials(credentials) => of_credentials(&credentials).to_string(),
        Record::Role(Grant { role, granted_at }) => {
            json!({ "role": role, "grantedAt": rfc3339(granted_at) }).to_string()
        }
        Record::MailToken(MailToken { purpose, created_at, expires_at }) => {
            let (created_at, expires_at) = (rfc3339(created_at), rfc3339(expires_at));
            json!({ "purpose": purpose, "createdAt": created_at, "expiresAt": expires_at }).to_string()
        }
        Record::Session(session) => of_session(session).to_string(),
        Record::AuditEvent(entry) => rest::json(&convert::audit_event(*entry)),
        Record::Held(held) => held.record,
        Record::End(counts) => {
            let counts: serde_json::Map<String, Value> =
                counts.into_iter().map(|(kind, count)| (kind, count.to_string().into())).collect();
            json!({ "counts": counts }).to_string()
        }
    };
    pb::ExportAccountResponse { service: service.to_owned(), kind, record }
}

fn of_credentials(credentials: &Credentials) -> Value {
    let mut record = json!({
        "passwordChangedAt": rfc3339(credentials.password_changed_at),
        "totpEnabled": credentials.totp_confirmed_at.is_some(),
        "recoveryCodesLeft": credentials.recovery_codes.to_string(),
    });
    for (name, at) in [
        ("lastFailedLoginAt", credentials.last_failed_at),
        ("totpCreatedAt", credentials.totp_created_at),
        ("totpConfirmedAt", credentials.totp_confirmed_at),
    ] {
        if let Some(at) = at {
            record[name] = rfc3339(at).into();
        }
    }
    record
}

fn of_session(KeptSession { session, revoked_at }: KeptSession) -> Value {
    let mut record = json!({
        "id": session.id.to_string(),
        "deviceName": session.device_name,
        "createdAt": rfc3339(session.created_at),
        "lastUsedAt": rfc3339(session.last_used_at),
        "expiresAt": rfc3339(session.expires_at),
    });
    if let Some(revoked_at) = revoked_at {
        record["revokedAt"] = rfc3339(revoked_at).into();
    }
    record
}
