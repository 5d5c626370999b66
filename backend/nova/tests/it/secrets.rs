//! What may lie where: the master key that changes under load, the account that is forgotten, and a dump of everything after a
//! lively hour – databases, log, all that Redis was ever told – in which nothing can be found that should not be there.

use std::time::Duration;

use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::auth::v1::{DeleteAccountRequest, LoginRequest, RegisterResponse};
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::{
    CreateConversationRequest, GetMessagesRequest, SendMessageRequest, SendTypingRequest, conversation,
};
use sqlx::AssertSqlSafe;
use testkit::{As, Authorized, TestRedis, eventually};

use crate::process::{Home, Nova};
use crate::{PASSWORD, register};

const DATABASES: [&str; 5] = ["nova_auth", "nova_user", "nova_messaging", "nova_keys", "nova_events"];

/// Somebody who is logged in.
struct Person {
    id: String,
    access: String,
    refresh: String,
    messaging: MessagingServiceClient<Authorized>,
}

impl Person {
    fn of(nova: &Nova, answer: RegisterResponse) -> Self {
        let tokens = answer.tokens.expect("tokens");
        let messaging = MessagingServiceClient::new(As::token(&tokens.access_token).on(nova.channel()));
        let (access, refresh) = (tokens.access_token, tokens.refresh_token);
        Self { id: answer.user.expect("a user").id, access, refresh, messaging }
    }

    async fn talk_to(&self, other: &Person) -> String {
        let request = CreateConversationRequest {
            r#type: conversation::Type::Direct.into(),
            member_ids: vec![other.id.clone()],
            ..Default::default()
        };
        let answer = self.messaging.clone().create_conversation(request).await.expect("a conversation").into_inner();
        answer.conversation.expect("a conversation").id
    }

    async fn say(&self, conversation: &str, text: &str) {
        let request = SendMessageRequest {
            conversation_id: conversation.to_owned(),
            content: Some(text.to_owned()),
            client_message_id: Some(format!("{}", text.len())),
            ..Default::default()
        };
        self.messaging.clone().send_message(request).await.expect("sent");
    }

    async fn types(&self, conversation: &str) {
        let request = SendTypingRequest { conversation_id: conversation.to_owned() };
        self.messaging.clone().send_typing(request).await.expect("told");
    }

    async fn reads(&self, conversation: &str) -> Vec<(String, bool)> {
        let request = GetMessagesRequest { conversation_id: conversation.to_owned(), limit: 100, ..Default::default() };
        let page = self.messaging.clone().get_messages(request).await.expect("a page").into_inner();
        page.messages.into_iter().rev().map(|m| (m.content, m.erased)).collect()
    }
}

/// Every row of every table of a database, as text.
async fn dump(home: &Home, database: &str) -> String {
    let mut db = home.connect(database).await;
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        .fetch_all(&mut db)
        .await
        .expect("tables");
    let mut dump = String::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
            .fetch_all(&mut db)
            .await
            .expect("rows");
        dump.extend(rows.iter().map(|row| format!("{table}: {row}\n")));
    }
    dump
}

#[tokio::test]
async fn another_master_key_takes_over_while_everything_goes_on() {
    let home = Home::new("master-key");
    let mut nova = Nova::start(&home).await;
    let alice = Person::of(&nova, register(&nova.channel(), "alice").await);
    let bob = Person::of(&nova, register(&nova.channel(), "bob").await);
    let talk = alice.talk_to(&bob).await;
    let file = home.path().join("secrets/master.key");
    let before = std::fs::read_to_string(&file).expect("the key");
    let stop = tokio_util::sync::CancellationToken::new();
    let (saying, until, with) = (alice.messaging.clone(), stop.clone(), talk.clone());
    let load = tokio::spawn(async move {
        let mut sent = 0;
        while !until.is_cancelled() {
            let request = SendMessageRequest {
                conversation_id: with.clone(),
                content: Some(format!("{sent}")),
                ..Default::default()
            };
            saying.clone().send_message(request).await.expect("no call fails");
            sent += 1;
            tokio::time::sleep(Duration::from_millis(30)).await; // below the limits on calls
        }
        sent
    });
    let rotated = home.run(&["admin", "rotate-master-key"]).await;
    assert!(rotated.success, "{}", rotated.text);
    stop.cancel();
    let sent = load.await.expect("no call failed");
    assert_ne!(std::fs::read_to_string(&file).expect("the key"), before, "{}", rotated.text);
    assert_eq!(nova.terminate().await, Some(0));

    // As after a crash in the middle: the databases know the next key, the file has the present one still.
    let present = std::fs::read_to_string(&file).expect("the key");
    std::fs::rename(&file, home.path().join("secrets/master.key.next")).expect("moved");
    std::fs::write(&file, &before).expect("written");
    let nova = Nova::start(&home).await;
    let texts = Person { messaging: MessagingServiceClient::new(As::token(&bob.access).on(nova.channel())), ..bob }
        .reads(&talk)
        .await;
    assert!(sent > 0 && texts.len() == sent.min(100) && texts.iter().all(|(text, erased)| !text.is_empty() && !erased));
    let finished = home.run(&["admin", "rotate-master-key"]).await;
    assert!(finished.success && finished.text.contains("already"), "{}", finished.text);
    assert_eq!(std::fs::read_to_string(&file).expect("the key"), present);
}

#[tokio::test]
async fn nothing_secret_lies_where_it_should_not() {
    let redis = TestRedis::start().await;
    let overheard = redis.overhear().await;
    let home = Home::with("dump", vec![("REDIS_URL", redis.url())]);
    let mut nova = Nova::start(&home).await;
    let alice = Person::of(&nova, register(&nova.channel(), "alice").await);
    let bob = Person::of(&nova, register(&nova.channel(), "bob").await);
    let mut auth = AuthServiceClient::new(nova.channel());
    for password in [PASSWORD, "a wrong password of alice's"] {
        let login = LoginRequest { identifier: "alice".into(), password: password.into(), ..Default::default() };
        let _ = auth.login(login).await;
    }
    let talk = alice.talk_to(&bob).await;
    let words = ["meet me at the old mill", "bring the blue umbrella"];
    alice.say(&talk, words[0]).await;
    bob.say(&talk, words[1]).await;
    bob.types(&talk).await;
    let emails = ["alice@example.org", "bob@example.org"];
    let secrets = [PASSWORD, "a wrong password of alice's", &alice.access, &alice.refresh, &bob.access, &bob.refresh];
    eventually("what was said is told of on the event bus", Duration::from_secs(20), async || {
        let told = dump(&home, "nova_events").await;
        (told.matches("nova.message.sent.v1").count() == words.len()).then_some(())
    })
    .await;
    let found = async |home: &Home| {
        let mut found = vec![];
        for database in DATABASES {
            let dump = dump(home, database).await;
            assert!(dump.contains(&alice.id), "{database} knows alice");
            for text in secrets.iter().chain(&words) {
                let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
                if dump.contains(*text) || dump.contains(&hex) {
                    found.push(format!("{text} in {database}"));
                }
            }
            for email in emails {
                if database != "nova_auth" && dump.contains(email) {
                    found.push(format!("{email} in {database}"));
                }
            }
        }
        found
    };
    assert_eq!(found(&home).await, Vec::<String>::new());

    // Who deletes their account is forgotten: the words that are left are nobody's to read, with every key that there is.
    let mut own = AuthServiceClient::new(As::token(&alice.access).on(nova.channel()));
    own.delete_account(DeleteAccountRequest { password: PASSWORD.into(), ..Default::default() })
        .await
        .expect("deleted");
    eventually("her words are erased", Duration::from_secs(20), async || {
        (bob.reads(&talk).await == [(String::new(), true), (words[1].to_owned(), false)]).then_some(())
    })
    .await;
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM user_keys WHERE wrapped IS NOT NULL")
        .fetch_one(&mut home.connect("nova_keys").await)
        .await
        .expect("a count");
    assert_eq!(keys, 1, "bob's");
    assert_eq!(nova.terminate().await, Some(0));
    let told = overheard.text();
    for used in ["nova:limits:nova.auth", "nova:limits:nova.messaging", "nova:messaging:events:notice"] {
        assert!(told.contains(used), "Redis was told of {used}: {told}");
    }
    for (place, text) in [("the log", nova.log()), ("Redis", told)] {
        for secret in secrets.iter().chain(&words).chain(&emails) {
            assert!(!text.contains(*secret), "{secret} in {place}");
        }
    }
}
