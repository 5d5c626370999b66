//! Promise G6: who may write to whom in direct conversations and who may be added to groups.

use std::time::Duration;

use errors::ErrorDetailsOf;
use messaging_service::Config;
use protos::messaging::v1 as pb;
use protos::user::v1::contact::Verdict;
use sqlx::{Connection, Executor};
use testkit::{As, assert_reason, eventually};
use tonic::{Code, Status};

use crate::faults::waiting_for_locks;
use crate::world::{Instance, Person, World, call, client};

/// Every send asks; the last known answer holds for long.
fn always_asking(config: &mut Config) {
    config.contact.fresh = Duration::ZERO;
}

/// Answers stay fresh for as long as the rules allow.
fn never_holding(config: &mut Config) {
    config.contact.fresh = Duration::ZERO;
    config.contact.hold = Duration::ZERO;
}

async fn invalidate(world: &World, service: &Instance, one: &Person, other: Option<&Person>) {
    let mut rpc = client(service, As::token(&world.tokens.service("user-service")));
    let request = pb::InvalidateContactRequest {
        user_id_1: one.id.to_string(),
        user_id_2: other.map(|p| p.id.to_string()).unwrap_or_default(),
    };
    call(rpc.invalidate_contact(request)).await.unwrap();
}

fn assert_blocked(status: &Status, other: &Person) {
    assert_reason(status, Code::FailedPrecondition, "USER_BLOCKED");
    assert_eq!(status.reason_metadata("user_id"), Some(other.id.to_string()));
}

#[tokio::test]
async fn a_block_stops_direct_messages_both_ways_until_it_ends() {
    let world = World::with(always_asking).await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let group = carol.group("g", &[&alice, &bob]).await.unwrap();
    let first = alice.send_as(&chat.id, "hi", "c-1").await.unwrap();
    let second = bob.send(&chat.id, "oh").await.unwrap();
    world.users.block(bob.id, alice.id);
    let (one, other) = (alice.send(&chat.id, "x").await.unwrap_err(), bob.send(&chat.id, "x").await.unwrap_err());
    assert_blocked(&one, &bob);
    assert_blocked(&other, &alice);
    assert_eq!(one.message(), other.message(), "the same for both sides");
    // What was sent before can be read, retried and deleted, but not edited; groups go on.
    assert_eq!(alice.send_as(&chat.id, "hi", "c-1").await.unwrap(), first);
    let reused = alice.send_as(&chat.id, "ho", "c-1").await.unwrap_err();
    assert_reason(&reused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(bob.history(&chat.id).await.unwrap().len(), 2);
    assert_blocked(&alice.edit(&first.id, "bye", 0).await.unwrap_err(), &bob);
    assert_blocked(&bob.edit(&second.id, "bye", 0).await.unwrap_err(), &alice);
    let others = bob.edit(&first.id, "bye", 0).await.unwrap_err();
    assert_reason(&others, Code::PermissionDenied, "NOT_THE_SENDER");
    bob.delete(&second.id).await.unwrap();
    let to_all = alice.send(&group.id, "to all").await.unwrap();
    assert_eq!(alice.edit(&to_all.id, "still to all", 0).await.unwrap().version, 2);
    world.users.unblock(bob.id, alice.id);
    assert_eq!(alice.send(&chat.id, "again").await.unwrap().sequence, 3);
    assert_eq!(alice.edit(&first.id, "bye", 1).await.unwrap().version, 2);
}

#[tokio::test]
async fn settings_and_deleted_accounts_stop_direct_messages() {
    let world = World::with(always_asking).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    world.users.answer(bob.id, Verdict::NotAllowed);
    let status = alice.send(&chat.id, "x").await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "MESSAGES_NOT_ALLOWED");
    assert_eq!(bob.send(&chat.id, "but bob may").await.unwrap().sequence, 1);
    world.users.answer(bob.id, Verdict::NotFound);
    let status = alice.send(&chat.id, "x").await.unwrap_err();
    assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
}

#[tokio::test]
async fn an_invalidation_is_obeyed_at_once() {
    let world = World::with(|config| config.contact.fresh = Duration::from_millis(900)).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    for everybody in [false, true] {
        alice.send(&chat.id, "asks").await.unwrap();
        let asked = world.users.questions();
        alice.send(&chat.id, "remembered, unless the machine is very slow").await.unwrap();
        assert!(world.users.questions() <= asked + 1);
        world.users.block(bob.id, alice.id);
        invalidate(&world, &service, &bob, (!everybody).then_some(&alice)).await;
        assert_blocked(&alice.send(&chat.id, "x").await.unwrap_err(), &bob);
        world.users.unblock(bob.id, alice.id);
        invalidate(&world, &service, &alice, (!everybody).then_some(&bob)).await;
    }
}

#[tokio::test]
async fn only_services_invalidate() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let request = pb::InvalidateContactRequest { user_id_1: bob.id.to_string(), user_id_2: String::new() };
    for who in [As::token(&world.tokens.person(alice.id)), As::token(&world.tokens.admin(alice.id))] {
        let status = call(client(&service, who).invalidate_contact(request.clone())).await.unwrap_err();
        assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn without_the_user_service_the_last_known_answer_holds() {
    let world = World::with(always_asking).await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let (known, unknown) = (alice.direct(&bob).await.unwrap(), alice.direct(&carol).await.unwrap());
    alice.send(&known.id, "known now").await.unwrap();
    world.users.block(bob.id, alice.id);
    assert_blocked(&bob.send(&known.id, "x").await.unwrap_err(), &alice);
    world.users.set_down(true);
    alice.send(&known.id, "still").await.unwrap();
    assert_blocked(&bob.send(&known.id, "x").await.unwrap_err(), &alice);
    let status = alice.send(&unknown.id, "never allowed because unknown").await.unwrap_err();
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    let group = alice.group("g", &[&bob]).await.unwrap_err();
    assert_reason(&group, Code::Unavailable, "UNAVAILABLE");

    invalidate(&world, &service, &alice, Some(&bob)).await;
    let status = alice.send(&known.id, "void").await.unwrap_err();
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    world.users.set_down(false);
    // Who fails is left alone for at most a second.
    let asked_again = async || alice.send(&unknown.id, "known at last").await.ok();
    eventually("it is asked again", Duration::from_secs(10), asked_again).await;
    assert_blocked(&alice.send(&known.id, "x").await.unwrap_err(), &bob);
}

#[tokio::test]
async fn the_last_known_answer_holds_no_longer_than_configured() {
    let world = World::with(never_holding).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    alice.send(&chat.id, "known").await.unwrap();
    world.users.set_down(true);
    let status = alice.send(&chat.id, "x").await.unwrap_err();
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_from_before_a_block_lets_nothing_through_after_it() {
    let world = World::with(|config| config.contact.timeout = Duration::from_secs(10)).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let asked = world.users.questions();
    world.users.hold_answers();
    let late = {
        let (alice, chat) = (alice.clone(), chat.id.clone());
        tokio::spawn(async move { alice.send(&chat, "asked before the block").await })
    };
    let users = world.users.clone();
    eventually("the question", Duration::from_secs(5), || async { (users.questions() > asked).then_some(()) }).await;
    // The user service has read "allowed" and then commits the block; its answer is still on the way.
    world.users.block(bob.id, alice.id);
    invalidate(&world, &service, &bob, Some(&alice)).await;
    world.users.let_answers_go();
    assert_blocked(&late.await.unwrap().unwrap_err(), &bob);
    assert_blocked(&alice.send(&chat.id, "x").await.unwrap_err(), &bob);
    assert_eq!(bob.history(&chat.id).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_after_a_block_has_answered() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    for _ in 0..10 {
        let writing = {
            let (alice, chat) = (alice.clone(), chat.id.clone());
            tokio::spawn(async move { while alice.send(&chat, "on and on").await.is_ok() {} })
        };
        alice.send(&chat.id, "under way").await.unwrap();
        world.users.block(bob.id, alice.id);
        invalidate(&world, &service, &bob, Some(&alice)).await;
        let at_block = bob.conversation(&chat.id).await.unwrap().conversation.unwrap().last_sequence;
        writing.await.unwrap();
        let at_end = bob.conversation(&chat.id).await.unwrap().conversation.unwrap().last_sequence;
        assert_eq!(at_end, at_block, "not even what had been asked for before");
        world.users.unblock(bob.id, alice.id);
        invalidate(&world, &service, &bob, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_waits_for_what_is_being_written() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let (mut db, mut watch) = (world.database.connect().await, world.database.connect().await);
    let mut lock = db.begin().await.unwrap();
    lock.execute("SELECT FROM conversations FOR UPDATE").await.unwrap();
    let sending = {
        let (alice, chat) = (alice.clone(), chat.id.clone());
        tokio::spawn(async move { alice.send(&chat, "on its way").await })
    };
    let begun = std::time::Instant::now();
    while waiting_for_locks(&mut watch).await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the message is being written");
    }
    world.users.block(bob.id, alice.id);
    let mut invalidating = Box::pin(invalidate(&world, &service, &bob, Some(&alice)));
    let looking_around = async {
        for _ in 0..100 {
            assert_eq!(waiting_for_locks(&mut watch).await, 1);
        }
    };
    tokio::select! {
        () = &mut invalidating => panic!("it has answered while a message is being written"),
        () = looking_around => {}
    }
    lock.rollback().await.unwrap();
    invalidating.await;
    assert_eq!(bob.history(&chat.id).await.unwrap().len(), 1, "accepted before, not after");
    sending.await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_is_added_across_a_block_or_against_their_settings() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol, dave] = world.people(&service);
    let group = alice.group("g", &[&carol]).await.unwrap();
    let cases = [
        (Verdict::NotFound, Code::NotFound, "USER_NOT_FOUND"),
        (Verdict::BlockedByActor, Code::FailedPrecondition, "USER_BLOCKED"),
        (Verdict::BlockedByUser, Code::FailedPrecondition, "USER_BLOCKED"),
        (Verdict::NotAllowed, Code::FailedPrecondition, "MESSAGES_NOT_ALLOWED"),
    ];
    for (verdict, code, reason) in cases {
        world.users.answer(bob.id, verdict);
        for status in [
            alice.direct(&bob).await.unwrap_err(),
            alice.group("new", &[&carol, &bob]).await.unwrap_err(),
            alice.add(&group.id, &[&dave, &bob]).await.unwrap_err(),
        ] {
            assert_reason(&status, code, reason);
            assert_eq!(status.reason_metadata("user_id"), Some(bob.id.to_string()));
        }
    }
    assert_eq!(alice.members(&group.id).await.unwrap().len(), 2, "all or none");
    assert_eq!(alice.list(pb::ListConversationsRequest::default()).await.unwrap().total_count, 1);
    // Who is in already is not asked about again.
    world.users.answer(carol.id, Verdict::BlockedByUser);
    assert_eq!(alice.add(&group.id, &[&carol, &dave]).await.unwrap().added_user_ids, [dave.id.to_string()]);
}

#[tokio::test]
async fn a_user_service_that_refuses_to_say_holds_nothing() {
    let world = World::with(always_asking).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let first = alice.send(&chat.id, "known").await.unwrap();
    world.users.set_refusing(true);
    for status in [
        alice.send(&chat.id, "it could have told of a block").await.unwrap_err(),
        alice.edit(&first.id, "so could it here", 0).await.unwrap_err(),
    ] {
        assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    }
    world.users.set_refusing(false);
    assert_eq!(alice.send(&chat.id, "again").await.unwrap().sequence, 2);
}

/// A block of which messaging is not told: its other side was down, or the call got lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_waits_for_a_lock_is_not_sent_on_an_old_answer() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let (mut db, mut watch) = (world.database.connect().await, world.database.connect().await);
    let mut lock = db.begin().await.unwrap();
    lock.execute("SELECT FROM conversations FOR UPDATE").await.unwrap();
    let sending = {
        let (alice, chat) = (alice.clone(), chat.id.clone());
        tokio::spawn(async move { alice.send(&chat, "allowed when it was asked").await })
    };
    let begun = std::time::Instant::now();
    while waiting_for_locks(&mut watch).await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the message is being written");
    }
    world.users.block(bob.id, alice.id);
    let blocked = std::time::Instant::now();
    eventually("an answer that is too old", Duration::from_secs(5), || async {
        (blocked.elapsed() > Duration::from_secs(1)).then_some(())
    })
    .await;
    lock.rollback().await.unwrap();
    assert_blocked(&sending.await.unwrap().unwrap_err(), &bob);
    assert_eq!(bob.history(&chat.id).await.unwrap().len(), 0);
    world.users.unblock(bob.id, alice.id);
}
