//! Registering and deleting.

use std::time::Duration;

use protos::auth::v1 as pb;
use testkit::{assert_reason, eventually};
use tonic::Code;

use crate::world::{PASSWORD, World, at_once, credentials, email, master, registration};

#[tokio::test]
async fn a_new_account_is_logged_in_and_has_a_profile() {
    let world = World::start().await;
    let request = pb::RegisterRequest { display_name: Some(" Alice A. ".into()), ..registration("Alice") };
    let answer = world.nobody().register(request).await.expect("registered").into_inner();
    let (user, tokens) = (answer.user.expect("user"), answer.tokens.expect("tokens"));
    assert_eq!((user.username.as_str(), user.email.as_str()), ("alice", "Alice@example.org"));
    assert_eq!(user.roles, ["user"]);
    assert!(user.active && !user.email_verified && user.locked_until.is_none());
    assert_eq!(
        (user.created_at.as_str(), user.updated_at.as_str()),
        ("2026-06-01T12:00:00.000000Z", "2026-06-01T12:00:00.000000Z")
    );
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("Bearer", 900));

    let profile = world.users.ensured().pop().expect("a profile");
    assert_eq!((profile.user_id.as_str(), profile.username.as_str()), (user.id.as_str(), "alice"));
    assert_eq!((profile.display_name.as_str(), profile.created_at.as_str()), ("Alice A.", user.created_at.as_str()));
    let read = world.with(&tokens.access_token).get_user(pb::GetUserRequest { user_id: user.id.clone() }).await;
    assert_eq!(read.expect("read").into_inner().user, Some(user));
}

#[tokio::test]
async fn names_and_emails_are_unique_without_regard_to_case() {
    let world = World::start().await;
    world.register("alice").await;
    let taken = |username: &str, mail: &str| pb::RegisterRequest { email: mail.into(), ..registration(username) };
    let status = world.nobody().register(taken("ALICE", "other@example.org")).await.unwrap_err();
    assert_reason(&status, Code::AlreadyExists, "USERNAME_TAKEN");
    let status = world.nobody().register(taken("bob", "ALICE@EXAMPLE.ORG")).await.unwrap_err();
    assert_reason(&status, Code::AlreadyExists, "EMAIL_TAKEN");
}

#[tokio::test]
async fn of_many_who_want_a_name_one_gets_it() {
    let world = World::start().await;
    let answers = at_once(12, |i| {
        let mut client = world.nobody();
        async move {
            client.register(pb::RegisterRequest { email: format!("a{i}@example.org"), ..registration("alice") }).await
        }
    })
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for status in refused {
        assert_reason(&status.unwrap_err(), Code::AlreadyExists, "USERNAME_TAKEN");
    }
}

#[tokio::test]
async fn a_profile_that_could_not_be_made_is_made_later() {
    let world = World::start().await;
    world.users.set_down(true);
    let request = pb::RegisterRequest { display_name: Some("Alice".into()), ..registration("alice") };
    world.nobody().register(request).await.expect("registered all the same");
    assert!(world.users.ensured().is_empty());
    world.users.set_down(false);
    world.hands.advance(Duration::from_secs(20));
    let profile = eventually("a profile", Duration::from_secs(10), async || world.users.ensured().pop()).await;
    assert_eq!((profile.username.as_str(), profile.display_name.as_str()), ("alice", "Alice"));
}

#[tokio::test]
async fn a_profile_that_takes_long_holds_up_no_other() {
    let world = World::start_with(|config| config.peers.timeout = Duration::from_millis(500)).await;
    world.users.set_down(true);
    let mut stuck = vec![];
    for name in ["alice", "bob", "carol", "dave"] {
        stuck.push(world.register(name).await.id);
        world.hands.advance(Duration::from_micros(1));
    }
    let last = stuck.pop().expect("dave");
    stuck.iter().for_each(|user| world.users.set_stuck(user));
    world.users.set_down(false);
    // Once: the clock stands still, so nothing comes due a second time.
    world.hands.advance(Duration::from_secs(10));
    eventually("dave's profile", Duration::from_secs(10), async || {
        world.users.ensured().iter().any(|profile| profile.user_id == last).then_some(())
    })
    .await;
}

#[tokio::test]
async fn deleting_ones_account_takes_the_password_and_ends_everything() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let other_device = world.login("alice").await;
    let delete = |password: &str| pb::DeleteAccountRequest { user_id: alice.id.clone(), password: password.into() };
    let mut client = alice.client.clone();
    let status = client.delete_account(delete("")).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    let status = client.delete_account(delete("wrong password")).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    client.delete_account(delete(PASSWORD)).await.expect("deleted");

    for person in [&alice, &other_device] {
        assert_reason(&person.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
        let status =
            world.nobody().refresh_token(crate::world::refresh(&person.tokens.refresh_token)).await.unwrap_err();
        assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
    }
    for name in ["alice", "alice@example.org"] {
        let status = world.nobody().login(credentials(name, PASSWORD)).await.unwrap_err();
        assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    }
    let deleted = world.users.deleted().pop().expect("the profile is gone");
    assert_eq!(world.users.erased().pop().expect("the words are gone").user_id, deleted.user_id);
    assert_eq!(deleted.user_id, alice.id);

    // The name stays taken, the e-mail does not.
    let request = pb::RegisterRequest { email: "new@example.org".into(), ..registration("alice") };
    assert_reason(&world.nobody().register(request).await.unwrap_err(), Code::AlreadyExists, "USERNAME_TAKEN");
    let request = pb::RegisterRequest { email: email("alice"), ..registration("alice2") };
    world.nobody().register(request).await.expect("the e-mail is free");
}

#[tokio::test]
async fn an_administrator_deletes_without_the_password_and_may_repeat_it() {
    let world = World::start().await;
    let (root, alice) = (world.admin("root").await, world.register("alice").await);
    let mut admin = root.client.clone();
    let delete =
        |user_id: &str, password: &str| pb::DeleteAccountRequest { user_id: user_id.into(), password: password.into() };
    for _ in 0..2 {
        admin.delete_account(delete(&alice.id, "")).await.expect("deleted");
    }
    let status = admin.get_user(pb::GetUserRequest { user_id: alice.id.clone() }).await.unwrap_err();
    assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
    let unknown = "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a";
    let status = admin.delete_account(delete(unknown, "")).await.unwrap_err();
    assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
    // Somebody must be left to run the place; their own account takes the password even from them.
    let status = admin.delete_account(delete(&root.id, PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "LAST_ADMIN");
    let status = admin.delete_account(delete(&root.id, "")).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    assert!(root.me().await.is_ok());
}

#[tokio::test]
async fn a_deletion_that_was_not_heard_is_told_again() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    world.users.set_down(true);
    let request = pb::DeleteAccountRequest { user_id: alice.id.clone(), password: PASSWORD.into() };
    alice.client.clone().delete_account(request).await.expect("deleted");
    world.users.set_down(false);
    world.hands.advance(Duration::from_secs(20));
    let deleted = eventually("a deletion", Duration::from_secs(10), async || world.users.deleted().pop()).await;
    assert_eq!(deleted.user_id, alice.id);
}

#[tokio::test]
async fn an_operator_makes_accounts_on_the_database() {
    use auth_service::admin::{self, Error, NewAccount};
    use auth_service::model::{Email, NewPassword, Role, Username};
    let world = World::start().await;
    let mut conn = world.database.connect().await;
    let account = |username: &str, mail: &str| NewAccount {
        username: Username::parse(username).expect("a name"),
        email: Email::parse(mail).expect("an e-mail"),
        password: NewPassword::parse(PASSWORD.to_owned()).expect("a password"),
        roles: vec![Role::Admin, Role::Moderator],
    };
    let hashing = &world.config.password;
    let id = admin::create_user(&mut conn, &master(), account("root", "root@example.org"), hashing, world.now())
        .await
        .expect("made");
    let root = world.login("root").await;
    let me = root.me().await.expect("me");
    assert_eq!(
        (me.id, me.roles, me.email_verified),
        (id.to_string(), vec!["admin".into(), "moderator".into(), "user".into()], true)
    );
    let profile = eventually("a profile", Duration::from_secs(10), async || world.users.ensured().pop()).await;
    assert_eq!(profile.user_id, id.to_string());

    let taken =
        admin::create_user(&mut conn, &master(), account("root", "other@example.org"), hashing, world.now()).await;
    assert!(matches!(taken, Err(Error::UsernameTaken(_))), "{taken:?}");
    let taken =
        admin::create_user(&mut conn, &master(), account("other", "ROOT@example.org"), hashing, world.now()).await;
    assert!(matches!(taken, Err(Error::EmailTaken)), "{taken:?}");
    let nobody = Username::parse("nobody").expect("a name");
    let unknown = admin::grant_role(&mut conn, &master(), &nobody, Role::Admin, world.now()).await;
    assert!(matches!(unknown, Err(Error::NoSuchUser(_))), "{unknown:?}");
}
