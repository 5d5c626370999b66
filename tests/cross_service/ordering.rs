//! G2 and G3: many senders, retries and duplicates, two messaging services on one database; one message for each client
//! id, numbered 1, 2, 3 … in the order in which they became visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{join, try_join_all};
use protos::messaging::v1::{GetMessagesRequest, Message};
use test_harness::{Dice, Outcome, Person, Refusal, World};
use tonic::Code;

const SENDERS: usize = 32;
const MESSAGES_EACH: usize = 8;

/// One message: given up at once now and then, sent twice at once now and then, and in the end acknowledged.
async fn send_somehow(dice: &Dice, replicas: [&Person; 2], conversation: &str, client_id: &str) -> Outcome<Message> {
    let text = format!("text of {client_id}");
    let pick = || replicas[dice.roll(2)];
    if dice.one_in(3) {
        // The caller goes away, maybe before and maybe after the commit.
        let patience = Duration::from_micros(200 * dice.roll(40) as u64);
        let _ = tokio::time::timeout(patience, pick().send_once(conversation, &text, client_id)).await;
    }
    if dice.one_in(3) {
        let [here, there] = replicas;
        let (one, other) =
            join(here.send_once(conversation, &text, client_id), there.send_once(conversation, &text, client_id)).await;
        let one = one?;
        assert_eq!(one, other?, "duplicates at the same time are one message");
        return Ok(one);
    }
    let first = pick().send_once(conversation, &text, client_id).await?;
    if dice.one_in(2) {
        assert_eq!(pick().send_once(conversation, &text, client_id).await?, first, "a retry is the same message");
    }
    Ok(first)
}

/// Looks at the newest messages again and again: what is visible has no holes.
async fn watch(reader: &Person, conversation: &str, done: &AtomicBool) -> Outcome<usize> {
    let mut looks = 0;
    let mut highest = 0;
    while !done.load(Ordering::SeqCst) {
        let request = GetMessagesRequest { conversation_id: conversation.to_owned(), limit: 100, ..Default::default() };
        let page = reader.clients.messaging.clone().get_messages(request).await?.into_inner().messages;
        let newest = page.first().map_or(0, |m| m.sequence);
        assert!(newest >= highest, "message {highest} was seen, and then no message after {newest}");
        highest = newest;
        for (n, message) in page.iter().enumerate() {
            let expected = newest - i64::try_from(n).expect("a page is short");
            assert_eq!(message.sequence, expected, "who sees {newest} sees all before it");
        }
        looks += 1;
    }
    Ok(looks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_g3_thirty_two_senders_on_two_replicas_make_one_gapless_sequence() -> Outcome {
    let world = World::own().await;
    let replica = world.with_messaging_replica().await?;
    let dice = Dice::new();
    let people = world.crowd(SENDERS).await?;
    let others: Vec<&Person> = people[1..].iter().collect();
    let conversation = people[0].group_with(&others, "everybody").await?.id;
    let there: Vec<Person> = people.iter().map(|person| replica.seen_from_here(person)).collect();

    let done = AtomicBool::new(false);
    let senders = people.iter().zip(&there).enumerate().map(|(s, (here, there))| {
        let (dice, conversation) = (&dice, conversation.as_str());
        async move {
            let mut sent = vec![];
            for n in 0..MESSAGES_EACH {
                sent.push(send_somehow(dice, [here, there], conversation, &format!("{s}-{n}")).await?);
            }
            assert!(sent.is_sorted_by_key(|m| m.sequence), "a sender's messages keep their order");
            Outcome::Ok(sent)
        }
    });
    let senders = async {
        let sent = try_join_all(senders).await;
        done.store(true, Ordering::SeqCst);
        sent
    };
    let (sent, looks) = join(senders, watch(&there[0], &conversation, &done)).await;
    let (sent, looks) = (sent?.concat(), looks?);
    assert!(looks > 3, "the reader read while it was being written: {looks}");

    let history = people[0].history(&conversation, true).await?;
    let all = i64::try_from(SENDERS * MESSAGES_EACH).expect("a small number");
    assert_eq!(history.iter().map(|m| m.sequence).collect::<Vec<_>>(), (1..=all).collect::<Vec<_>>());
    let ids: BTreeSet<_> = history.iter().map(|m| m.client_message_id.clone()).collect();
    assert_eq!(ids.len(), history.len(), "one message for each client id");
    let by_id = |messages: Vec<Message>| messages.into_iter().map(|m| (m.id.clone(), m)).collect::<BTreeMap<_, _>>();
    assert_eq!(by_id(history), by_id(sent), "what was acknowledged is what is stored");
    assert_eq!(people[0].unread(Some(&conversation)).await?, all - i64::try_from(MESSAGES_EACH).expect("small"));
    Ok(())
}

#[tokio::test]
async fn a_client_id_belongs_to_its_first_content_and_its_sender() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let first = ada.send_once(&conversation, "hello", "the id").await?;
    ada.send_once(&conversation, "good bye", "the id").await.refused(Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    let bobs = bob.send_once(&conversation, "hello", "the id").await?;
    assert_ne!(bobs.id, first.id, "other people's ids are their own");
    assert_eq!((first.sequence, bobs.sequence), (1, 2), "what is refused takes no number");
    Ok(())
}
