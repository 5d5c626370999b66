//! `nova` as its operators meet it: the real program, started, stopped, killed and misconfigured.

mod backup;
mod bus;
mod process;
mod restores;
mod secrets;
mod tls;
mod traces;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use errors::ErrorDetailsOf;
use process::{Home, Nova};
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::auth::v1::{LoginRequest, RegisterRequest, RegisterResponse};
use protos::user::v1::GetUserProfileRequest;
use protos::user::v1::user_service_client::UserServiceClient;
use testkit::{As, eventually};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const PASSWORD: &str = "correct horse battery";

async fn register(channel: &Channel, username: &str) -> RegisterResponse {
    let register = RegisterRequest {
        username: username.to_owned(),
        email: format!("{username}@example.org"),
        password: PASSWORD.to_owned(),
        display_name: None,
    };
    AuthServiceClient::new(channel.clone()).register(register).await.expect("registered").into_inner()
}

async fn log_in(channel: &Channel, username: &str) -> Result<(), tonic::Status> {
    let login = LoginRequest { identifier: username.to_owned(), password: PASSWORD.to_owned(), ..Default::default() };
    AuthServiceClient::new(channel.clone()).login(login).await.map(drop)
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_and_a_clean_stop_alike() {
    let home = Home::new("kill");
    let mut nova = Nova::start(&home).await;
    let killed = register(&nova.channel(), "before_kill").await;
    nova.kill_9().await;

    let mut nova = Nova::start(&home).await;
    log_in(&nova.channel(), "before_kill").await.expect("the account is there");
    let tokens = killed.tokens.expect("tokens");
    let user_id = killed.user.expect("user").id;
    let mut users = UserServiceClient::new(As::token(&tokens.access_token).on(nova.channel()));
    users
        .get_user_profile(GetUserProfileRequest { user_id })
        .await
        .expect("nobody was logged out, the profile is there");
    register(&nova.channel(), "before_stop").await;
    assert_eq!(nova.terminate().await, Some(0), "a stop by signal is a success");

    let mut nova = Nova::start(&home).await;
    log_in(&nova.channel(), "before_stop").await.expect("the account is there");
    assert_eq!(nova.terminate().await, Some(0));
}

#[tokio::test]
async fn a_stop_lets_calls_under_way_end_and_refuses_new_ones() {
    let home = Home::new("stop");
    let mut nova = Nova::start(&home).await;
    let channel = nova.channel();
    register(&channel, "somebody").await;
    let answered = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..20)
        .map(|n| {
            let (channel, answered) = (channel.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                loop {
                    match log_in(&channel, if n % 2 == 0 { "somebody" } else { "nobody" }).await {
                        // What was accepted is answered by the service itself; what comes later finds nobody.
                        Ok(()) => answered.fetch_add(1, Ordering::Relaxed),
                        Err(status) if status.reason().is_some() => answered.fetch_add(1, Ordering::Relaxed),
                        Err(status) if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) => {
                            break;
                        }
                        Err(status) => panic!("{status:?}"),
                    };
                }
            })
        })
        .collect();
    let busy = async || (answered.load(Ordering::Relaxed) > 40).then_some(());
    eventually("there are calls under way", Duration::from_secs(30), busy).await;
    assert_eq!(nova.terminate().await, Some(0));
    for caller in callers {
        caller.await.expect("no caller saw anything else");
    }
}

#[tokio::test]
async fn the_demo_may_be_run_twice_and_beside_a_running_nova() {
    let home = Home::new("demo");
    let alone = home.run(&["demo"]).await;
    assert!(alone.success, "{}", alone.text);
    let mut nova = Nova::start(&home).await;
    let beside =
        home.command(&["demo"]).env("NOVA_FRONT_DOOR__PORT", nova.port().to_string()).output().await.expect("it runs");
    let text = String::from_utf8_lossy(&beside.stdout).into_owned();
    assert!(beside.status.success() && text.contains("Ada Lovelace"), "{text}");
    assert_eq!(nova.terminate().await, Some(0));
}

/// What a pod of one process is asked by its platform while its API is reached from within the pod alone.
#[tokio::test]
async fn the_platform_has_a_port_of_its_own() {
    let home = Home::new("ops");
    let mut nova = Nova::start_asked(&home, &[("NOVA_FRONT_DOOR__OPS", "127.0.0.1:0")]).await;
    let log = nova.log();
    let line = log.lines().find(|line| line.contains("the platform's port is ")).expect("the log names it");
    let (_, rest) = line.split_once("the platform's port is ").expect("as found");
    let address = rest.trim_end_matches(|c: char| !c.is_ascii_digit()).split('"').next().expect("an address");
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    for service in ["", "nova.auth.v1.AuthService", "nova.user.v1.UserService", "nova.messaging.v1.MessagingService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(channel.clone()).check(request).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let refused = log_in(&channel, "root").await.expect_err("the API is not here");
    assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
    assert_eq!(nova.terminate().await, Some(0));
}

#[tokio::test]
async fn administration_works_beside_a_running_nova() {
    let home = Home::new("admin");
    let mut nova = Nova::start(&home).await;
    let made = home
        .run(&["admin", "create-user", "root", "root@example.org", "--password", PASSWORD, "--role", "admin"])
        .await;
    assert!(made.success, "{}", made.text);
    log_in(&nova.channel(), "root").await.expect("the account can log in");
    let again = home.run(&["admin", "create-user", "root", "other@example.org", "--password", PASSWORD]).await;
    assert!(!again.success && again.text.contains("taken"), "{}", again.text);
    for command in [
        &["admin", "rotate-keys"][..],
        &["admin", "reconcile"],
        &["admin", "reconcile", "--check"],
        &["migrate"],
        &["doctor"],
    ] {
        let done = home.run(command).await;
        assert!(done.success, "{command:?}: {}", done.text);
    }
    let unknown = home.run(&["admin", "grant-role", "root", "emperor"]).await;
    assert!(!unknown.success && unknown.text.contains("emperor"), "{}", unknown.text);
    assert_eq!(nova.terminate().await, Some(0));
}

#[tokio::test]
async fn what_stops_a_start_is_told_in_a_sentence() {
    let home = Home::new("faults");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    type Fault<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let faults: [Fault; 10] = [
        (&[("NOVA_FRONT_DOOR__PORT", &port)], &["is in use", "NOVA_FRONT_DOOR__PORT"]),
        (&[("NOVA_USER__LISTEN__GRPC_PORT", &port)], &["is in use", "NOVA_USER__LISTEN__GRPC_PORT"]),
        (&[("NOVA_AUTH__MASTER_KEY", "c2hvcnQ=")], &["auth.master_key", "32 bytes in base64"]),
        (&[("NOVA_USER__PEERS__CLIENT_SECRET", "REPLACE_ME")], &["user.peers.client_secret", "still a placeholder"]),
        (&[("DATABASE_URL", "mysql://db/nova")], &["DATABASE_URL", "postgres://"]),
        (&[("DATABASE_URL", "postgres://nova:REPLACE_ME@db/nova")], &["DATABASE_URL", "still a placeholder"]),
        (
            &[("NOVA_AUTH__LISTEN__HOST", "0.0.0.0")],
            &[
                "auth.master_key",
                "must be set where others can reach the service",
                "auth.listen.tls.certificate",
                "auth.listen.plaintext = \"behind-a-proxy\"",
            ],
        ),
        (
            &[("NOVA_FRONT_DOOR__TLS__CERTIFICATE", "/nowhere.pem"), ("NOVA_FRONT_DOOR__TLS__KEY", "/nowhere.key")],
            &["/nowhere.pem", "can't be read"],
        ),
        (
            &[("NOVA_USER__PAGING__MAX_LIMIT", "many"), ("NOVA_MESSAGING__NO__SUCH", "1")],
            &["user.paging.max_limit", "messaging.no"],
        ),
        (&[("NOVA_DATA_DIR", "/proc/nova")], &["/proc/nova", "NOVA_DATA_DIR"]),
    ];
    for (environment, words) in faults {
        let output = home.command(&["serve"]).envs(environment.iter().copied()).output().await.expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{environment:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{environment:?} must name {words:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[tokio::test]
async fn another_master_key_than_the_data_was_sealed_with_stops_the_start() {
    let home = Home::new("key");
    let mut nova = Nova::start(&home).await;
    assert_eq!(nova.terminate().await, Some(0));
    let other = sealing::MasterKey::generate_base64();
    let output = home.command(&["serve"]).env("NOVA_AUTH__MASTER_KEY", other.as_str()).output().await.expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("master key"), "{text}");
}

#[tokio::test]
async fn configuration_is_checked_and_printed_without_secrets() {
    let home = Home::new("config");
    let checked = home.run(&["check-config"]).await;
    assert!(checked.success, "{}", checked.text);
    let printed = home.run(&["config", "print"]).await;
    assert!(printed.success && printed.text.contains("[messaging.listen]"), "{}", printed.text);
    assert!(!home.path().exists(), "looking at the configuration writes nothing");
    let key = sealing::MasterKey::generate_base64();
    let printed = home.command(&["config", "print"]).env("NOVA_AUTH__MASTER_KEY", key.as_str()).output().await;
    let text = String::from_utf8_lossy(&printed.expect("it runs").stdout).into_owned();
    assert!(!text.contains(key.as_str()) && text.contains("(hidden)"), "{text}");
}
