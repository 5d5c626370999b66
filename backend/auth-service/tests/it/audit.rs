//! The audit log: what is written, and what is never in it.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_service::admin;
use auth_service::model::audit::Kind;
use authn::Algorithm;
use protos::auth::v1 as pb;
use protos::auth::v1::audit_event::{ActorType, Kind as Wire, Outcome};
use tonic::Request;
use totp_rs::{Builder, Secret};

use crate::world::{CLIENT_SECRET, Client, PASSWORD, World, credentials, email, master, refresh, registration};

pub const WRONG: &str = "a wrong passphrase";
const NEW: &str = "a newer passphrase";

/// A call with a name of its own.
fn named<T>(id: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-request-id", id.parse().expect("a header value"));
    request
}

/// Every event that matches, newest first.
pub async fn all(client: &Client, filter: pb::ListAuditEventsRequest) -> Vec<pb::AuditEvent> {
    let (mut events, mut request) = (vec![], pb::ListAuditEventsRequest { limit: 100, ..filter });
    loop {
        let page = client.clone().list_audit_events(request.clone()).await.expect("listed").into_inner();
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            return events;
        }
        request.page_token = page.next_page_token;
    }
}

/// No filter.
pub fn everything() -> pb::ListAuditEventsRequest {
    pb::ListAuditEventsRequest::default()
}

fn app_code(world: &World, secret: &str) -> String {
    let secret = Secret::try_from_base32(secret).expect("base32");
    let app = Builder::new().with_secret(secret).with_account_name("a").build().expect("an app");
    app.generate(u64::try_from(world.now().timestamp()).expect("after 1970")).to_string()
}

/// What an event must say: the call's name, kind, how it ended and why, who did it, whom it concerns.
type Expected<'a> = (&'a str, Wire, Result<(), &'a str>, (ActorType, &'a str), &'a str);

fn assert_written(events: &[pb::AuditEvent], expected: &[Expected<'_>]) {
    for (id, kind, outcome, (actor_type, actor), subject) in expected {
        let found: Vec<_> = events.iter().filter(|e| e.request_id == *id && e.kind() == *kind).collect();
        let [event] = found[..] else { panic!("{id} {kind:?}: {found:#?}") };
        let reason = event.details.get("reason").map(String::as_str);
        let told = if event.outcome() == Outcome::Success { Ok(()) } else { Err(reason.expect("a reason")) };
        assert_eq!(told, *outcome, "{id} {kind:?}");
        assert_eq!((event.actor_type(), event.actor.as_str()), (*actor_type, *actor), "{id} {kind:?}");
        assert_eq!(event.user_id, *subject, "{id} {kind:?}");
        assert_eq!(event.address, "127.0.0.1", "{id} {kind:?}");
        assert!(event.user_agent.starts_with("tonic/"), "{id} {kind:?}: {}", event.user_agent);
    }
}

#[tokio::test]
async fn each_kind_of_event_is_written_with_who_whom_and_how_and_without_secrets() {
    let world = World::start().await;
    world.hands.advance(Duration::from_secs(1));
    let root = world.admin("rootly").await;
    let mut nobody = world.nobody();
    let registered = nobody.register(named("register", registration("alice"))).await.expect("registered").into_inner();
    let (id, first) = (registered.user.expect("user").id, registered.tokens.expect("tokens"));
    let mut secrets = vec![first.access_token.clone(), first.refresh_token.clone()];

    // Log-ins: right, wrong, of nobody, and until it is locked.
    let login = |name: &str, password: &str| pb::LoginRequest {
        device_name: Some("a device of hers".into()),
        ..credentials(name, password)
    };
    let tokens = nobody.login(named("login", login("alice", PASSWORD))).await.expect("logged in").into_inner().tokens;
    let second = tokens.expect("tokens");
    nobody.login(named("wrong", login("alice", WRONG))).await.unwrap_err();
    nobody.login(named("stranger", login("nobody.here", WRONG))).await.unwrap_err();
    for n in 0..4 {
        nobody.login(named(&format!("guess-{n}"), login("alice", WRONG))).await.unwrap_err();
    }
    nobody.login(named("locked", login("alice", PASSWORD))).await.unwrap_err();

    // A reset lifts the lock and ends all sessions.
    nobody
        .request_password_reset(named("ask-reset", pb::RequestPasswordResetRequest { email: email("alice") }))
        .await
        .expect("asked");
    let token = world.token_of_mail(1).await;
    secrets.push(token.clone());
    let reset = |token: &str| pb::ResetPasswordRequest { token: token.to_owned(), new_password: NEW.into() };
    nobody.reset_password(named("reset", reset(&token))).await.expect("reset");
    nobody.reset_password(named("reset-again", reset(&token))).await.unwrap_err();

    // Sessions.
    let open = async |id: &str| {
        let answer = world.nobody().login(named(id, login("alice", NEW))).await.expect("logged in").into_inner();
        answer.tokens.expect("tokens")
    };
    let third = open("login-3").await;
    let mut own = world.with(&third.access_token);
    own.logout(named("logout", pb::LogoutRequest {})).await.expect("logged out");
    let fourth = open("login-4").await;
    let revoke = pb::RevokeSessionRequest { session_id: fourth.session_id.clone() };
    root.client.clone().revoke_session(named("revoke", revoke)).await.expect("revoked");
    let fifth = open("login-5").await;
    let mut alice = world.with(&fifth.access_token);
    let everywhere = pb::RevokeAllSessionsRequest { user_id: String::new(), keep_current: true };
    alice.revoke_all_sessions(named("revoke-all", everywhere)).await.expect("revoked");
    let sixth = open("login-6").await;
    let successor = world.nobody().refresh_token(refresh(&sixth.refresh_token)).await.expect("refreshed").into_inner();
    secrets.extend([successor.tokens.expect("tokens").refresh_token, sixth.refresh_token.clone()]);
    world.hands.advance(Duration::from_secs(11));
    nobody.refresh_token(named("reuse", refresh(&sixth.refresh_token))).await.unwrap_err();

    // Passwords, e-mail, second factor.
    let change = |current: &str| pb::ChangePasswordRequest {
        user_id: String::new(),
        current_password: current.into(),
        new_password: PASSWORD.into(),
    };
    alice.change_password(named("change-wrong", change(WRONG))).await.unwrap_err();
    alice.change_password(named("change", change(NEW))).await.expect("changed");
    // A reset has verified the e-mail, so another person's is verified here.
    let carol = world.register("carol").await;
    carol.client.clone().send_email_verification(pb::SendEmailVerificationRequest::default()).await.expect("sent");
    let token = world.token_of_mail(2).await;
    let verify = pb::VerifyEmailRequest { token: token.clone() };
    nobody.verify_email(named("verify", verify.clone())).await.expect("verified");
    nobody.verify_email(named("verify-again", verify)).await.unwrap_err();
    secrets.push(token);
    let begun = alice.begin_totp_enrollment(named("totp-begin", pb::BeginTotpEnrollmentRequest {})).await;
    let secret = begun.expect("begun").into_inner().secret;
    alice.confirm_totp(named("totp-wrong", pb::ConfirmTotpRequest { code: "wrong-code".into() })).await.unwrap_err();
    let confirm = pb::ConfirmTotpRequest { code: app_code(&world, &secret) };
    let codes =
        alice.confirm_totp(named("totp-confirm", confirm)).await.expect("confirmed").into_inner().recovery_codes;
    let with_code =
        |code: Option<&str>| pb::LoginRequest { totp_code: code.map(str::to_owned), ..login("alice", PASSWORD) };
    nobody.login(named("no-code", with_code(None))).await.unwrap_err();
    nobody.login(named("bad-code", with_code(Some("wrong-code")))).await.unwrap_err();
    nobody.login(named("recovery", with_code(Some(&codes[0])))).await.expect("logged in");
    alice
        .disable_totp(named("totp-off-wrong", pb::DisableTotpRequest { code: "wrong-code".into() }))
        .await
        .unwrap_err();
    alice.disable_totp(named("totp-off", pb::DisableTotpRequest { code: codes[1].clone() })).await.expect("disabled");
    secrets.push(secret);
    secrets.extend(codes);

    // Roles, keys, services, other people's data.
    let mut admin = root.client.clone();
    let grant = pb::GrantRoleRequest { user_id: id.clone(), role: "moderator".into() };
    admin.grant_role(named("grant", grant)).await.expect("granted");
    let take = pb::RevokeRoleRequest { user_id: id.clone(), role: "moderator".into() };
    admin.revoke_role(named("take", take)).await.expect("taken");
    let mut conn = world.database.connect().await;
    admin::rotate_keys(&mut conn, &master(), Algorithm::EdDSA, world.now()).await.expect("rotated");
    let client =
        |id: &str, secret: &str| pb::IssueServiceTokenRequest { client_id: id.into(), client_secret: secret.into() };
    let issued = nobody.issue_service_token(named("service", client("user", CLIENT_SECRET))).await.expect("issued");
    let service_token = issued.into_inner().access_token;
    nobody.issue_service_token(named("service-wrong", client("user", "no such secret"))).await.unwrap_err();
    nobody.issue_service_token(named("service-none", client("no such client", "no such secret"))).await.unwrap_err();
    let mut service = world.with(&service_token);
    let report = pb::RecordFailedLoginRequest { user_id: id.clone(), ..Default::default() };
    service.record_failed_login(named("reported", report)).await.expect("counted");
    secrets.push(service_token);
    let search = pb::ListUsersRequest { search: email("alice"), ..Default::default() };
    admin.list_users(named("list-users", search)).await.expect("listed");
    admin.get_user(named("get-user", pb::GetUserRequest { user_id: id.clone() })).await.expect("shown");
    let by_email = pb::GetUserByEmailRequest { email: email("alice") };
    admin.get_user_by_email(named("by-email", by_email)).await.expect("shown");
    let by_ids = pb::GetUsersByIdsRequest { user_ids: vec![id.clone(), root.id.clone()] };
    admin.get_users_by_ids(named("by-ids", by_ids)).await.expect("shown");
    admin.check_user_exists(named("exists", pb::CheckUserExistsRequest { user_id: id.clone() })).await.expect("told");
    let permission = pb::CheckPermissionRequest { user_id: id.clone(), permission: "message:send".into() };
    admin.check_permission(named("permission", permission)).await.expect("told");
    let permissions = pb::GetUserPermissionsRequest { user_id: id.clone() };
    admin.get_user_permissions(named("permissions", permissions)).await.expect("told");
    let sessions = pb::ListSessionsRequest { user_id: id.clone(), ..Default::default() };
    admin.list_sessions(named("list-sessions", sessions)).await.expect("listed");
    let audit = pb::ListAuditEventsRequest { user_id: id.clone(), ..Default::default() };
    admin.list_audit_events(named("list-audit", audit)).await.expect("listed");

    let export = pb::ExportAccountRequest { user_id: id.clone() };
    admin.export_account(named("export", export)).await.expect("begun");

    // The end.
    let last = world.login("alice").await;
    let delete = |password: &str| pb::DeleteAccountRequest { user_id: String::new(), password: password.into() };
    last.client.clone().delete_account(named("delete-wrong", delete(WRONG))).await.unwrap_err();
    last.client.clone().delete_account(named("delete", delete(PASSWORD))).await.expect("deleted");
    let by_admin = pb::DeleteAccountRequest { user_id: carol.id.clone(), password: String::new() };
    admin.delete_account(named("delete-other", by_admin)).await.expect("deleted");

    let events = all(&root.client, everything()).await;
    let (anonymous, user) = ((ActorType::Anonymous, ""), (ActorType::User, id.as_str()));
    let administrator = (ActorType::User, root.id.as_str());
    let service = (ActorType::Service, "user");
    let (alice, nobody) = (id.as_str(), "");
    let mut expected: Vec<Expected<'_>> = vec![
        ("register", Wire::Registration, Ok(()), user, alice),
        ("login", Wire::Login, Ok(()), user, alice),
        ("wrong", Wire::Login, Err("INVALID_CREDENTIALS"), anonymous, alice),
        ("stranger", Wire::Login, Err("INVALID_CREDENTIALS"), anonymous, nobody),
        ("guess-3", Wire::Login, Err("INVALID_CREDENTIALS"), anonymous, alice),
        ("guess-3", Wire::Lock, Ok(()), anonymous, alice),
        ("locked", Wire::Login, Err("ACCOUNT_LOCKED"), anonymous, alice),
        ("ask-reset", Wire::PasswordResetRequest, Ok(()), anonymous, alice),
        ("reset", Wire::PasswordReset, Ok(()), user, alice),
        ("reset", Wire::Unlock, Ok(()), user, alice),
        ("reset-again", Wire::PasswordReset, Err("ONE_TIME_TOKEN_INVALID"), anonymous, nobody),
        ("logout", Wire::Logout, Ok(()), user, alice),
        ("revoke", Wire::SessionRevocation, Ok(()), administrator, alice),
        ("revoke-all", Wire::AllSessionsRevocation, Ok(()), user, alice),
        ("reuse", Wire::RefreshTokenReuse, Err("REFRESH_TOKEN_REUSED"), anonymous, alice),
        ("change-wrong", Wire::PasswordChange, Err("INVALID_CREDENTIALS"), user, alice),
        ("change", Wire::PasswordChange, Ok(()), user, alice),
        ("verify", Wire::EmailVerification, Ok(()), (ActorType::User, &carol.id), &carol.id),
        ("verify-again", Wire::EmailVerification, Err("ONE_TIME_TOKEN_INVALID"), anonymous, nobody),
        ("totp-begin", Wire::TotpEnrollment, Ok(()), user, alice),
        ("totp-wrong", Wire::TotpConfirmation, Err("TOTP_INVALID"), user, alice),
        ("totp-confirm", Wire::TotpConfirmation, Ok(()), user, alice),
        ("no-code", Wire::Login, Err("TOTP_REQUIRED"), anonymous, alice),
        ("bad-code", Wire::Login, Err("TOTP_INVALID"), anonymous, alice),
        ("recovery", Wire::Login, Ok(()), user, alice),
        ("recovery", Wire::RecoveryCodeUse, Ok(()), user, alice),
        ("totp-off-wrong", Wire::TotpRemoval, Err("TOTP_INVALID"), user, alice),
        ("totp-off", Wire::TotpRemoval, Ok(()), user, alice),
        ("totp-off", Wire::RecoveryCodeUse, Ok(()), user, alice),
        ("grant", Wire::RoleGrant, Ok(()), administrator, alice),
        ("take", Wire::RoleRevocation, Ok(()), administrator, alice),
        ("export", Wire::AccountExport, Ok(()), administrator, alice),
        ("service", Wire::ServiceToken, Ok(()), service, nobody),
        ("service-wrong", Wire::ServiceToken, Err("CLIENT_CREDENTIALS_INVALID"), anonymous, nobody),
        ("service-none", Wire::ServiceToken, Err("CLIENT_CREDENTIALS_INVALID"), anonymous, nobody),
        ("reported", Wire::Login, Err("INVALID_CREDENTIALS"), service, alice),
        ("list-users", Wire::AdminRead, Ok(()), administrator, nobody),
        ("delete-wrong", Wire::AccountDeletion, Err("INVALID_CREDENTIALS"), user, alice),
        ("delete", Wire::AccountDeletion, Ok(()), user, alice),
        ("delete-other", Wire::AccountDeletion, Ok(()), administrator, &carol.id),
    ];
    let reads =
        ["get-user", "by-email", "by-ids", "exists", "permission", "permissions", "list-sessions", "list-audit"];
    expected.extend(reads.map(|read| (read, Wire::AdminRead, Ok(()), administrator, alice)));
    assert_written(&events, &expected);

    // What the operator did came from no call; the first signing key was made at the start.
    let without_call: Vec<_> = events.iter().filter(|e| e.request_id.is_empty()).collect();
    let told: Vec<_> = without_call.iter().map(|e| (e.kind(), e.actor_type(), e.actor.as_str())).collect();
    assert_eq!(
        told,
        [
            (Wire::SigningKeyRotation, ActorType::Operator, ""),
            (Wire::RoleGrant, ActorType::Operator, ""),
            (Wire::SigningKeyRotation, ActorType::Service, "auth"),
        ]
    );
    let kinds: BTreeSet<&str> = events.iter().map(|e| e.kind().as_str_name()).collect();
    // Those about webhooks have a test of their own (webhooks).
    let all = Kind::ALL.into_iter().map(Kind::name).filter(|name| !name.starts_with("WEBHOOK_"));
    assert_eq!(kinds, all.collect(), "every kind was provoked");
    let detail = |id: &str, name: &str| {
        let event = events.iter().find(|e| e.request_id == id).expect("written");
        event.details.get(name).cloned()
    };
    assert_eq!(detail("grant", "role").as_deref(), Some("moderator"));
    assert_eq!(detail("list-users", "rpc").as_deref(), Some("ListUsers"));
    assert_eq!(detail("service-wrong", "client_id").as_deref(), Some("user"));
    assert_eq!(detail("service-none", "client_id"), None, "nobody's client id was typed by somebody");
    let login = events.iter().find(|e| e.request_id == "login").expect("written");
    assert_eq!(login.session_id, second.session_id);

    secrets.extend([second.access_token, second.refresh_token].map(|token| token.clone()));
    secrets.extend(
        [
            PASSWORD,
            WRONG,
            NEW,
            CLIENT_SECRET,
            "alice",
            "carol",
            "rootly",
            "nobody.here",
            "example.org",
            "wrong-code",
            "a device of hers",
            "no such client",
            "no such secret",
        ]
        .map(str::to_owned),
    );
    let rows: Vec<String> = sqlx::query_scalar("SELECT (to_jsonb(a) - 'id' - 'mac')::text FROM audit_log a")
        .fetch_all(&mut conn)
        .await
        .expect("read");
    assert_eq!(rows.len(), events.len() + 1, "and that they have been listed");
    for (row, secret) in rows.iter().flat_map(|row| secrets.iter().map(move |secret| (row, secret))) {
        assert!(!row.contains(secret.as_str()), "{secret:?} stands in {row}");
    }
}
