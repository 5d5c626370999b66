//! Receivers that do not take what they are sent, and senders that die.

use std::time::Duration;

use protos::auth::v1 as pb;
use protos::auth::v1::webhook::DisabledReason;
use protos::auth::v1::webhook_delivery::State;
use testkit::{assert_reason, eventually};
use tonic::Code;

use crate::webhook_world::{Answer, Desk, Feeding, Receiver, SOON, event, quickly, somebody};
use crate::world::World;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_failure_is_tried_again_later_and_later_with_the_same_id_and_body() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    receiver.answers(Answer::Status(500));
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    let delivery = desk.eventually_all(&hook.id, 1, State::Pending).await.remove(0);
    for (tries, longest) in [(1, 5), (2, 10), (3, 20), (4, 40)] {
        let shown = desk.eventually_attempts(&delivery.id, tries).await;
        assert_eq!(shown.attempts.len(), tries, "not before its time");
        let next = shown.delivery.and_then(|delivery| delivery.next_attempt_at).expect("it is tried again");
        let next: chrono::DateTime<chrono::Utc> = next.parse().expect("a time");
        let pause = (next - world.now()).as_seconds_f64();
        let longest = f64::from(longest);
        assert!(pause > longest / 2.0 - 0.1 && pause <= longest, "{pause} s after try {tries}");
        world.hands.advance(Duration::from_secs_f64(pause + 0.001));
    }
    receiver.answers(Answer::Status(200));
    let received = receiver.eventually(5).await;
    assert!(received.iter().all(|request| request.id() == received[0].id() && request.body == received[0].body));
}

#[tokio::test]
async fn what_fails_for_three_days_is_given_up_and_seen_and_its_webhook_disabled() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    receiver.answers(Answer::Status(500));
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    let delivery = desk.eventually_all(&hook.id, 1, State::Pending).await.remove(0);
    desk.eventually_attempts(&delivery.id, 1).await;
    assert!(desk.get(&hook.id).await.failing_since.is_some());
    world.hands.advance(3 * DAY);
    let desk = Desk::of(&world.login("root").await);
    let given_up = desk.eventually_all(&hook.id, 1, State::Failed).await.remove(0);
    assert_eq!((given_up.attempts, given_up.last_status, given_up.next_attempt_at), (2, 500, None));
    let disabled = desk.get(&hook.id).await;
    assert_eq!((disabled.enabled, disabled.disabled_reason()), (false, DisabledReason::Failing));
    assert_eq!(desk.audited().await, ["WEBHOOK_CREATION", "WEBHOOK_DISABLING"]);

    let request = pb::ReplayWebhookDeliveryRequest { delivery_id: delivery.id.clone() };
    let status = desk.client.clone().replay_webhook_delivery(request).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "WEBHOOK_DISABLED");
    receiver.answers(Answer::Status(200));
    let enabled = desk.enable(&hook.id, true).await;
    assert_eq!((enabled.enabled, enabled.failing_since), (true, None));
    desk.replay(&delivery.id).await;
    desk.eventually_all(&hook.id, 1, State::Delivered).await;
}

#[tokio::test]
async fn one_delivery_that_is_never_taken_does_not_disable_a_webhook_that_takes_others() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let (stuck, other) = (somebody(world.now()), somebody(world.now()));
    receiver.refuses(&[stuck]);
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), stuck, 1), event(world.now(), stuck, 2)]).await;
    let delivery = desk.eventually_all(&hook.id, 2, State::Pending).await.remove(1);
    desk.eventually_attempts(&delivery.id, 1).await;
    world.hands.advance(3 * DAY - Duration::from_secs(60));
    let desk = Desk::of(&world.login("root").await);
    feeding.publish(&[event(world.now(), other, 3)]).await;
    eventually("the other has passed", SOON, async || {
        desk.deliveries(&hook.id).await.iter().any(|delivery| delivery.state() == State::Delivered).then_some(())
    })
    .await;
    world.hands.advance(Duration::from_secs(60));
    // The one behind has waited as long; it gets its try, and then all is said.
    eventually("both are given up", SOON, async || {
        let deliveries = desk.deliveries(&hook.id).await;
        (deliveries.iter().filter(|delivery| delivery.state() == State::Failed).count() == 2).then_some(())
    })
    .await;
    assert!(desk.get(&hook.id).await.enabled);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    receiver.answers(Answer::Status(410));
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    let disabled =
        eventually("it is disabled", SOON, async || Some(desk.get(&hook.id).await).filter(|webhook| !webhook.enabled))
            .await;
    assert_eq!(disabled.disabled_reason(), DisabledReason::Gone);
    assert_eq!(desk.eventually_all(&hook.id, 1, State::Pending).await[0].last_status, 410);
    receiver.answers(Answer::Status(200));
    desk.enable(&hook.id, true).await;
    desk.eventually_all(&hook.id, 1, State::Delivered).await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_it_from_all_deliveries() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    receiver.answers_next([Answer::Wait(429, "300")]);
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    let first = desk.eventually_all(&hook.id, 1, State::Pending).await.remove(0);
    desk.eventually_attempts(&first.id, 1).await;
    let (witness, _) = desk.create(&receiver.url, &["*"]).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 2)]).await;
    desk.eventually_all(&witness.id, 1, State::Delivered).await;
    world.hands.advance(Duration::from_secs(299));
    feeding.publish(&[event(world.now(), somebody(world.now()), 3)]).await;
    desk.eventually_all(&witness.id, 2, State::Delivered).await;
    desk.eventually_all(&hook.id, 3, State::Pending).await;
    assert_eq!(receiver.received().len(), 3, "one to the webhook, two to the witness");
    world.hands.advance(Duration::from_secs(1));
    desk.eventually_all(&hook.id, 3, State::Delivered).await;
}

#[tokio::test]
async fn a_receiver_that_hangs_is_a_failure_and_keeps_no_other_from_its_deliveries() {
    let world = World::start_with(|config| {
        quickly(config);
        config.webhooks.timeout = Duration::from_secs(4);
        config.webhooks.connect_timeout = Duration::from_secs(4);
        config.webhooks.max_in_flight_per_webhook = 2;
        config.webhooks.max_in_flight = 3;
    })
    .await;
    let desk = Desk::of(&world.admin("root").await);
    let (hanging, quick) = (Receiver::start().await, Receiver::start().await);
    hanging.answers(Answer::Hang);
    let (slow, _) = desk.create(&hanging.url, &["*"]).await;
    let (fast, _) = desk.create(&quick.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    let happened: Vec<_> = (0..8).map(|n| event(world.now(), somebody(world.now()), n)).collect();
    feeding.publish(&happened).await;
    desk.eventually_all(&fast.id, 8, State::Delivered).await;
    let oldest = desk.deliveries(&slow.id).await.pop().expect("there are");
    let shown = desk.eventually_attempts(&oldest.id, 1).await;
    assert_eq!((shown.attempts[0].status, shown.attempts[0].fault.as_str()), (0, "TIMEOUT"));
}

#[tokio::test]
async fn an_address_inside_is_never_reached_unless_it_is_allowed() {
    let world = World::start_with(|config| {
        quickly(config);
        config.webhooks.allow_networks.clear();
    })
    .await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let https = receiver.url.replace("http://", "https://");
    let request =
        pb::CreateWebhookRequest { url: https.clone(), event_types: vec!["*".to_owned()], ..Default::default() };
    let status = desk.client.clone().create_webhook(request).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    // A name says nothing when it is entered: what it stands for is looked at with each connection.
    let (hook, _) = desk.create(&https.replace("127.0.0.1", "localhost"), &["*"]).await;
    let request = pb::SendTestEventRequest { webhook_id: hook.id.clone() };
    let made = desk.client.clone().send_test_event(request).await.expect("made").into_inner();
    let shown = desk.eventually_attempts(&made.delivery.expect("a delivery").id, 1).await;
    assert_eq!(shown.attempts[0].fault, "ADDRESS_FORBIDDEN");
    assert!(receiver.received().is_empty());
}

/// The receiver has it, and whoever sent it can't write that down any more: as after `kill -9`.
#[tokio::test]
async fn a_sender_that_dies_before_it_has_written_down_what_it_did_is_followed_by_one_that_repeats_it() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    receiver.holds_back();
    let feeding = Feeding::start(&world).await;
    let user = somebody(world.now());
    feeding.publish(&[event(world.now(), user, 1), event(world.now(), user, 2)]).await;
    receiver.eventually(1).await;
    let mut conn = world.database.connect().await;
    sqlx::query("UPDATE webhook_lanes SET taken_by = gen_random_uuid()").execute(&mut conn).await.unwrap();
    receiver.lets_go();
    // Another webhook shows that the worker has gone on, and that nobody has taken the lane before its time.
    let (witness, _) = desk.create(&receiver.url, &["*"]).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 3)]).await;
    desk.eventually_all(&witness.id, 1, State::Delivered).await;
    let waiting = desk.deliveries(&hook.id).await.into_iter().filter(|d| d.aggregate_id == user.to_string());
    assert!(waiting.into_iter().all(|delivery| delivery.attempts == 0));

    world.hands.advance(Duration::from_secs(51));
    desk.eventually_all(&hook.id, 3, State::Delivered).await;
    let of_user: Vec<_> = receiver
        .received()
        .into_iter()
        .filter(|request| request.json()["subject"] == user.to_string())
        .map(|request| (request.id().to_owned(), request.json()["data"]["username"].clone()))
        .collect();
    let names: Vec<_> = of_user.iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(names, ["name1", "name1", "name2"]);
    assert_eq!(of_user[0].0, of_user[1].0, "the receiver can tell that it has it");
}

#[tokio::test]
async fn what_a_process_was_sending_when_it_stopped_is_not_lost() {
    let mut world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    receiver.answers_next([Answer::Hang]);
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    receiver.eventually(1).await;
    drop(feeding);
    world.restart().await;
    let desk = Desk::of(&world.login("root").await);
    world.hands.advance(Duration::from_secs(60));
    desk.eventually_all(&hook.id, 1, State::Delivered).await;
}
