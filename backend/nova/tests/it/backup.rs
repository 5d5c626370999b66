//! Backups: what is in one, what refuses to be one, and what becomes of a Nova that is put back elsewhere.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protos::auth::v1::DeleteAccountRequest;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::{
    CreateConversationRequest, GetMessagesRequest, GetUnreadCountRequest, SendMessageRequest, StreamEventsRequest,
    conversation, stream_events_response,
};
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::{FollowUserRequest, GetUserProfileRequest};
use sqlx::{Connection, Executor, PgConnection};
use testkit::{As, Authorized, assert_reason, eventually};
use tonic::Code;
use uuid::Uuid;

use crate::process::{Home, Nova};
use crate::{PASSWORD, log_in, register};

const SOON: Duration = Duration::from_secs(20);

/// Somebody who is logged in, at one Nova or, with the same token, at the one that was restored.
pub struct Person {
    id: String,
    token: String,
}

impl Person {
    pub async fn new(nova: &Nova, name: &str) -> Self {
        let answer = register(&nova.channel(), name).await;
        Self { id: answer.user.expect("a user").id, token: answer.tokens.expect("tokens").access_token }
    }

    fn channel(&self, nova: &Nova) -> Authorized {
        As::token(&self.token).on(nova.channel())
    }

    fn messaging(&self, nova: &Nova) -> MessagingServiceClient<Authorized> {
        MessagingServiceClient::new(self.channel(nova))
    }

    pub async fn group_with(&self, nova: &Nova, others: &[&Person]) -> String {
        let request = CreateConversationRequest {
            r#type: conversation::Type::Group.into(),
            member_ids: others.iter().map(|other| other.id.clone()).collect(),
            name: Some("all".to_owned()),
            ..Default::default()
        };
        let answer = self.messaging(nova).create_conversation(request).await.expect("a group").into_inner();
        answer.conversation.expect("a group").id
    }

    pub async fn say(&self, nova: &Nova, conversation: &str, text: &str) -> i64 {
        let request = SendMessageRequest {
            conversation_id: conversation.to_owned(),
            content: Some(text.to_owned()),
            ..Default::default()
        };
        let sent = self.messaging(nova).send_message(request).await.expect("sent").into_inner();
        sent.message.expect("a message").sequence
    }

    async fn reads(&self, nova: &Nova, conversation: &str) -> Vec<(i64, String, bool)> {
        let request = GetMessagesRequest { conversation_id: conversation.to_owned(), limit: 100, ..Default::default() };
        let page = self.messaging(nova).get_messages(request).await.expect("a page").into_inner();
        page.messages.into_iter().rev().map(|m| (m.sequence, m.content, m.erased)).collect()
    }

    async fn unread(&self, nova: &Nova) -> i64 {
        let request = GetUnreadCountRequest { user_id: self.id.clone(), ..Default::default() };
        self.messaging(nova).get_unread_count(request).await.expect("a count").into_inner().unread_count
    }

    async fn follow(&self, nova: &Nova, other: &Person) {
        let request = FollowUserRequest { follower_id: Some(self.id.clone()), followee_id: other.id.clone() };
        UserServiceClient::new(self.channel(nova)).follow_user(request).await.expect("followed");
    }
}

fn words(told: &[(i64, &str)]) -> Vec<(i64, String, bool)> {
    told.iter().map(|(n, text)| (*n, (*text).to_owned(), text.is_empty())).collect()
}

/// The folders in a place for backups whose names begin so.
pub fn folders(place: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).expect("a folder").flatten();
    let mut found: Vec<_> =
        entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix)).map(|e| e.path()).collect();
    found.sort();
    found
}

/// Takes a backup and tells its folder.
pub async fn back_up(home: &Home, place: &Path) -> PathBuf {
    let done = home.run(&["backup", &place.to_string_lossy()]).await;
    assert!(done.success, "{}", done.text);
    folders(place, "nova-2").pop().expect("a backup")
}

/// A place for backups that goes away with the test.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("nova-backups-{name}-{}", std::process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn give_master_key(from: &Home, to: &Home) {
    let folder = to.path().join("secrets");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::copy(from.path().join("secrets/master.key"), folder.join("master.key")).expect("copied");
}

async fn database(home: &Home, name: &str) -> PgConnection {
    let running = pgboot::Running::find(&home.path().join("postgres"), name).await.expect("it runs");
    PgConnection::connect(&running.url(name)).await.expect("it answers")
}

/// The ids of the events of so many messages, in their order, once all are on the bus.
async fn sent_events(home: &Home, count: usize) -> Vec<Uuid> {
    eventually("everything is on the bus", SOON, async || {
        let ids: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM events WHERE type = 'nova.message.sent.v1' ORDER BY position")
                .fetch_all(&mut database(home, "nova_events").await)
                .await
                .expect("ids");
        (ids.len() == count).then_some(ids)
    })
    .await
}

#[tokio::test]
async fn a_backup_of_a_running_nova_is_a_nova_elsewhere() {
    let (home, elsewhere, place) = (Home::new("backed-up"), Home::new("restored"), Place::new("elsewhere"));
    let mut nova = Nova::start(&home).await;
    let (alice, bob) = (Person::new(&nova, "alice").await, Person::new(&nova, "bob").await);
    let carol = Person::new(&nova, "carol").await;
    let talk = alice.group_with(&nova, &[&bob, &carol]).await;
    bob.follow(&nova, &alice).await;
    for (person, text) in [(&alice, "one"), (&carol, "two"), (&bob, "three")] {
        person.say(&nova, &talk, text).await;
    }
    let mut stream = alice.messaging(&nova).stream_events(StreamEventsRequest::default()).await.unwrap().into_inner();
    alice.say(&nova, &talk, "four").await;
    let cursor = loop {
        let event = stream.message().await.unwrap().expect("an event");
        if event.event_number > 0 {
            break event.cursor;
        }
    };
    let backup = back_up(&home, &place.0).await;

    // What happens afterwards is gone, but for who asks to be forgotten.
    bob.say(&nova, &talk, "lost").await;
    let told_before = sent_events(&home, 5).await;
    let mut own = AuthServiceClient::new(carol.channel(&nova));
    own.delete_account(DeleteAccountRequest { password: PASSWORD.into(), ..Default::default() }).await.unwrap();
    eventually("carol is forgotten", SOON, async || {
        bob.reads(&nova, &talk).await.iter().any(|(_, _, erased)| *erased).then_some(())
    })
    .await;
    let second = back_up(&home, &place.0).await;
    assert_ne!(backup, second);
    assert_eq!(folders(&place.0, "nova-keys-").len(), 1, "only the newest copy of people's keys is kept");
    assert_eq!(nova.terminate().await, Some(0));

    let restore = ["restore", &backup.to_string_lossy()].map(str::to_owned);
    let restore = restore.each_ref().map(String::as_str);
    let refused = elsewhere.run(&restore).await;
    let key = elsewhere.path().join("secrets/master.key");
    assert!(!refused.success && refused.text.contains(&key.display().to_string()), "{}", refused.text);
    assert!(!key.exists(), "a master key that is missing is not made up");
    give_master_key(&home, &elsewhere);
    let restored = elsewhere.run(&restore).await;
    assert!(restored.success, "{}", restored.text);
    assert!(restored.text.contains("1 accounts that were deleted after the backup"), "{}", restored.text);
    assert!(restored.text.contains("are alive again"), "{}", restored.text);

    let mut nova = Nova::start(&elsewhere).await;
    eventually("the forgotten is forgotten here too", SOON, async || {
        let mut users = UserServiceClient::new(alice.channel(&nova));
        let profile = users.get_user_profile(GetUserProfileRequest { user_id: carol.id.clone() }).await;
        (profile.err()?.code() == Code::NotFound).then_some(())
    })
    .await;
    assert!(log_in(&nova.channel(), "carol").await.is_err());
    log_in(&nova.channel(), "bob").await.expect("passwords are as they were");
    let told = words(&[(1, "one"), (2, ""), (3, "three"), (4, "four")]);
    assert_eq!(bob.reads(&nova, &talk).await, told);
    assert_eq!(bob.unread(&nova).await, 3);
    let mut users = UserServiceClient::new(alice.channel(&nova));
    let profile = users.get_user_profile(GetUserProfileRequest { user_id: alice.id.clone() }).await.unwrap();
    assert_eq!(profile.into_inner().profile.expect("a profile").follower_count, 1);

    // Streams: a cursor of the world that is lost has expired, one of this world goes on.
    let stale = StreamEventsRequest { cursor: Some(cursor), conversation_ids: vec![] };
    let status = alice.messaging(&nova).stream_events(stale).await.expect_err("refused");
    assert_reason(&status, Code::OutOfRange, "CURSOR_EXPIRED");
    let mut stream = alice.messaging(&nova).stream_events(StreamEventsRequest::default()).await.unwrap().into_inner();
    assert_eq!(bob.say(&nova, &talk, "five").await, 5, "numbers go on after what was restored");
    loop {
        let event = tokio::time::timeout(SOON, stream.message()).await.expect("in time").unwrap().expect("an event");
        if let Some(stream_events_response::Event::MessageSent(message)) = event.event {
            assert_eq!((message.sequence, message.content.as_str()), (5, "five"));
            break;
        }
    }
    drop(stream);

    // Events: each change is on the bus once, under the id that it had; another fifth message is another event.
    let told = sent_events(&elsewhere, 5).await;
    assert_eq!((&told[..4], told[4] == told_before[4]), (&told_before[..4], false));
    for command in [&["admin", "reconcile", "--check"][..], &["admin", "verify-audit"], &["doctor"]] {
        let done = elsewhere.run(command).await;
        assert!(done.success, "{command:?}: {}", done.text);
    }

    // Nothing is overwritten unasked, nor under a running Nova.
    let refused = elsewhere.run(&restore).await;
    assert!(!refused.success && refused.text.contains("is not empty"), "{}", refused.text);
    let replace = [&restore[..], &["--replace", "--end-sessions"]].concat();
    let refused = elsewhere.run(&replace).await;
    assert!(!refused.success && refused.text.contains("stop every nova"), "{}", refused.text);
    assert_eq!(nova.terminate().await, Some(0));
    let restored = elsewhere.run(&replace).await;
    assert!(restored.success && restored.text.contains("sessions are ended"), "{}", restored.text);
    assert!(restored.text.contains("stays as it is"), "the keys of today are kept: {}", restored.text);
    let mut nova = Nova::start(&elsewhere).await;
    eventually("tokens of before are refused", SOON, async || {
        let request = GetMessagesRequest { conversation_id: talk.clone(), ..Default::default() };
        let refused = bob.messaging(&nova).get_messages(request).await.err()?;
        (refused.code() == Code::Unauthenticated).then_some(())
    })
    .await;
    // What was restored can be backed up.
    back_up(&elsewhere, &place.0).await;
    assert_eq!(nova.terminate().await, Some(0));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

fn alter(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("text");
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(path, text.replace(from, to)).expect("written");
}

#[tokio::test]
async fn what_is_no_whole_backup_of_this_release_is_refused_and_changes_nothing() {
    let (home, place) = (Home::new("whole"), Place::new("whole"));
    let mut nova = Nova::start(&home).await;
    Person::new(&nova, "alice").await;
    let with_key = home.run(&["backup", &place.0.to_string_lossy(), "--with-master-key"]).await;
    assert!(with_key.success && with_key.text.contains("whoever has it"), "{}", with_key.text);
    let with_key = folders(&place.0, "nova-2").pop().expect("a backup");
    let backup = back_up(&home, &place.0).await;
    let master = std::fs::read_to_string(home.path().join("secrets/master.key")).expect("the key");
    let holds_key = |folder: &Path| {
        let files = std::fs::read_dir(folder).expect("a folder").flatten();
        files.filter(|file| std::fs::read(file.path()).is_ok_and(|bytes| bytes == master.trim().as_bytes())).count()
    };
    assert_eq!((holds_key(&with_key), holds_key(&backup)), (1, 0));
    for folder in [backup.clone(), folders(&place.0, "nova-keys-").pop().expect("keys")] {
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        for file in std::fs::read_dir(&folder).unwrap().flatten() {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
    assert!(!backup.join("nova_keys.dump").exists(), "people's keys lie apart");

    // As root the managed PostgreSQL belongs to somebody else: only we are kept from writing, as on a full disk.
    let full = Place::new("full");
    let mut limited = tokio::process::Command::new("sh");
    let backup_command = home.command(&["backup", &full.0.to_string_lossy()]);
    let inner = backup_command.as_std();
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => limited.env(key, value),
            None => limited.env_remove(key),
        };
    }
    let output = limited.output().await.expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("can't be backed up") && text.contains("File too large"),
        "{text}"
    );
    assert_eq!(folders(&full.0, "nova-").len() + folders(&full.0, ".nova-2").len(), 0, "nothing stays");
    // One that was killed leaves what looks like none, and the next one removes it.
    std::fs::create_dir_all(full.0.join(".nova-nova-x.partial")).expect("a folder");
    back_up(&home, &full.0).await;
    assert_eq!(folders(&full.0, ".nova-nova-x").len(), 0);
    assert_eq!(nova.terminate().await, Some(0));

    let newest = std::fs::read_to_string(backup.join("manifest.json")).unwrap();
    let checksum = newest.rsplit("\"checksum\": \"").next().unwrap().split('"').next().unwrap().to_owned();
    type Change<'a> = Box<dyn Fn(&Path) + 'a>;
    let changes: [(&str, Change); 7] = [
        (
            "no backup of Nova, or one that was cut off",
            Box::new(|b| std::fs::remove_file(b.join("manifest.json")).unwrap()),
        ),
        (
            "is damaged",
            Box::new(|b| {
                let file = b.join("nova_user.dump");
                let mut bytes = std::fs::read(&file).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(file, bytes).unwrap();
            }),
        ),
        (
            "is no file",
            Box::new(|b| {
                let file = b.join("nova_user.dump");
                std::fs::remove_file(&file).unwrap();
                assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
            }),
        ),
        ("nova_auth.dump can't be read", Box::new(|b| std::fs::remove_file(b.join("nova_auth.dump")).unwrap())),
        ("made by a newer Nova (", Box::new(|b| alter(&b.join("manifest.json"), "\"format\": 1", "\"format\": 2"))),
        ("does not know", Box::new(|b| alter(&b.join("manifest.json"), "\"version\": 1,", "\"version\": 999,"))),
        ("is not the one that this release has", Box::new(|b| alter(&b.join("manifest.json"), &checksum, "00"))),
    ];
    let other = Home::new("whole-other");
    give_master_key(&home, &other);
    for (fault, change) in changes {
        let damaged = place.0.join("damaged");
        let _ = std::fs::remove_dir_all(&damaged);
        copy(&backup, &damaged);
        change(&damaged);
        let refused = other.run(&["restore", &damaged.to_string_lossy()]).await;
        assert!(!refused.success && refused.text.contains(fault), "{fault}: {}", refused.text);
    }

    // A restore that is cut off keeps everything from starting until it is run again.
    let broken = place.0.join("broken");
    copy(&backup, &broken);
    let dump = broken.join("nova_auth.dump");
    std::fs::write(&dump, b"PGDMP").unwrap();
    let sum = |bytes: &[u8]| {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
            .as_ref()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    let was = std::fs::read(backup.join("nova_auth.dump")).unwrap();
    alter(&broken.join("manifest.json"), &sum(&was), &sum(b"PGDMP"));
    alter(&broken.join("manifest.json"), &format!("\"bytes\": {},", was.len()), "\"bytes\": 5,");
    let keys = folders(&place.0, "nova-keys-").pop().expect("keys");
    let cut = other.run(&["restore", &broken.to_string_lossy(), "--keys", &keys.to_string_lossy()]).await;
    assert!(!cut.success && cut.text.contains("nova_auth can't be restored"), "{}", cut.text);
    let refused = other.run(&["serve"]).await;
    assert!(!refused.success && refused.text.contains("run it again"), "{}", refused.text);
    let restored = other.run(&["restore", &backup.to_string_lossy()]).await;
    assert!(restored.success, "{}", restored.text);
    let mut nova = Nova::start(&other).await;
    log_in(&nova.channel(), "alice").await.expect("the account is there");
    assert_eq!(nova.terminate().await, Some(0));

    // The schema of an earlier release is brought up to date.
    let postgres = pgboot::Postgres::start(&pgboot::Options::new(other.path().join("postgres"))).await.unwrap();
    let mut db = PgConnection::connect(&postgres.url("nova_messaging")).await.unwrap();
    db.execute("DROP TABLE restores").await.unwrap();
    db.execute("ALTER TABLE event_clock ADD COLUMN own_ids_after bigint").await.unwrap();
    db.execute("DELETE FROM _sqlx_migrations WHERE version = 12").await.unwrap();
    db.close().await.unwrap();
    postgres.stop().await.unwrap();
    let earlier = back_up(&other, &place.0).await;
    let restored = other.run(&["restore", &earlier.to_string_lossy(), "--replace"]).await;
    assert!(restored.success, "{}", restored.text);
    let doctor = other.run(&["doctor"]).await;
    assert!(doctor.success && !doctor.text.contains("migrations"), "{}", doctor.text);
}
