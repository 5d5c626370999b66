//! Events on their way to webhooks: once, in order, signed, and told of.

use std::collections::BTreeSet;
use std::time::Duration;

use events::LOG_MIGRATOR;
use protos::auth::v1 as pb;
use protos::auth::v1::webhook_delivery::State;
use testkit::{TestDatabase, eventually};
use uuid::Uuid;

use crate::webhook_world::{Answer, Desk, Feeding, Receiver, SOON, deletion, event, quickly, somebody};
use crate::world::World;

const REGISTERED: &str = "nova.user.registered.v1";

#[tokio::test]
async fn an_event_arrives_once_at_each_webhook_that_wants_it_and_is_signed() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let (all, some) = (Receiver::start().await, Receiver::start().await);
    let (to_all, secret) = desk.create(&all.url, &["*"]).await;
    let (to_some, other_secret) = desk.create(&some.url, &[REGISTERED]).await;
    let feeding = Feeding::start(&world).await;
    let user = somebody(world.now());
    let happened = [event(world.now(), user, 1), deletion(world.now(), user)];
    feeding.publish(&happened).await;
    feeding.publish(&happened).await; // as a relay does that has died in between

    desk.eventually_all(&to_all.id, 2, State::Delivered).await;
    let [one] = &desk.eventually_all(&to_some.id, 1, State::Delivered).await[..] else { panic!("not one") };
    let received = all.received();
    assert_eq!(received.iter().map(|request| request.id().to_owned()).collect::<Vec<_>>(), {
        happened.iter().map(|event| event.id.to_string()).collect::<Vec<_>>()
    });
    let [request] = &some.received()[..] else { panic!("not once") };
    assert_eq!((request.signatures_of(&other_secret), request.signatures_of(&secret)), (1, 0));
    assert_eq!(received[0].signatures_of(&secret), 1);
    assert_eq!(request.header("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!(request.header("webhook-timestamp"), world.now().timestamp().to_string());
    let said = request.json();
    assert_eq!((&said["type"], &said["subject"]), (&REGISTERED.into(), &user.to_string().into()));
    assert_eq!(said["data"]["username"], "name1");

    let shown = desk.delivery(&one.id).await;
    assert_eq!(shown.body.as_bytes(), &request.body[..]);
    let [attempt] = &shown.attempts[..] else { panic!("not one attempt") };
    assert_eq!((attempt.number, attempt.status, attempt.fault.as_str()), (1, 204, ""));
    assert_eq!((one.attempts, one.last_status, one.next_attempt_at.clone()), (1, 204, None));
    assert!(one.done_at.is_some());
}

#[tokio::test]
async fn a_registration_is_told_to_a_webhook() {
    let log = TestDatabase::new(&LOG_MIGRATOR).await;
    let world = World::start_with(|config| {
        quickly(config);
        config.events.database = log.section();
    })
    .await;
    let root = world.admin("root").await;
    let receiver = Receiver::start().await;
    // Until now there was no webhook, and nobody to tell of root.
    world.hands.advance(Duration::from_secs(60));
    Desk::of(&root).create(&receiver.url, &[REGISTERED]).await;
    let alice = world.register("alice").await;
    let said = receiver.eventually(1).await.remove(0).json();
    assert_eq!((&said["subject"], &said["data"]["username"]), (&alice.id.clone().into(), &"alice".into()));
}

#[tokio::test]
async fn what_fails_holds_back_its_aggregate_and_no_other() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let (stuck, free) = (somebody(world.now()), somebody(world.now()));
    receiver.refuses(&[stuck]);
    let feeding = Feeding::start(&world).await;
    let happened: Vec<_> = (0..3).flat_map(|n| [event(world.now(), stuck, n), event(world.now(), free, n)]).collect();
    feeding.publish(&happened).await;
    eventually("those that may pass have passed", SOON, async || {
        let done = desk.deliveries(&hook.id).await.iter().filter(|d| d.state() == State::Delivered).count();
        (done == 3).then_some(())
    })
    .await;
    let waiting: Vec<_> =
        desk.deliveries(&hook.id).await.into_iter().filter(|delivery| delivery.state() == State::Pending).collect();
    // Newest first: the oldest has been tried, those behind it wait for it.
    assert_eq!(waiting.iter().map(|delivery| delivery.aggregate_id.clone()).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(waiting.iter().filter(|delivery| delivery.next_attempt_at.is_some()).count(), 1);
    assert!(waiting.iter().filter(|delivery| delivery.attempts > 0).count() <= 1);
    assert_eq!(desk.get(&hook.id).await.pending_count, 3);

    receiver.refuses(&[]);
    world.hands.advance(Duration::from_secs(60));
    desk.eventually_all(&hook.id, 6, State::Delivered).await;
    let order = |user: Uuid| {
        let mut names: Vec<String> = vec![];
        for request in receiver.received() {
            let said = request.json();
            if said["subject"] == user.to_string() {
                names.push(said["data"]["username"].as_str().unwrap_or_default().to_owned());
            }
        }
        names.dedup(); // the first one came more than once
        names
    };
    for user in [stuck, free] {
        assert_eq!(order(user), ["name0", "name1", "name2"]);
    }
}

#[tokio::test]
async fn two_replicas_share_the_work_and_keep_the_order() {
    let world = World::start_with(quickly).await;
    let _other = world.replica().await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let users: Vec<Uuid> = (0..10).map(|_| somebody(world.now())).collect();
    let feeding = Feeding::start(&world).await;
    for n in 0..6 {
        let happened: Vec<_> = users.iter().map(|user| event(world.now(), *user, n)).collect();
        feeding.publish(&happened).await;
    }
    desk.eventually_all(&hook.id, 60, State::Delivered).await;
    let received = receiver.received();
    assert_eq!(received.len(), 60, "each once");
    for user in users {
        let names: Vec<_> = received
            .iter()
            .map(|request| request.json())
            .filter(|said| said["subject"] == user.to_string())
            .map(|said| said["data"]["username"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, ["name0", "name1", "name2", "name3", "name4", "name5"]);
    }
}

#[tokio::test]
async fn a_delivery_is_sent_again_when_an_administrator_wants_it() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    let delivery = desk.eventually_all(&hook.id, 1, State::Delivered).await.remove(0);
    world.hands.advance(Duration::from_secs(3600));
    desk.replay(&delivery.id).await;
    let received = receiver.eventually(2).await;
    assert_eq!((received[0].id(), &received[0].body), (received[1].id(), &received[1].body));
    assert_ne!(received[0].header("webhook-timestamp"), received[1].header("webhook-timestamp"));
    let shown = desk.eventually_attempts(&delivery.id, 2).await;
    assert_eq!(shown.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [2, 1], "newest first");
}

#[tokio::test]
async fn a_range_is_sent_again_in_order_and_what_has_arrived_only_if_wanted() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    let user = somebody(world.now());
    feeding.publish(&[event(world.now(), user, 0)]).await;
    desk.eventually_all(&hook.id, 1, State::Delivered).await;
    world.hands.advance(Duration::from_secs(10));
    let since = clock::rfc3339(world.now());
    feeding.publish(&[event(world.now(), user, 1), event(world.now(), user, 2)]).await;
    desk.eventually_all(&hook.id, 3, State::Delivered).await;
    let replay = async |delivered| {
        let request =
            pb::ReplayWebhookDeliveriesRequest { webhook_id: hook.id.clone(), since: since.clone(), delivered };
        let answer = desk.client.clone().replay_webhook_deliveries(request).await;
        answer.expect("replayed").into_inner().replayed_count
    };
    assert_eq!(replay(false).await, 0, "nothing is missing");
    assert_eq!(replay(true).await, 2);
    let received = receiver.eventually(5).await;
    let names: Vec<_> = received.iter().map(|request| request.json()["data"]["username"].clone()).collect();
    assert_eq!(names, ["name0", "name1", "name2", "name1", "name2"]);
    desk.eventually_all(&hook.id, 3, State::Delivered).await;
}

#[tokio::test]
async fn a_test_event_goes_to_whoever_is_asked_about() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    receiver.answers(Answer::Status(418));
    let (hook, secret) = desk.create(&receiver.url, &[REGISTERED]).await;
    let request = pb::SendTestEventRequest { webhook_id: hook.id.clone() };
    let made = desk.client.clone().send_test_event(request).await.expect("made").into_inner();
    let delivery = made.delivery.expect("a delivery");
    let shown = desk.eventually_attempts(&delivery.id, 1).await;
    assert_eq!(shown.attempts[0].status, 418);
    let received = receiver.received();
    assert_eq!(received[0].json()["type"], "nova.webhook.test.v1");
    assert_eq!((received[0].id(), received[0].signatures_of(&secret)), (delivery.event_id.as_str(), 1));
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_a_day() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, old) = desk.create(&receiver.url, &["*"]).await;
    let request = pb::RotateWebhookSecretRequest { webhook_id: hook.id.clone() };
    let rotated = desk.client.clone().rotate_webhook_secret(request).await.expect("rotated").into_inner();
    let new = rotated.secret;
    assert_ne!(new, old);
    assert!(rotated.webhook.expect("a webhook").old_secret_valid_until.is_some());
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    let both = receiver.eventually(1).await.remove(0);
    assert_eq!((both.signatures_of(&old), both.signatures_of(&new)), (1, 1));

    world.hands.advance(Duration::from_secs(24 * 60 * 60 + 1));
    feeding.publish(&[event(world.now(), somebody(world.now()), 2)]).await;
    let one = receiver.eventually(2).await.remove(1);
    assert_eq!((one.signatures_of(&old), one.signatures_of(&new)), (0, 1));
}

#[tokio::test]
async fn a_disabled_webhook_keeps_what_waits_and_gets_nothing_new() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    receiver.answers(Answer::Status(503));
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let (witness, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    let user = somebody(world.now());
    feeding.publish(&[event(world.now(), user, 1)]).await;
    let waiting = desk.eventually_all(&hook.id, 1, State::Pending).await.remove(0);
    desk.eventually_attempts(&waiting.id, 1).await;
    assert_eq!(desk.enable(&hook.id, false).await.disabled_reason(), pb::webhook::DisabledReason::ByAdministrator);
    receiver.answers(Answer::Status(200));
    world.hands.advance(Duration::from_secs(4 * 24 * 60 * 60));
    let desk = Desk::of(&world.login("root").await);
    feeding.publish(&[event(world.now(), user, 2)]).await;
    desk.eventually_all(&witness.id, 2, State::Delivered).await;
    assert_eq!(desk.eventually_all(&hook.id, 1, State::Pending).await[0].attempts, waiting.attempts.max(1));

    // What waited has all its time again.
    receiver.answers_next([Answer::Status(500)]);
    assert!(desk.enable(&hook.id, true).await.enabled);
    desk.eventually_attempts(&waiting.id, 2).await;
    world.hands.advance(Duration::from_secs(60));
    desk.eventually_all(&hook.id, 1, State::Delivered).await;
}

#[tokio::test]
async fn a_deleted_webhook_is_sent_nothing_and_shows_nothing() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    receiver.answers(Answer::Status(500));
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let (witness, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    let waiting = desk.eventually_all(&hook.id, 1, State::Pending).await.remove(0);
    desk.eventually_attempts(&waiting.id, 1).await;
    let request = pb::DeleteWebhookRequest { webhook_id: hook.id.clone() };
    for _ in 0..2 {
        desk.client.clone().delete_webhook(request.clone()).await.expect("deleted");
    }
    receiver.answers(Answer::Status(200));
    world.hands.advance(Duration::from_secs(60));
    desk.eventually_all(&witness.id, 1, State::Delivered).await;
    assert_eq!(desk.deliveries(&hook.id).await, []);
    let request = pb::GetWebhookDeliveryRequest { delivery_id: waiting.id };
    let status = desk.client.clone().get_webhook_delivery(request).await.unwrap_err();
    testkit::assert_reason(&status, tonic::Code::NotFound, "WEBHOOK_DELIVERY_NOT_FOUND");
    let mut conn = world.database.connect().await;
    let left: (i64, bool) = sqlx::query_as(
        "SELECT octet_length(secret_sealed)::bigint, old_secret_sealed IS NULL FROM webhooks WHERE deleted_at IS NOT NULL",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(left, (0, true), "its secrets are gone");
}
