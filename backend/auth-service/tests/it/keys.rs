//! Signing keys: published, rotated, imported.

use std::time::Duration;

use auth_service::admin;
use authn::{Algorithm, Verifier};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chassis::Running;
use chassis::config::Secret;
use protos::auth::v1 as pb;
use sealing::{MasterKey, MasterKeys};
use serde_json::Value;
use testkit::{TestDatabase, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{World, at_once, refresh};

/// The key set that a service publishes, as a plain HTTP client gets it.
async fn jwks(running: &Running) -> Value {
    let mut stream = tokio::net::TcpStream::connect(running.http).await.expect("connected");
    stream
        .write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: nova\r\nconnection: close\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/json"), "{head}");
    serde_json::from_str(body).expect("JSON")
}

/// The ids of the keys that a service publishes.
pub async fn kids(running: &Running) -> Vec<String> {
    let keys = jwks(running).await["keys"].as_array().expect("keys").clone();
    keys.iter().map(|key| key["kid"].as_str().expect("kid").to_owned()).collect()
}

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

async fn rotate(world: &World) -> String {
    let master = world.config.master_keys().expect("a key");
    let mut conn = world.database.connect().await;
    admin::rotate_keys(&mut conn, &master, Algorithm::EdDSA, world.now()).await.expect("rotated")
}

#[tokio::test]
async fn tokens_say_what_the_contract_says_and_verify_with_the_published_keys() {
    for (algorithm, name) in [(Algorithm::RS256, "RS256"), (Algorithm::EdDSA, "EdDSA")] {
        let world = World::start_with(|config| config.tokens.algorithm = algorithm).await;
        let alice = world.register("alice").await;
        let token = &alice.tokens.access_token;
        let (header, claims, published) = (part(token, 0), part(token, 1), jwks(&world.running).await);
        assert_eq!((&header["alg"], &header["kid"]), (&Value::from(name), &published["keys"][0]["kid"]));
        assert_eq!(published["keys"][0].get("d"), None, "no private part");
        let now = world.now().timestamp();
        assert_eq!(
            (&claims["iss"], &claims["aud"], &claims["sub"]),
            (&"nova".into(), &"nova".into(), &alice.id.as_str().into())
        );
        assert_eq!((&claims["iat"], &claims["exp"]), (&now.into(), &(now + 900).into()));
        assert_eq!(claims["sid"], alice.tokens.session_id.as_str());
        assert_eq!((&claims["roles"], &claims["scope"]), (&serde_json::json!(["user"]), &"user".into()));
        assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() == 22));

        let verifier = Verifier::new(world.clock.clone(), "nova", "nova");
        verifier.install(&published.to_string()).expect("a usable key set");
        verifier.verify(token).await.expect("verified");
    }
}

#[tokio::test]
async fn rotating_logs_nobody_out() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let old = kids(&world.running).await;
    let new = rotate(&world).await;
    // Published at once, in use a moment later, when every service has it.
    eventually("the new key", Duration::from_secs(5), async || (kids(&world.running).await.len() == 2).then_some(()))
        .await;
    let before = world.nobody().refresh_token(refresh(&alice.tokens.refresh_token)).await.expect("refreshed");
    assert_eq!(part(&before.into_inner().tokens.expect("tokens").access_token, 0)["kid"], old[0].as_str());
    world.hands.advance(admin::PUBLISHED_AHEAD);
    let later = world.login("alice").await;
    assert_eq!(part(&later.tokens.access_token, 0)["kid"], new.as_str());
    assert!(alice.me().await.is_ok() && later.me().await.is_ok());

    // The old key goes when the last token signed with it has expired.
    world.hands.advance(Duration::from_secs(900));
    assert_eq!(kids(&world.running).await.len(), 2);
    world.hands.advance(Duration::from_secs(61));
    eventually("the old key to go", Duration::from_secs(5), async || {
        (kids(&world.running).await == [new.clone()]).then_some(())
    })
    .await;
    let tokens = world.nobody().login(crate::world::credentials("alice", crate::world::PASSWORD)).await;
    assert!(tokens.is_ok());
}

#[tokio::test]
async fn rotating_with_another_master_key_is_refused() {
    let world = World::start().await;
    let other = MasterKeys::from_base64(&MasterKey::generate_base64(), []).expect("a key");
    let mut conn = world.database.connect().await;
    let error = admin::rotate_keys(&mut conn, &other, Algorithm::EdDSA, world.now()).await.unwrap_err();
    assert!(error.to_string().contains("master_key"), "{error}");
    assert_eq!(kids(&world.running).await.len(), 1);
}

#[tokio::test]
async fn replicas_share_one_key_and_a_restart_keeps_it() {
    let mut world = World::start().await;
    let before = kids(&world.running).await;
    let _replica = world.replica().await;
    world.restart().await;
    assert_eq!(kids(&world.running).await, before);
}

#[tokio::test]
async fn a_configured_key_is_used_until_it_is_rotated() {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().expect("a key");
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pair.to_pkcs8v1().expect("written").as_ref())
    );
    let mut world = World::start().await;
    let alice = world.register("alice").await;
    world.config.tokens.private_key_pem = Secret::from(pem);
    world.restart().await;
    let own = world.login("alice").await;
    let kid = part(&own.tokens.access_token, 0)["kid"].clone();
    assert_ne!(kid, part(&alice.tokens.access_token, 0)["kid"]);
    let me = world.with(&alice.tokens.access_token).get_user(pb::GetUserRequest { user_id: alice.id.clone() }).await;
    assert!(me.is_ok(), "tokens of the key before are still good");

    let new = rotate(&world).await;
    world.hands.advance(admin::PUBLISHED_AHEAD);
    world.restart().await;
    let later = world.login("alice").await;
    assert_eq!(part(&later.tokens.access_token, 0)["kid"], new.as_str(), "a restart does not bring the old one back");
}

#[tokio::test]
async fn a_wrong_master_key_stops_the_start_with_a_sentence() {
    let world = World::start().await;
    let mut config = world.config.clone();
    config.master_key = Secret::from(MasterKey::generate_base64().as_str());
    let life = chassis::Lifecycle::new(world.clock.clone());
    let error = auth_service::start(config, life, chassis::Wiring::default()).await.err().expect("refused");
    assert!(format!("{error:#}").contains("auth.master_key"), "{error:#}");
}

#[tokio::test]
async fn replicas_that_start_at_once_on_an_empty_database_agree_on_one_key() {
    let world = World::start().await;
    let empty = TestDatabase::new(&auth_service::MIGRATOR).await;
    let started = at_once(4, |_| {
        let mut config = world.config.clone();
        config.database = empty.section();
        let life = chassis::Lifecycle::new(world.clock.clone());
        async move {
            auth_service::start(config, life.clone(), chassis::Wiring::default()).await.map(|running| (running, life))
        }
    })
    .await;
    assert!(started.iter().all(Result::is_ok));
    let keys: i64 =
        sqlx::query_scalar("SELECT count(*) FROM signing_keys").fetch_one(&mut empty.connect().await).await.unwrap();
    assert_eq!(keys, 1);
}

#[tokio::test]
async fn private_keys_do_not_lie_open() {
    let world = World::start_with(|config| config.tokens.algorithm = Algorithm::RS256).await;
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT private_sealed FROM signing_keys")
        .fetch_one(&mut world.database.connect().await)
        .await
        .unwrap();
    assert!(aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&sealed).is_err());
    let rsa_encryption = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    assert!(!sealed.windows(9).any(|window| window == rsa_encryption), "no PKCS #8 in clear");
}
