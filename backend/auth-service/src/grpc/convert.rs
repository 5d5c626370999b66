//! Wire ↔ model. The only place that knows both.

use std::time::Duration;

use authn::Caller;
use chrono::{DateTime, Utc};
use clock::rfc3339;
use errors::{FieldExt, FieldViolation, Invalid};
use ids::UserId;
use protos::auth::v1 as pb;
use secrecy::{ExposeSecret, SecretString};

use crate::app::{ChangePassword, Login, Registration, Search, TokenState, Tokens, Verified, Wanted};
use crate::model::audit::{Entry, Kind};
use crate::model::keys::PublicJwk;
use crate::model::lockout::{Policy, Standing};
use crate::model::{Email, LoginName, NewPassword, OpaqueToken, Password, Session, User, Username, text};

/// Longest name that a profile shows.
const MAX_DISPLAY_NAME: usize = 64;
const MAX_DEVICE_NAME: usize = 100;
const MAX_CLIENT_ID: usize = 64;
const MAX_CODE: usize = 64;

type Decoded<T> = Result<T, FieldViolation>;

/// A person by id.
pub(super) fn user_id(text: &str) -> Decoded<UserId> {
    UserId::parse(text).field("user_id")
}

/// A person who may be the caller: by id, `me` or nothing.
pub(super) fn self_or_user_id(caller: &Caller, text: &str) -> Decoded<UserId> {
    match text {
        "" | "me" => {
            caller.user_id().ok_or_else(|| FieldViolation::new("user_id", "a service is no user: name one by its id"))
        }
        id => user_id(id),
    }
}

pub(super) fn user_ids(ids: &[String], max: usize) -> Decoded<Vec<UserId>> {
    if ids.is_empty() || ids.len() > max {
        return Err(FieldViolation::new("user_ids", format!("must have 1 to {max} ids")));
    }
    ids.iter().enumerate().map(|(i, id)| UserId::parse(id).field(&format!("user_ids[{i}]"))).collect()
}

/// All faults at once: a person is filling in a form.
pub(super) fn registration(request: pb::RegisterRequest) -> Result<Registration, Invalid> {
    let username = Username::parse(&request.username).field("username");
    let email = Email::parse(&request.email).field("email");
    let password = NewPassword::parse(request.password).field("password");
    let display_name = request.display_name.map(|name| text::one_line(&name, 1, MAX_DISPLAY_NAME)).transpose();
    match (username, email, password, display_name.field("display_name")) {
        (Ok(username), Ok(email), Ok(password), Ok(display_name)) => {
            Ok(Registration { username, email, password, display_name })
        }
        (u, e, p, d) => Err(Invalid([u.err(), e.err(), p.err(), d.err()].into_iter().flatten().collect())),
    }
}

pub(super) fn login(request: pb::LoginRequest) -> Decoded<Login> {
    let device_name = request.device_name.unwrap_or_default();
    Ok(Login {
        name: LoginName::parse(&request.identifier).field("identifier")?,
        password: Password::parse(request.password).field("password")?,
        // Empty like absent: forms send it so.
        totp_code: request.totp_code.filter(|code| !code.is_empty()).map(|c| code("totp_code", c)).transpose()?,
        device_name: text::one_line(&device_name, 0, MAX_DEVICE_NAME).field("device_name")?,
    })
}

pub(super) fn change_password(caller: &Caller, request: pb::ChangePasswordRequest) -> Decoded<ChangePassword> {
    Ok(ChangePassword {
        user: self_or_user_id(caller, &request.user_id)?,
        current: Password::parse(request.current_password).field("current_password")?,
        new: NewPassword::parse(request.new_password).field("new_password")?,
    })
}

pub(super) fn reset_password(request: pb::ResetPasswordRequest) -> Decoded<(OpaqueToken, NewPassword)> {
    let token = OpaqueToken::parse(&request.token).field("token")?;
    Ok((token, NewPassword::parse(request.new_password).field("new_password")?))
}

pub(super) fn delete_account(
    caller: &Caller,
    request: pb::DeleteAccountRequest,
) -> Decoded<(UserId, Option<Password>)> {
    let user = self_or_user_id(caller, &request.user_id)?;
    let password = Some(request.password).filter(|password| !password.is_empty());
    Ok((user, password.map(|password| Password::parse(password).field("password")).transpose()?))
}

/// A code of an app, or a recovery code. One that can't be right is no fault of the form: it is a wrong code.
pub(super) fn code(field: &str, code: String) -> Decoded<SecretString> {
    match code.len() {
        1..=MAX_CODE => Ok(code.into()),
        _ => Err(FieldViolation::new(field, format!("must be 1 to {MAX_CODE} characters"))),
    }
}

pub(super) fn client(request: pb::IssueServiceTokenRequest) -> Decoded<(String, SecretString)> {
    let id = text::one_line(&request.client_id, 1, MAX_CLIENT_ID).field("client_id")?;
    let secret = SecretString::from(request.client_secret);
    match secret.expose_secret().len() {
        1..=Password::MAX_BYTES => Ok((id, secret)),
        _ => Err(FieldViolation::new("client_secret", "must be 1 to 1024 bytes")),
    }
}

pub(super) fn search(request: &pb::ListUsersRequest) -> Decoded<Search> {
    Ok(Search::new(&text::one_line(&request.search, 0, Email::MAX_LENGTH).field("search")?))
}

/// Nobody named: the caller, unless it is an administrator, who then means everyone.
pub(super) fn wanted(caller: &Caller, request: &pb::ListAuditEventsRequest) -> Decoded<Wanted> {
    let subject = match request.user_id.as_str() {
        "" if caller.is_admin() => None,
        text => Some(self_or_user_id(caller, text)?),
    };
    let actor = text::one_line(&request.actor, 0, MAX_CLIENT_ID).field("actor")?;
    let actor = match actor.as_str() {
        "" => None,
        "me" => Some(caller.user_id().map_or(actor, |user| user.to_string())),
        _ => Some(actor.to_lowercase()).filter(|id| UserId::parse(id).is_ok()).or(Some(actor)),
    };
    let bound = |field, text: &Option<String>| text.as_deref().map(|text| time(field, text)).transpose();
    Ok(Wanted {
        subject,
        actor,
        kind: kind(request.kind)?,
        since: bound("since", &request.since)?,
        until: bound("until", &request.until)?,
    })
}

fn kind(number: i32) -> Decoded<Option<Kind>> {
    match pb::audit_event::Kind::try_from(number) {
        Ok(pb::audit_event::Kind::Unspecified) => Ok(None),
        Ok(kind) => Ok(Kind::parse(kind.as_str_name())),
        Err(_) => Err(FieldViolation::new("kind", "must be a kind of audit event")),
    }
}

pub(super) fn policy(request: &pb::RecordFailedLoginRequest, configured: Policy) -> Decoded<Policy> {
    let max_attempts = request.max_attempts.unwrap_or(configured.max_attempts);
    if !(1..=1000).contains(&max_attempts) {
        return Err(FieldViolation::new("max_attempts", "must be 1 to 1000"));
    }
    let duration = match request.lock_duration_secs {
        None => configured.duration,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds @ 1..=2_592_000) => Duration::from_secs(seconds),
            _ => return Err(FieldViolation::new("lock_duration_secs", "must be 1 to 2592000")),
        },
    };
    Ok(Policy { max_attempts, duration, ..configured })
}

pub(super) fn time(field: &str, text: &str) -> Decoded<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    parsed.map_err(|_| FieldViolation::new(field, "must be a time such as 2026-11-23T12:00:00.123456Z"))
}

pub(super) fn user(user: User, now: DateTime<Utc>) -> pb::User {
    pb::User {
        id: user.id.to_string(),
        username: user.username,
        email: user.email,
        email_verified: user.email_verified,
        active: user.active,
        roles: user.roles,
        failed_login_attempts: user.failed_attempts,
        locked_until: user.locked_until.filter(|until| *until > now).map(rfc3339),
        created_at: rfc3339(user.created_at),
        updated_at: rfc3339(user.updated_at),
    }
}

pub(super) fn tokens(tokens: &Tokens) -> pb::Tokens {
    pb::Tokens {
        access_token: tokens.access.expose_secret().to_owned(),
        refresh_token: tokens.refresh.reveal(),
        token_type: "Bearer".to_owned(),
        expires_in: seconds(tokens.expires_in),
        session_id: tokens.session.to_string(),
    }
}

pub(super) fn session(session: Session, current: Option<ids::SessionId>) -> pb::Session {
    pb::Session {
        id: session.id.to_string(),
        device_name: session.device_name,
        created_at: rfc3339(session.created_at),
        last_used_at: rfc3339(session.last_used_at),
        expires_at: rfc3339(session.expires_at),
        current: current == Some(session.id),
    }
}

pub(super) fn service_token(token: &SecretString, life: Duration) -> pb::IssueServiceTokenResponse {
    pb::IssueServiceTokenResponse { access_token: token.expose_secret().to_owned(), expires_in: seconds(life) }
}

pub(super) fn verified(verified: Verified) -> pb::VerifyTokenResponse {
    let (user_id, email, username) = match verified.user {
        Some(user) => (user.id.to_string(), user.email, user.username),
        None => (String::new(), String::new(), verified.client_id.unwrap_or_default()),
    };
    pb::VerifyTokenResponse {
        valid: verified.valid,
        user_id,
        email,
        username,
        roles: verified.roles,
        session_id: verified.session.map(|id| id.to_string()).unwrap_or_default(),
        expires_at: verified.expires_at.map(rfc3339),
        revoked: verified.revoked,
    }
}

/// A kind that is not known, of a later release, is shown as unspecified.
pub(super) fn audit_event(entry: Entry) -> pb::AuditEvent {
    use pb::audit_event::{ActorType, Kind, Outcome};
    let id = |id: Option<String>| id.unwrap_or_default();
    pb::AuditEvent {
        id: entry.id.to_string(),
        at: rfc3339(entry.at),
        kind: Kind::from_str_name(&entry.kind).unwrap_or_default().into(),
        outcome: Outcome::from_str_name(&entry.outcome).unwrap_or_default().into(),
        actor_type: ActorType::from_str_name(&entry.actor_type).unwrap_or_default().into(),
        actor: entry.actor,
        user_id: id(entry.subject.map(|user| user.to_string())),
        session_id: id(entry.session.map(|session| session.to_string())),
        address: id(entry.address.map(|address| address.to_string())),
        user_agent: entry.user_agent,
        request_id: entry.request_id,
        details: entry.details.into_iter().collect(),
    }
}

pub(super) fn standing(standing: Standing, now: DateTime<Utc>) -> pb::RecordFailedLoginResponse {
    let locked_until = standing.locked_until.filter(|until| *until > now);
    pb::RecordFailedLoginResponse {
        failed_attempts: standing.failed_attempts,
        locked: locked_until.is_some(),
        locked_until: locked_until.map(rfc3339),
    }
}

pub(super) fn token_state(state: TokenState) -> pb::GetTokenStateResponse {
    let revoked = state
        .revoked
        .into_iter()
        .map(|row| pb::RevokedSession { session_id: row.id.to_string(), revoked_at: rfc3339(row.revoked_at) });
    pb::GetTokenStateResponse {
        as_of: rfc3339(state.as_of),
        keys: state.keys.into_iter().map(public_key).collect(),
        revoked_sessions: revoked.collect(),
        next_page_token: state.next_page_token,
    }
}

fn public_key(key: PublicJwk) -> pb::PublicKey {
    pb::PublicKey {
        kid: key.kid,
        alg: key.alg.to_owned(),
        kty: key.kty.to_owned(),
        n: key.n.unwrap_or_default(),
        e: key.e.unwrap_or_default(),
        crv: key.crv.unwrap_or_default().to_owned(),
        x: key.x.unwrap_or_default(),
    }
}

fn seconds(life: Duration) -> i64 {
    i64::try_from(life.as_secs()).unwrap_or(i64::MAX)
}
