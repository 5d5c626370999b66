//! The log of changes on the event bus: each change once, in the order of its conversation. And what is done about what the other
//! services tell.

use std::collections::BTreeMap;
use std::time::Duration;

use events::{Event, Payload};
use ids::EventId;
use prost::Message;
use protos::events::v1::{
    ConversationCreated, MemberAdded, MemberRemoved, MessageDeleted, MessageEdited, MessageSent, MessagesRead,
    UserBlocked, UserDeleted,
};
use sqlx::{Connection, Executor};
use testkit::{Dice, EventLog, TestDatabase, eventually};
use tonic::Code;
use uuid::Uuid;

use crate::world::World;

const SOON: Duration = Duration::from_secs(60);

async fn world_on_a_bus() -> (World, EventLog) {
    let log = EventLog::new().await;
    let world = World::with(|config| config.events = log.section()).await;
    (world, log)
}

async fn tell(log: &EventLog, world: &World, aggregate: Uuid, payload: &impl Payload) {
    let now = world.clock.now();
    let event = Event::new(EventId::generate(now), now, aggregate, payload);
    log.bus().publish(&[&event]).await.expect("the log answers");
}

#[tokio::test]
async fn every_kind_of_change_is_told_of_in_its_conversations_order_without_what_was_said() {
    let (world, log) = world_on_a_bus().await;
    let service = world.start().await;
    let [ada, bob, eve] = world.people(&service);
    let group = ada.group("a secret name", &[&bob]).await.unwrap().id;
    let message = ada.send_as(&group, "a secret text", "once").await.unwrap();
    ada.send_as(&group, "a secret text", "once").await.unwrap(); // a repeat
    ada.edit(&message.id, "another secret", 1).await.unwrap();
    for _ in 0..2 {
        bob.read(&message.id).await.unwrap();
    }
    ada.add(&group, &[&eve]).await.unwrap();
    ada.rename(&group, "another secret name", 2).await.unwrap();
    ada.delete(&message.id).await.unwrap();
    bob.remove(&group, &bob).await.unwrap();
    let told = log.take(8).await;
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "nova.conversation.created.v1",
            "nova.message.sent.v1",
            "nova.message.edited.v1",
            "nova.messages.read.v1",
            "nova.member.added.v1",
            "nova.conversation.updated.v1",
            "nova.message.deleted.v1",
            "nova.member.removed.v1",
        ]
    );
    let (ada, bob, eve) = (ada.id.to_string(), bob.id.to_string(), eve.id.to_string());
    let created: ConversationCreated = told[0].decode().unwrap();
    assert_eq!((created.conversation_id.as_str(), created.event_no, &created.actor_id), (group.as_str(), 1, &ada));
    let sent: MessageSent = told[1].decode().unwrap();
    assert_eq!((sent.event_no, sent.sequence, &sent.sender_id), (2, 1, &ada));
    let edited: MessageEdited = told[2].decode().unwrap();
    assert_eq!((edited.event_no, edited.sequence, edited.version), (3, 1, 2));
    let read: MessagesRead = told[3].decode().unwrap();
    assert_eq!((read.sequence, &read.reader_id), (1, &bob));
    let added: MemberAdded = told[4].decode().unwrap();
    assert_eq!((&added.actor_id, &added.user_id), (&ada, &eve));
    let deleted: MessageDeleted = told[6].decode().unwrap();
    assert_eq!((deleted.sequence, deleted.version), (1, 3));
    let removed: MemberRemoved = told[7].decode().unwrap();
    assert_eq!((&removed.actor_id, &removed.user_id), (&bob, &bob));
    for event in &told {
        assert_eq!((event.subject.as_str(), event.aggregate.to_string()), (group.as_str(), group.clone()));
        assert!(!event.data.windows(6).any(|bytes| bytes == b"secret"), "{}", event.kind);
    }
}

#[tokio::test]
async fn a_marker_that_only_its_reader_is_told_of_is_told_to_the_services_too() {
    let log = EventLog::new().await;
    let world = World::with(|config| {
        config.events = log.section();
        config.limits.read_markers_told_up_to = 0;
    })
    .await;
    let service = world.start().await;
    let [ada, bob] = world.people(&service);
    let chat = ada.direct(&bob).await.unwrap().id;
    let message = ada.send(&chat, "x").await.unwrap();
    bob.read(&message.id).await.unwrap();
    let told = log.take(3).await;
    assert_eq!(told[2].decode::<MessagesRead>().unwrap().reader_id, bob.id.to_string());
}

/// Holds what is on the bus against the log of changes: the same in each conversation, in order, nothing twice.
pub async fn assert_bus_equals_log(bus: &TestDatabase, database: &TestDatabase) {
    let mut database = database.connect().await;
    let rows: Vec<(Uuid, i64)> =
        sqlx::query_as("SELECT conversation_id, event_no FROM conversation_events ORDER BY event_no")
            .fetch_all(&mut database)
            .await
            .unwrap();
    let told: Vec<(Uuid, Vec<u8>)> = eventually("everything is on the bus", SOON, async || {
        let told = sqlx::query_as("SELECT aggregate_id, data FROM events ORDER BY position");
        let told: Vec<(Uuid, Vec<u8>)> = told.fetch_all(&mut bus.connect().await).await.unwrap();
        (told.len() >= rows.len()).then_some(told)
    })
    .await;
    let (mut expected, mut found) = (BTreeMap::<Uuid, Vec<i64>>::new(), BTreeMap::<Uuid, Vec<i64>>::new());
    for (id, number) in rows {
        expected.entry(id).or_default().push(number);
    }
    for (id, data) in told {
        // All messages of the topic have the number in the same place.
        let number = ConversationCreated::decode(data.as_slice()).unwrap().event_no;
        found.entry(id).or_default().push(number);
    }
    assert_eq!(found, expected);
}

/// The numbers of each conversation's events, in the order in which they came.
fn numbers(events: &[Event]) -> BTreeMap<String, Vec<i64>> {
    let mut numbers: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in events {
        let no = match (event.decode::<MessageSent>(), event.decode::<ConversationCreated>()) {
            (Ok(sent), _) => sent.event_no,
            (_, Ok(created)) => created.event_no,
            _ => panic!("{}", event.kind),
        };
        numbers.entry(event.subject.clone()).or_default().push(no);
    }
    numbers
}

/// An event of a conversation in a transaction of the test's own, which is left open.
async fn append_in_open_transaction(db: &mut sqlx::PgConnection, conversation: &str, actor: ids::UserId) {
    db.execute("BEGIN").await.unwrap();
    // A message without a row: the relay looks at the log alone.
    sqlx::query("SELECT append_events_v1($1, 1::smallint, $2, ARRAY[NULL::uuid], 1, 1, now())")
        .bind(conversation.parse::<Uuid>().unwrap())
        .bind(actor.uuid())
        .execute(db)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_commits_rollbacks_cuts_and_restarts_leave_each_change_once_in_order() {
    const ROUNDS: usize = 40;
    let (world, log) = world_on_a_bus().await;
    let dice = Dice::new();
    let (mut service, replica) = (world.start().await, world.start().await);
    let [ada, bob] = world.people(&replica);
    let eve = world.person(&replica);
    let chats =
        [ada.direct(&bob).await.unwrap().id, ada.direct(&eve).await.unwrap().id, bob.direct(&eve).await.unwrap().id];
    let mut expected = BTreeMap::from(chats.clone().map(|id| (id, 1)));
    let mut slow = world.database.connect().await;
    let mut is_open: Option<usize> = None;
    for _ in 0..ROUNDS {
        match dice.roll(6) {
            0 if is_open.is_none() => {
                let chat = dice.roll(3);
                append_in_open_transaction(&mut slow, &chats[chat], ada.id).await;
                is_open = Some(chat);
            }
            1 if is_open.is_some() => {
                let is_kept = dice.one_in(2);
                slow.execute(if is_kept { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
                let chat = is_open.take().unwrap();
                *expected.get_mut(&chats[chat]).unwrap() += i64::from(is_kept);
            }
            2 => log.cut(),
            3 => log.mend(),
            4 if is_open.is_none() => {
                service.stop().await;
                service = world.start().await;
            }
            _ => {
                let chat = dice.roll(3);
                if is_open == Some(chat) {
                    continue; // it would wait for the open transaction
                }
                let sender = if chat == 2 { &bob } else { &ada };
                sender.send(&chats[chat], "x").await.unwrap();
                *expected.get_mut(&chats[chat]).unwrap() += 1;
            }
        }
    }
    if let Some(chat) = is_open {
        slow.execute("COMMIT").await.unwrap();
        *expected.get_mut(&chats[chat]).unwrap() += 1;
    }
    slow.close().await.unwrap();
    log.mend();
    let count = expected.values().sum::<i64>();
    let told = log.take(usize::try_from(count).unwrap()).await;
    let expected: BTreeMap<String, Vec<i64>> =
        expected.into_iter().map(|(id, last)| (id, (1..=last).collect())).collect();
    assert_eq!(numbers(&told), expected);
    service.stop().await;
}

#[tokio::test]
async fn what_is_not_on_the_bus_is_kept_however_old_it_is() {
    use chrono::TimeDelta;
    use messaging_service::app::events::Expiry;
    use pg::{Pool, PoolConfig};

    let (world, log) = world_on_a_bus().await;
    let service = world.start().await;
    let [ada, bob] = world.people(&service);
    log.cut();
    let chat = ada.direct(&bob).await.unwrap().id;
    ada.send(&chat, "x").await.unwrap();
    world.hands.advance(Duration::from_secs(31 * 24 * 3600));
    let pool = Pool::new(PoolConfig { plans_by_index: true, ..world.config.database.pool_config("test") }).unwrap();
    let expiry = Expiry::new(pool, world.clock.clone(), TimeDelta::days(30)).holding_for_the_bus();
    assert_eq!(expiry.step().await.unwrap(), 0, "it waits for the bus");
    log.mend();
    log.take(2).await;
    // The relay may have taken the two one after the other.
    eventually("all is dropped", SOON, async || {
        expiry.step().await.unwrap();
        let left = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM conversation_events");
        (left.fetch_one(&mut world.database.connect().await).await.unwrap() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deletion_that_is_told_of_alone_erases() {
    let (world, log) = world_on_a_bus().await;
    let service = world.start().await;
    let [ada, bob] = world.people(&service);
    let chat = ada.direct(&bob).await.unwrap().id;
    ada.send(&chat, "to be forgotten").await.unwrap();
    let group = ada.group("g", &[&bob]).await.unwrap().id;
    for _ in 0..2 {
        tell(&log, &world, ada.id.uuid(), &UserDeleted { user_id: ada.id.to_string() }).await;
    }
    eventually("she is no member any more", SOON, async || {
        let members = bob.members(&group).await.unwrap();
        (members.len() == 1).then_some(())
    })
    .await;
    let mut keys = world.keys.connect().await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM user_keys WHERE user_id = $1 AND wrapped IS NOT NULL")
        .bind(ada.id.uuid())
        .fetch_one(&mut keys)
        .await
        .unwrap();
    assert_eq!(left, 0, "her key is destroyed");
}

#[tokio::test]
async fn a_block_that_is_told_of_by_the_bus_alone_ends_what_every_replica_remembers() {
    let log = EventLog::new().await;
    let world = World::with(|config| {
        config.events = log.section();
        config.contact.hold = Duration::from_secs(3600);
    })
    .await;
    let (here, there) = (world.start().await, world.start().await);
    let [ada, bob] = world.people(&here);
    let far = world.same_person(ada.id, &there);
    let chat = ada.direct(&bob).await.unwrap().id;
    ada.send(&chat, "known here").await.unwrap();
    far.send(&chat, "and there").await.unwrap();
    // Nobody can be asked: what is remembered holds for an hour, and no call tells of the block.
    world.users.set_down(true);
    ada.send(&chat, "still").await.unwrap();
    world.users.block(bob.id, ada.id);
    let blocked = UserBlocked { blocker_id: bob.id.to_string(), blocked_id: ada.id.to_string() };
    tell(&log, &world, bob.id.uuid(), &blocked).await;
    for ada in [&ada, &far] {
        eventually("what was remembered is forgotten", SOON, async || {
            let refused = ada.send(&chat, "?").await.err()?;
            assert_eq!(refused.code(), Code::Unavailable, "never allowed because unknown");
            Some(())
        })
        .await;
    }
    world.users.set_down(false);
    eventually("the block is known", SOON, async || {
        let refused = far.send(&chat, "?").await.unwrap_err();
        (refused.code() == Code::FailedPrecondition).then_some(())
    })
    .await;
}
