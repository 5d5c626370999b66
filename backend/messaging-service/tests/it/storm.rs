//! Promise G4 under everything at once: 200 readers with random disconnects, writers of all kinds, two replicas as processes
//! of their own, one of which is killed. In the end each reader's log equals the database's, in order, nothing twice, and so does
//! what is on the event bus.
//!
//! `NOVA_STORM_EVENTS=1000000` makes it the long version (docs/TESTING.md).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clock::Clock;
use futures::TryStreamExt;
use ids::{ConversationId, UserId};
use messaging_service::{KEYS_MIGRATOR, MIGRATOR};
use protos::messaging::v1 as pb;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::stream_events_response::Event as Kind;
use testkit::{As, Dice, TestDatabase, Tokens};
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::process::Process;
use crate::told::assert_bus_equals_log;
use crate::users::FakeUsers;
use crate::world::{Client, text_message};

const PEOPLE: usize = 40;
const READERS_EACH: usize = 5;
const CONVERSATIONS: usize = 60;
const WRITERS: usize = 24;
/// Events that are fewer than this after the other make a disconnect.
const STAY: usize = 400;
const PATIENCE: Duration = Duration::from_secs(120);

/// What a reader has of one conversation: how many events, and a digest of their numbers and kinds in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Log {
    events: u64,
    digest: u64,
}

impl Log {
    fn add(&mut self, number: i64, kind: i64) {
        self.events += 1;
        for n in [number, kind] {
            self.digest = (self.digest ^ n.unsigned_abs()).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        }
    }
}

/// Everything that the tasks of a storm share.
struct Storm {
    tokens: Tokens,
    dice: Dice,
    people: Vec<UserId>,
    /// Where each replica is now.
    replicas: [watch::Sender<Channel>; 2],
    conversations: Vec<(String, Vec<usize>)>,
    written: AtomicUsize,
    wanted: usize,
    is_over: AtomicBool,
}

impl Storm {
    fn client(&self, person: usize) -> Client {
        let channel = self.replicas[self.dice.roll(2)].borrow().clone();
        MessagingServiceClient::new(As::token(&self.tokens.person(self.people[person])).on(channel))
    }

    /// Repeats a call until it is answered by one replica or the other.
    async fn insist<T, F>(&self, person: usize, call: impl Fn(Client) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, tonic::Status>>,
    {
        let begun = Instant::now();
        loop {
            match call(self.client(person)).await {
                Ok(answer) => return Some(answer),
                Err(status) if is_passing(&status) => {
                    assert!(begun.elapsed() < PATIENCE, "no answer in time: {status}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                // Two writers may want the same message.
                Err(_) => return None,
            }
        }
    }

    /// Writes until enough is written.
    async fn write(&self, writer: usize) {
        let mut mine: Vec<(String, usize)> = vec![];
        for n in 0.. {
            if self.written.load(Ordering::Relaxed) >= self.wanted {
                return;
            }
            let (conversation, members) = &self.conversations[self.dice.roll(self.conversations.len())];
            let person = members[self.dice.roll(members.len())];
            let done = match self.dice.roll(10) {
                0 if !mine.is_empty() => {
                    let (id, sender) = mine[self.dice.roll(mine.len())].clone();
                    let edit = pb::UpdateMessageRequest {
                        message_id: id,
                        updated_content: Some(format!("edit {n}")),
                        ..Default::default()
                    };
                    self.insist(sender, |mut rpc| {
                        let edit = edit.clone();
                        async move { rpc.update_message(edit).await }
                    })
                    .await
                    .is_some()
                }
                1 if !mine.is_empty() => {
                    let (id, sender) = mine.swap_remove(self.dice.roll(mine.len()));
                    let delete = pb::DeleteMessageRequest { message_id: id };
                    self.insist(sender, |mut rpc| {
                        let delete = delete.clone();
                        async move { rpc.delete_message(delete).await }
                    })
                    .await
                    .is_some()
                }
                2 if !mine.is_empty() => {
                    let (id, sender) = mine[self.dice.roll(mine.len())].clone();
                    let read = pb::MarkAsReadRequest { message_id: id, reader_id: String::new() };
                    self.insist(sender, |mut rpc| {
                        let read = read.clone();
                        async move { rpc.mark_as_read(read).await }
                    })
                    .await
                    .is_some()
                }
                _ => {
                    let text = text_message(conversation, "some words", Some(&format!("{writer}-{n}")));
                    let sent = self
                        .insist(person, |mut rpc| {
                            let text = text.clone();
                            async move { rpc.send_message(text).await }
                        })
                        .await;
                    let message = sent.expect("a message is sent").into_inner().message.expect("a message");
                    mine.push((message.id, person));
                    if mine.len() > 200 {
                        mine.remove(0);
                    }
                    true
                }
            };
            self.written.fetch_add(usize::from(done), Ordering::Relaxed);
        }
    }

    /// Reads until everything is read, on one connection after the other.
    async fn read(self: Arc<Self>, person: usize, start: String, expected: watch::Receiver<Option<Expected>>) -> usize {
        let mut cursor = start;
        let mut logs: HashMap<String, Log> = HashMap::new();
        let mut connections = 0;
        let mut idle_since = Instant::now();
        loop {
            connections += 1;
            let request = pb::StreamEventsRequest { cursor: Some(cursor.clone()), conversation_ids: vec![] };
            let leave_after = 1 + self.dice.roll(STAY);
            let opened = self.client(person).stream_events(request).await;
            let mut stream = match opened {
                Ok(stream) => stream.into_inner(),
                Err(status) => {
                    assert!(is_passing(&status), "a stream is refused: {status}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            for _ in 0..leave_after {
                let next = tokio::time::timeout(Duration::from_secs(2), stream.message()).await;
                let event = match next {
                    Ok(Ok(Some(event))) => event,
                    Ok(Err(status)) if is_passing(&status) => break,
                    Ok(Err(status)) => panic!("a stream ended: {status}"),
                    // The replica is gone, or there is nothing more to tell.
                    Ok(Ok(None)) | Err(_) => break,
                };
                if !event.cursor.is_empty() {
                    cursor.clone_from(&event.cursor);
                }
                if let Some(kind) = kind_of(&event) {
                    logs.entry(event.conversation_id).or_default().add(event.event_number, kind);
                    idle_since = Instant::now();
                }
            }
            if self.is_over.load(Ordering::Acquire) {
                let expected = expected.borrow().clone().expect("it is known when the storm is over");
                let own = &expected[&self.people[person]];
                if logs.len() == own.len() && logs.iter().all(|(id, log)| own.get(id) == Some(log)) {
                    return connections;
                }
                let total = |logs: &HashMap<String, Log>| logs.values().map(|log| log.events).sum::<u64>();
                assert!(total(&logs) <= total(own), "a reader has more than there is");
                let differing = logs.iter().find(|(id, log)| own[*id].events == log.events && own[*id] != **log);
                assert!(differing.is_none(), "out of order: {differing:?} instead of {:?}", own[differing.unwrap().0]);
                assert!(idle_since.elapsed() < PATIENCE, "{} of {} events reached a reader", total(&logs), total(own));
            }
        }
    }
}

/// Each person's logs, as the database has them.
type Expected = Arc<HashMap<UserId, HashMap<String, Log>>>;

/// What becomes better when one tries again: a replica that is gone, or has too much to do.
fn is_passing(status: &tonic::Status) -> bool {
    use tonic::Code::{Cancelled, DeadlineExceeded, ResourceExhausted, Unavailable, Unknown};
    // Unknown and Cancelled are what the client's library makes of a connection that breaks.
    matches!(status.code(), Unavailable | DeadlineExceeded | ResourceExhausted | Unknown | Cancelled)
        || std::error::Error::source(status).is_some()
        || tonic_types::StatusExt::get_error_details(status).error_info().is_none()
}

/// The number that the database has for the kind of an event.
fn kind_of(event: &pb::StreamEventsResponse) -> Option<i64> {
    Some(match event.event.as_ref()? {
        Kind::MessageSent(_) => 1,
        Kind::MessageEdited(_) => 2,
        Kind::MessageDeleted(_) => 3,
        Kind::MessagesRead(_) => 4,
        Kind::MemberAdded(_) => 6,
        Kind::MemberRemoved(_) => 7,
        Kind::MemberRoleChanged(_) => 8,
        Kind::ConversationCreated(_) => 9,
        Kind::ConversationUpdated(_) => 10,
        Kind::Heartbeat(_) | Kind::Typing(_) => return None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_readers_log_equals_the_databases() {
    let wanted = std::env::var("NOVA_STORM_EVENTS").ok().map_or(6_000, |n| n.parse().expect("a number of events"));
    let database = TestDatabase::new(&MIGRATOR).await;
    let keys = TestDatabase::new(&KEYS_MIGRATOR).await;
    let tokens = Tokens::new(Clock::system());
    let (_users, peers) = FakeUsers::start(&tokens).await;
    let bus = TestDatabase::new(&events::LOG_MIGRATOR).await;
    let start = async || Process::start(&database, [&keys, &bus], peers, None).await;
    let mut processes = [start().await, start().await];
    let people: Vec<UserId> = (0..PEOPLE).map(|_| UserId::generate(Clock::system().now())).collect();
    let replicas = [0, 1].map(|n| watch::Sender::new(testkit::channel(processes[n].address)));
    let mut storm = Storm {
        tokens,
        dice: Dice::new(),
        people,
        replicas,
        conversations: vec![],
        written: AtomicUsize::new(0),
        wanted,
        is_over: AtomicBool::new(false),
    };
    let mut starts = vec![];
    for person in 0..PEOPLE {
        let mut stream =
            storm.client(person).stream_events(pb::StreamEventsRequest::default()).await.unwrap().into_inner();
        starts.push(stream.message().await.unwrap().unwrap().cursor);
    }
    for n in 0..CONVERSATIONS {
        let owner = storm.dice.roll(PEOPLE);
        let mut members = vec![owner];
        while members.len() < 2 + n % 5 {
            let other = storm.dice.roll(PEOPLE);
            if !members.contains(&other) {
                members.push(other);
            }
        }
        let request = pb::CreateConversationRequest {
            r#type: pb::conversation::Type::Group.into(),
            member_ids: members.iter().map(|n| storm.people[*n].to_string()).collect(),
            name: Some(format!("group {n}")),
            ..Default::default()
        };
        let made = storm.client(owner).create_conversation(request).await.unwrap().into_inner();
        storm.conversations.push((made.conversation.unwrap().id, members));
    }
    let storm = Arc::new(storm);
    let (tell_expected, expected) = watch::channel(None);
    let mut readers = vec![];
    for (person, start) in starts.iter().enumerate() {
        for _ in 0..READERS_EACH {
            readers.push(tokio::spawn(Arc::clone(&storm).read(person, start.clone(), expected.clone())));
        }
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let storm = Arc::clone(&storm);
            tokio::spawn(async move { storm.write(n).await })
        })
        .collect();

    // In the middle of it one replica is killed, and comes back elsewhere; then the other is.
    for (n, process) in processes.iter_mut().enumerate() {
        while storm.written.load(Ordering::Relaxed) < wanted * (n + 1) / 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process.kill().await;
        *process = start().await;
        storm.replicas[n].send_replace(testkit::channel(process.address));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    tell_expected.send_replace(Some(Arc::new(logs_of(&database, &storm).await)));
    storm.is_over.store(true, Ordering::Release);
    let mut connections = 0;
    for reader in readers {
        connections += reader.await.unwrap();
    }
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM conversation_events")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_bus_equals_log(&bus, &database).await;
    println!("{events} events, {} readers, {connections} connections", PEOPLE * READERS_EACH);
    // A marker that was read up to already writes none.
    assert!(events >= i64::try_from(wanted).unwrap() / 2, "{events} of {wanted}");
}

/// What the log in the database holds for each person, read in its order.
async fn logs_of(database: &TestDatabase, storm: &Storm) -> HashMap<UserId, HashMap<String, Log>> {
    let mut of_conversations: HashMap<String, Log> = HashMap::new();
    let mut db = database.connect().await;
    let mut rows = sqlx::query_as::<_, (uuid::Uuid, i64, i16)>(
        "SELECT conversation_id, event_no, kind FROM conversation_events ORDER BY conversation_id, event_no",
    )
    .fetch(&mut db);
    while let Some((id, number, kind)) = rows.try_next().await.unwrap() {
        let log = of_conversations.entry(ConversationId::from(id).to_string()).or_default();
        assert_eq!(number.unsigned_abs(), log.events + 1, "the numbers of a conversation's events have a gap");
        log.add(number, i64::from(kind));
    }
    let mut expected: HashMap<UserId, HashMap<String, Log>> =
        storm.people.iter().map(|id| (*id, HashMap::new())).collect();
    for (id, members) in &storm.conversations {
        for member in members {
            expected.get_mut(&storm.people[*member]).unwrap().insert(id.clone(), of_conversations[id]);
        }
    }
    expected
}
