//! The second factor.

use std::collections::HashSet;
use std::time::Duration;

use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::{Code, Status};
use totp_rs::{Builder, Secret, Totp};

use crate::world::{PASSWORD, Person, World, at_once, credentials};

/// An authenticator app.
struct App(Totp);

impl App {
    fn code(&self, world: &World) -> String {
        self.0.generate(u64::try_from(world.now().timestamp()).expect("after 1970")).to_string()
    }
}

async fn begin(person: &Person) -> App {
    let begun = person
        .client
        .clone()
        .begin_totp_enrollment(pb::BeginTotpEnrollmentRequest {})
        .await
        .expect("begun")
        .into_inner();
    assert!(
        begun.otpauth_uri.starts_with(&format!("otpauth://totp/Nova:{}?secret={}", person.username, begun.secret)),
        "{}",
        begun.otpauth_uri
    );
    let secret = Secret::try_from_base32(&begun.secret).expect("base32");
    App(Builder::new().with_secret(secret).with_account_name("a").build().expect("an app"))
}

async fn enroll(world: &World, person: &Person) -> (App, Vec<String>) {
    let app = begin(person).await;
    let request = pb::ConfirmTotpRequest { code: app.code(world) };
    let codes = person.client.clone().confirm_totp(request).await.expect("confirmed").into_inner().recovery_codes;
    (app, codes)
}

async fn login(world: &World, code: Option<&str>) -> Result<(), Status> {
    let request = pb::LoginRequest { totp_code: code.map(str::to_owned), ..credentials("alice", PASSWORD) };
    world.nobody().login(request).await.map(drop)
}

#[tokio::test]
async fn a_second_factor_is_asked_for_after_the_right_password_only() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    begin(&alice).await;
    login(&world, None).await.expect("not in force before it is confirmed");
    let (app, codes) = enroll(&world, &alice).await;
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), 10);

    assert_reason(&login(&world, None).await.unwrap_err(), Code::Unauthenticated, "TOTP_REQUIRED");
    assert_reason(&login(&world, Some("000000")).await.unwrap_err(), Code::Unauthenticated, "TOTP_INVALID");
    let wrong = pb::LoginRequest { totp_code: Some(app.code(&world)), ..credentials("alice", "wrong password") };
    let status = world.nobody().login(wrong).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    world.hands.advance(Duration::from_secs(30));
    login(&world, Some(&app.code(&world))).await.expect("logged in");
}

#[tokio::test]
async fn a_code_is_good_once() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let (app, _) = enroll(&world, &alice).await;
    let confirmed_with = app.code(&world);
    assert_reason(&login(&world, Some(&confirmed_with)).await.unwrap_err(), Code::Unauthenticated, "TOTP_INVALID");
    world.hands.advance(Duration::from_secs(30));
    let code = app.code(&world);
    let answers = at_once(4, |_| {
        let request = pb::LoginRequest { totp_code: Some(code.clone()), ..credentials("alice", PASSWORD) };
        let mut client = world.nobody();
        async move { client.login(request).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn guessing_codes_locks_the_account() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let (app, _) = enroll(&world, &alice).await;
    world.hands.advance(Duration::from_secs(30));
    for _ in 0..5 {
        // That the password is right does not wipe out the guesses.
        assert_reason(&login(&world, None).await.unwrap_err(), Code::Unauthenticated, "TOTP_REQUIRED");
        assert_reason(&login(&world, Some("000000")).await.unwrap_err(), Code::Unauthenticated, "TOTP_INVALID");
    }
    let status = login(&world, Some(&app.code(&world))).await.unwrap_err();
    assert_reason(&status, Code::ResourceExhausted, "ACCOUNT_LOCKED");
}

#[tokio::test]
async fn guessing_at_an_enrolment_or_a_removal_locks_that_session_and_no_other() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let app = begin(&alice).await;
    let confirm = |code: &str| pb::ConfirmTotpRequest { code: code.into() };
    for _ in 0..5 {
        let status = alice.client.clone().confirm_totp(confirm("000000")).await.unwrap_err();
        assert_reason(&status, Code::Unauthenticated, "TOTP_INVALID");
    }
    let status = alice.client.clone().confirm_totp(confirm(&app.code(&world))).await.unwrap_err();
    assert_reason(&status, Code::ResourceExhausted, "ACCOUNT_LOCKED");

    let other = world.login("alice").await;
    other.client.clone().confirm_totp(confirm(&app.code(&world))).await.expect("confirmed");
    world.hands.advance(Duration::from_secs(30));
    let disable = |code: &str| pb::DisableTotpRequest { code: code.into() };
    for _ in 0..5 {
        let status = other.client.clone().disable_totp(disable("000000")).await.unwrap_err();
        assert_reason(&status, Code::Unauthenticated, "TOTP_INVALID");
    }
    let status = other.client.clone().disable_totp(disable(&app.code(&world))).await.unwrap_err();
    assert_reason(&status, Code::ResourceExhausted, "ACCOUNT_LOCKED");
    let third = pb::LoginRequest { totp_code: Some(app.code(&world)), ..credentials("alice", PASSWORD) };
    world.nobody().login(third).await.expect("the log-in is not locked");
}

#[tokio::test]
async fn strangers_who_guess_at_the_log_in_cannot_keep_its_owner_from_the_second_factor() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let (app, _) = enroll(&world, &alice).await;
    world.hands.advance(Duration::from_secs(30));
    for _ in 0..6 {
        world.nobody().login(credentials("alice", "wrong password")).await.unwrap_err();
    }
    let disable = pb::DisableTotpRequest { code: app.code(&world) };
    alice.client.clone().disable_totp(disable).await.expect("disabled");
}

#[tokio::test]
async fn a_recovery_code_stands_in_for_the_app_once() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let (_, codes) = enroll(&world, &alice).await;
    login(&world, Some(&codes[3].to_uppercase())).await.expect("logged in");
    assert_reason(&login(&world, Some(&codes[3])).await.unwrap_err(), Code::Unauthenticated, "TOTP_INVALID");
    login(&world, Some(&codes[4])).await.expect("logged in");
}

#[tokio::test]
async fn each_step_wants_the_one_before() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let confirm = |code: &str| pb::ConfirmTotpRequest { code: code.into() };
    let disable = |code: &str| pb::DisableTotpRequest { code: code.into() };
    let mut client = alice.client.clone();
    let status = client.confirm_totp(confirm("123456")).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "TOTP_NOT_STARTED");
    let status = client.disable_totp(disable("123456")).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "TOTP_NOT_ENABLED");

    let replaced = begin(&alice).await;
    let app = begin(&alice).await;
    let status = client.confirm_totp(confirm(&replaced.code(&world))).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOTP_INVALID");
    client.confirm_totp(confirm(&app.code(&world))).await.expect("confirmed");
    let status = client.confirm_totp(confirm(&app.code(&world))).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "TOTP_ALREADY_ENABLED");
    let status = client.begin_totp_enrollment(pb::BeginTotpEnrollmentRequest {}).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "TOTP_ALREADY_ENABLED");

    world.hands.advance(Duration::from_secs(30));
    let status = client.disable_totp(disable("000000")).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOTP_INVALID");
    client.disable_totp(disable(&app.code(&world))).await.expect("disabled");
    login(&world, None).await.expect("no code needed any more");
    enroll(&world, &alice).await;
}

#[tokio::test]
async fn secrets_of_the_second_factor_do_not_lie_open() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let (app, codes) = enroll(&world, &alice).await;
    let mut conn = world.database.connect().await;
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT secret_sealed FROM totp").fetch_one(&mut conn).await.unwrap();
    let secret = app.0.secret().as_bytes();
    assert!(!sealed.windows(secret.len()).any(|window| window == secret));
    let stored: String = sqlx::query_scalar("SELECT string_agg(encode(code_hash, 'escape'), ' ') FROM recovery_codes")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert!(codes.iter().all(|code| !stored.contains(&code.replace('-', ""))));
}
