//! What an operator sees of events and does about them, by the command line, over each bus.

use std::time::Duration;

use clock::Clock;
use events::{Bus, Event, Kafka, KafkaConfig, Log, Payload};
use ids::EventId;
use pg::Pool;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::auth::v1::{DeleteAccountRequest, RegisterResponse};
use protos::events::v1::UserRegistered;
use testkit::{As, KafkaBroker, eventually};
use uuid::Uuid;

use crate::backup::folders;
use crate::process::{Home, Nova};
use crate::{PASSWORD, register};

const SOON: Duration = Duration::from_secs(90);
const CONSUMER: &str = "user.accounts";
const TOPIC: &str = "nova.auth.v1";

/// Runs a command that is to succeed.
async fn admin(home: &Home, arguments: &[&str]) -> String {
    let done = home.run(&[&["admin"], arguments].concat()).await;
    assert!(done.success, "{arguments:?}: {}", done.text);
    done.text
}

/// Runs a command that is to fail.
async fn admin_fails(home: &Home, arguments: &[&str]) -> String {
    let done = home.run(&[&["admin"], arguments].concat()).await;
    assert!(!done.success, "{arguments:?}: {}", done.text);
    done.text
}

/// A line of `nova admin consumers`: partition, first, next, end, behind.
fn places(text: &str) -> Vec<[i64; 5]> {
    let of_ours = text.lines().filter(|line| line.starts_with(CONSUMER) && line.contains(TOPIC));
    let numbers = of_ours.map(|line| line.split_whitespace().skip(2).map(|n| n.parse().expect("a number")).collect());
    numbers.map(|numbers: Vec<i64>| numbers.try_into().expect("five numbers")).collect()
}

/// Waits until the consumer has done all that was published, at least so much of it.
async fn done(home: &Home, least: i64) -> Vec<[i64; 5]> {
    eventually("the consumer has done everything", SOON, async || {
        let places = places(&admin(home, &["consumers"]).await);
        let done: i64 = places.iter().map(|[_, first, next, ..]| next - first).sum();
        (done >= least && places.iter().all(|[.., behind]| *behind == 0)).then_some(places)
    })
    .await
}

async fn dead_letters(home: &Home, words: &[&str]) {
    eventually("the dead letters are listed", SOON, async || {
        let text = admin(home, &["dead-letters", "list", CONSUMER]).await;
        words.iter().all(|word| text.contains(word)).then_some(())
    })
    .await;
}

fn id_of(registered: &RegisterResponse) -> Uuid {
    registered.user.as_ref().expect("a user").id.parse().expect("an id")
}

/// The whole story: an event that nobody can read, one behind it, an effect that was lost.
async fn operate(home: Home, bus: impl AsyncFnOnce(&Home) -> Bus) {
    let mut nova = Nova::start(&home).await;
    let (alice, bob) = (register(&nova.channel(), "alice").await, register(&nova.channel(), "bob").await);
    done(&home, 3).await; // the first key, and two accounts

    let now = Clock::system().now();
    let mut poison = Event::new(EventId::generate(now), now, id_of(&alice), &UserRegistered::default());
    poison.data = vec![0xff];
    bus(&home).await.publish(&[&poison]).await.expect("published");
    let (poison, kind) = (poison.id.to_string(), UserRegistered::KIND.name);
    dead_letters(&home, &[&poison, kind, "can't be read", "1 dead letters"]).await;
    let doctor = home.run(&["doctor"]).await;
    assert!(!doctor.success && doctor.text.contains("1 dead letters"), "{}", doctor.text);

    let tokens = alice.tokens.as_ref().expect("tokens");
    let delete = DeleteAccountRequest { user_id: id_of(&alice).to_string(), password: PASSWORD.to_owned() };
    let mut auth = AuthServiceClient::new(As::token(&tokens.access_token).on(nova.channel()));
    auth.delete_account(delete).await.expect("deleted");
    dead_letters(&home, &["nova.user.deleted.v1", "waits for the one before it", "2 dead letters"]).await;

    assert!(admin_fails(&home, &["dead-letters", "redrive", "nobody"]).await.contains("there are auth.webhooks"));
    assert!(admin_fails(&home, &["dead-letters", "list", "nobody"]).await.contains("there are auth.webhooks"));
    let given_up = ["dead-letters", "discard", CONSUMER, &poison];
    assert!(admin(&home, &given_up).await.contains("is given up"));
    assert!(admin_fails(&home, &given_up).await.contains("no dead letter"));
    assert!(admin(&home, &["dead-letters", "redrive", CONSUMER]).await.contains("1 dead letters of user.accounts"));
    dead_letters(&home, &["0 dead letters"]).await;

    let profiles = async |sql: &'static str| -> Option<i64> {
        let mut db = home.connect("nova_user").await;
        sqlx::query_scalar(sql).bind(id_of(&bob)).fetch_optional(&mut db).await.expect("asked")
    };
    profiles("DELETE FROM profiles WHERE user_id = $1 RETURNING 1::bigint").await.expect("it was there");
    assert!(admin_fails(&home, &["replay", CONSUMER]).await.contains("--since"));
    assert!(admin_fails(&home, &["replay", CONSUMER, "--offset", "1"]).await.contains("--topic"));
    let elsewhere = ["replay", CONSUMER, "--topic", "nova.messaging.v1", "--offset", "1"];
    assert!(admin_fails(&home, &elsewhere).await.contains("does not listen"));
    let far = ["replay", CONSUMER, "--topic", TOPIC, "--offset", "1000000"];
    assert!(admin_fails(&home, &far).await.contains("has no offset 1000000"));
    let places = done(&home, 5).await;
    restored_consumers_are_sent_back_to_where_they_were(&home, &mut nova, &places).await;
    // Kafka sends nobody back who is there; so for each bus alike.
    for [partition, first, _, end, _] in places {
        if first < end {
            let (partition, first) = (partition.to_string(), first.to_string());
            let back = ["replay", CONSUMER, "--topic", TOPIC, "--offset", &first, "--partition", &partition];
            assert!(admin(&home, &back).await.contains("user.accounts acts on "));
        }
    }
    let mut nova = Nova::start(&home).await;
    eventually("the profile is there again", SOON, async || {
        profiles("SELECT 1::bigint FROM profiles WHERE user_id = $1 AND deleted_at IS NULL").await
    })
    .await;
    assert_eq!(nova.terminate().await, Some(0));
}

/// Takes a backup, ends Nova and restores it: of Kafka, which is in no backup, it says where each consumer was.
async fn restored_consumers_are_sent_back_to_where_they_were(home: &Home, nova: &mut Nova, places: &[[i64; 5]]) {
    let backups = home.path().join("backups");
    let done = home.run(&["backup", &backups.to_string_lossy()]).await;
    assert!(done.success, "{}", done.text);
    assert_eq!(nova.terminate().await, Some(0));
    let backup = folders(&backups, "nova-2").pop().expect("a backup");
    let manifest = std::fs::read_to_string(backup.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let restored = home.run(&["restore", &backup.to_string_lossy(), "--replace"]).await;
    assert!(restored.success, "{}", restored.text);
    let is_kafka = manifest["bus"] == "kafka";
    for [partition, _, next, ..] in places {
        let back = format!("nova admin replay {CONSUMER} --topic {TOPIC} --offset {next} --partition {partition}\n");
        assert_eq!(restored.text.contains(&back), is_kafka, "{back}: {}", restored.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_looked_after_by_commands_over_the_log() {
    let log = async |home: &Home| {
        let config = chassis::config::Database { url: home.url_of("nova_events").await.into(), ..Default::default() };
        Bus::Log(Log::new(Pool::new(config.pool_config("test")).expect("a pool"), Clock::system()).0)
    };
    operate(Home::new("log"), log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_looked_after_by_commands_over_kafka() {
    let broker = KafkaBroker::start().await;
    let at = broker.address().to_string();
    let kafka = async |_: &Home| Bus::Kafka(Kafka::new(KafkaConfig::new(at.clone())).expect("librdkafka takes it"));
    operate(Home::with("kafka", vec![("KAFKA_BROKERS", at.clone())]), kafka).await;
}
