//! Promises G2 and G3: once, and in order, however many send at once and however often they try.

use std::collections::HashMap;

use futures::future::join_all;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Instance, Person, World};

/// A number that looks like chance and is the same in each run.
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

/// Each person sends `each` messages to conversations of `chats`, every one of them once to three times at once.
async fn storm(people: &[Person], chats: &[String], each: u64) {
    let senders = people.iter().enumerate().map(|(p, person)| async move {
        for burst in 0..each / 5 {
            let sends = (0..5).map(|k| {
                let n = burst * 5 + k;
                let chance = mixed(p as u64 * 1_000 + n);
                let chat = &chats[usize::try_from(chance).unwrap() % chats.len()];
                let (client_id, text) = (format!("{p}-{n}"), format!("message {n} of {p}"));
                async move {
                    let tries = (0..=chance % 3).map(|_| person.send_as(chat, &text, &client_id));
                    let mut answers = join_all(tries).await;
                    let first = answers.pop().unwrap().expect("sent");
                    for other in answers {
                        assert_eq!(other.expect("sent"), first, "every try is answered alike");
                    }
                }
            });
            join_all(sends).await;
        }
    });
    join_all(senders).await;
}

/// Every conversation is numbered 1, 2, 3 …, and every message is there once.
async fn check(reader: &Person, chats: &[String], people: u64, each: u64) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for chat in chats {
        let history = reader.history(chat).await.unwrap();
        let sequences: Vec<i64> = history.iter().map(|m| m.sequence).collect();
        let expected: Vec<i64> = (1..=i64::try_from(history.len()).unwrap()).collect();
        assert_eq!(sequences, expected, "no gap and no repeat");
        let view = reader.conversation(chat).await.unwrap().conversation.unwrap();
        assert_eq!(view.last_sequence, *expected.last().unwrap_or(&0));
        for message in history {
            *seen.entry(message.client_message_id.expect("all have one")).or_default() += 1;
        }
    }
    assert_eq!(seen.len() as u64, people * each, "none is lost");
    assert!(seen.values().all(|count| *count == 1), "none is there twice");
}

async fn group_of(world: &World, instance: &Instance, n: usize) -> (Vec<Person>, Vec<String>) {
    let people: Vec<Person> = (0..n).map(|_| world.person(instance)).collect();
    let others: Vec<&Person> = people[1..].iter().collect();
    let mut chats = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        chats.push(people[0].group(name, &others).await.unwrap().id);
    }
    (people, chats)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_with_retries_into_one_conversation() {
    let world = World::new().await;
    let service = world.start().await;
    let (people, chats) = group_of(&world, &service, 12).await;
    storm(&people, &chats[..1], 30).await;
    check(&people[0], &chats[..1], 12, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_through_two_services_into_several_conversations() {
    let world = World::with(|config| config.send.max_batch = 7).await;
    let (one, two) = (world.start().await, world.start().await);
    let (mut people, chats) = group_of(&world, &one, 12).await;
    for person in people.iter_mut().skip(1).step_by(2) {
        *person = world.same_person(person.id, &two);
    }
    storm(&people, &chats, 30).await;
    check(&people[0], &chats, 12, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_id_through_two_services_at_once_is_one_message() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let [alice, bob] = world.people(&one);
    let chat = alice.direct(&bob).await.unwrap();
    let elsewhere = world.same_person(alice.id, &two);
    for round in 1..=20i64 {
        let client_id = format!("round {round}");
        let tries = (0..6).map(|n| {
            let (sender, chat, client_id) = (if n % 2 == 0 { &alice } else { &elsewhere }, &chat.id, &client_id);
            async move { sender.send_as(chat, "once", client_id).await.expect("sent") }
        });
        let answers = join_all(tries).await;
        assert!(answers.iter().all(|answer| answer.id == answers[0].id && answer.sequence == round));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_id_with_two_contents_at_once_stores_one() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    for round in 1..=20i64 {
        let client_id = format!("round {round}");
        let (one, two) =
            tokio::join!(alice.send_as(&chat.id, "one", &client_id), alice.send_as(&chat.id, "two", &client_id));
        let (stored, refused) = match (one, two) {
            (Ok(stored), Err(refused)) | (Err(refused), Ok(stored)) => (stored, refused),
            other => panic!("exactly one is stored: {other:?}"),
        };
        assert_eq!(stored.sequence, round);
        assert_reason(&refused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    }
}

#[tokio::test]
async fn messages_and_their_client_ids_outlive_a_restart() {
    let world = World::new().await;
    let before = world.start().await;
    let [alice, bob] = world.people(&before);
    let chat = alice.direct(&bob).await.unwrap();
    let first = alice.send_as(&chat.id, "before", "c-1").await.unwrap();
    bob.read(&first.id).await.unwrap();
    before.stop().await;

    let after = world.start().await;
    let (alice, bob) = (world.same_person(alice.id, &after), world.same_person(bob.id, &after));
    assert_eq!(alice.send_as(&chat.id, "before", "c-1").await.unwrap(), first);
    let reused = alice.send_as(&chat.id, "after", "c-1").await.unwrap_err();
    assert_reason(&reused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(alice.send(&chat.id, "after").await.unwrap().sequence, 2);
    assert_eq!(bob.unread(None).await.unwrap(), 1);
    assert_eq!(bob.direct(&alice).await.unwrap().id, chat.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_was_taken_on() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    alice.send(&chat.id, "warm").await.unwrap();
    let sends = (0..50).map(|n| {
        let (alice, chat) = (alice.clone(), chat.id.clone());
        tokio::spawn(async move { alice.send_as(&chat, "x", &n.to_string()).await })
    });
    let sends: Vec<_> = sends.collect();
    tokio::task::yield_now().await;
    let (answers, ()) = tokio::join!(join_all(sends), service.stop());
    let stored = answers.into_iter().filter_map(|answer| answer.unwrap().ok()).count();

    let again = world.start().await;
    let alice = world.same_person(alice.id, &again);
    let history = alice.history(&chat.id).await.unwrap();
    assert!(history.len() > stored, "every acknowledged message is there");
    assert_eq!(history.last().unwrap().sequence, i64::try_from(history.len()).unwrap());
}
