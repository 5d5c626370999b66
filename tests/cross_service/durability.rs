//! G1: what was acknowledged is there after every service has been stopped and started again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use protos::auth::v1::{ListSessionsRequest, LoginRequest, LogoutRequest, RefreshTokenRequest};
use protos::messaging::v1::Message;
use protos::user::v1::relationship::Kind;
use protos::user::v1::user_settings::AllowMessages;
use protos::user::v1::{UpdateUserProfileRequest, UserProfile, UserSettings};
use test_harness::{GrpcTestError, Outcome, Person, Refusal, World};
use tonic::Code;

/// Everything that can be asked about three people and their two conversations.
#[derive(Debug, PartialEq)]
struct Seen {
    profiles: Vec<UserProfile>,
    settings: Vec<UserSettings>,
    relationships: Vec<Kind>,
    histories: Vec<Vec<Message>>,
    unread: Vec<i64>,
    sessions: Vec<usize>,
}

async fn look(people: &[Person; 3], conversations: [&str; 2]) -> Outcome<Seen> {
    let ada = &people[0];
    let sessions = people.iter().map(|person| async move {
        let request = ListSessionsRequest { user_id: person.id.clone(), ..Default::default() };
        Ok::<_, GrpcTestError>(person.clients.auth.clone().list_sessions(request).await?.into_inner().sessions.len())
    });
    Ok(Seen {
        profiles: try_join_all(people.iter().map(|person| person.profile_of("me"))).await?,
        settings: try_join_all(people.iter().map(Person::settings)).await?,
        relationships: try_join_all(
            people.iter().flat_map(|a| people.iter().filter(|b| a.id != b.id).map(|b| a.relationship_to(b))),
        )
        .await?,
        histories: try_join_all(conversations.map(|id| ada.history(id, true))).await?,
        unread: try_join_all(people.iter().map(|person| person.unread(None))).await?,
        sessions: try_join_all(sessions).await?,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_what_was_acknowledged_survives_a_restart_of_everything() -> Outcome {
    let world = World::own().await;
    let people = world.people(["ada", "bob", "eve"]).await?;
    let [ada, bob, eve] = &people;
    let away = world.person("away").await?;

    ada.follow(bob).await?;
    bob.follow(ada).await?;
    let direct = ada.direct_with(bob).await?.id;
    let group = ada.group_with(&[bob, eve], "friends").await?.id;
    eve.block(bob).await?;
    bob.allow_messages_from(AllowMessages::Following).await?;
    let profile =
        UpdateUserProfileRequest { user_id: ada.id.clone(), bio: Some("here".to_owned()), ..Default::default() };
    ada.clients.user.clone().update_user_profile(profile).await?;
    for n in 0..10 {
        ada.send_once(&direct, &format!("direct {n}"), &format!("d{n}")).await?;
        bob.send(&group, &format!("group {n}")).await?;
    }
    let history = ada.history(&group, false).await?;
    bob.edit(&history[2].id, "edited", 1).await?;
    bob.delete(&history[4].id).await?;
    eve.read(&history[6].id).await?;
    away.clients.auth.clone().logout(LogoutRequest {}).await?;
    let before = look(&people, [&direct, &group]).await?;

    world.restart().await?;

    assert_eq!(look(&people, [&direct, &group]).await?, before, "with the tokens from before");
    let retried = ada.send_once(&direct, "direct 3", "d3").await?;
    assert_eq!(&retried, &before.histories[0][3], "a retry after a restart is the same message");
    ada.send_once(&direct, "other words", "d3").await.refused(Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(bob.send(&direct, "onwards").await?.sequence, 11);
    away.settings().await.refused(Code::Unauthenticated, "TOKEN_REVOKED");
    let refresh = RefreshTokenRequest { refresh_token: ada.tokens.refresh_token.clone() };
    world.nobody().auth.refresh_token(refresh).await?;
    let login = LoginRequest { identifier: bob.email.clone(), password: bob.password.clone(), ..Default::default() };
    world.nobody().auth.login(login).await?;
    Ok(())
}

/// Sends until told to stop and then until its last message is through; what fails is tried again under its client id.
async fn keep_sending(
    sender: &Person,
    conversation: &str,
    name: usize,
    stop: &AtomicBool,
) -> BTreeMap<String, Message> {
    let mut acknowledged = BTreeMap::new();
    for n in 0.. {
        if stop.load(Ordering::SeqCst) && n >= 3 {
            break;
        }
        let client_id = format!("{name}-{n}");
        let begun = Instant::now();
        let message = loop {
            match sender.send_once(conversation, &client_id, &client_id).await {
                Ok(message) => break message,
                // A connection that the stop closed, or a service that is not up yet.
                Err(GrpcTestError::Status { code: Code::Unavailable | Code::Cancelled | Code::Unknown, .. })
                    if begun.elapsed() < Duration::from_secs(20) =>
                {
                    tokio::task::yield_now().await;
                }
                Err(other) => panic!("{client_id}: {other}"),
            }
        };
        acknowledged.insert(client_id, message);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_sends_through_a_restart_are_there_once_and_in_order() -> Outcome {
    let world = World::own().await;
    let people = world.people(["ada", "bob", "eve", "joe"]).await?;
    let others: Vec<&Person> = people[1..].iter().collect();
    let conversation = people[0].group_with(&others, "restart").await?.id;
    let stop = AtomicBool::new(false);
    let senders = join_all(people.iter().enumerate().map(|(n, person)| keep_sending(person, &conversation, n, &stop)));
    let restarts = async {
        for _ in 0..2 {
            let restarted = world.restart().await;
            stop.store(restarted.is_err(), Ordering::SeqCst);
            restarted?;
        }
        stop.store(true, Ordering::SeqCst);
        Outcome::Ok(())
    };
    let (acknowledged, restarted) = futures::future::join(senders, restarts).await;
    restarted?;

    let history = people[0].history(&conversation, false).await?;
    let sequences: Vec<i64> = history.iter().map(|m| m.sequence).collect();
    let last = i64::try_from(history.len()).expect("a short history");
    assert_eq!(sequences, (1..=last).collect::<Vec<_>>());
    let stored: BTreeMap<_, _> =
        history.into_iter().map(|m| (m.client_message_id.clone().expect("an id"), m)).collect();
    let acknowledged: BTreeMap<_, _> = acknowledged.into_iter().flatten().collect();
    assert_eq!(stored, acknowledged, "each acknowledged message is there, once, as it was acknowledged");
    Ok(())
}
