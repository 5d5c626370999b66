//! TLS with certificates of one's own: made, served, shown by the tools, and replaced while Nova runs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use protos::auth::v1::RegisterResponse;
use protos::user::v1::GetUserProfileRequest;
use protos::user::v1::user_service_client::UserServiceClient;
use testkit::{As, eventually};
use tonic::transport::Channel;

use crate::process::{Home, Nova};
use crate::register;

async fn profile(channel: &Channel, of: &RegisterResponse) -> Result<String, tonic::Status> {
    let token = &of.tokens.as_ref().expect("tokens").access_token;
    let user_id = of.user.as_ref().expect("a user").id.clone();
    let mut users = UserServiceClient::new(As::token(token).on(channel.clone()));
    let answer = users.get_user_profile(GetUserProfileRequest { user_id }).await?.into_inner();
    Ok(answer.profile.expect("a profile").username)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn certificates_of_ones_own_are_made_once_and_replaced_when_asked() {
    let home = Home::new("dev-certs");
    let made = home.run(&["dev-certs"]).await;
    assert!(made.success, "{}", made.text);
    let folder = home.path().join("certs");
    for who in ["ca", "nova", "auth-service", "user-service", "messaging-service"] {
        let key = folder.join(format!("{who}.key"));
        let mode = std::fs::metadata(&key).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
        assert!(text(&folder.join(format!("{who}.pem"))).starts_with("-----BEGIN CERTIFICATE-----"));
    }
    let first = text(&folder.join("nova.pem"));
    let again = home.run(&["dev-certs"]).await;
    assert!(!again.success && again.text.contains("--force"), "{}", again.text);
    assert_eq!(text(&folder.join("nova.pem")), first);
    let forced = home.run(&["dev-certs", "--force", "--name", "nova.test", "--name", "192.0.2.1"]).await;
    assert!(forced.success, "{}", forced.text);
    assert_ne!(text(&folder.join("nova.pem")), first);
}

#[tokio::test]
async fn everything_is_served_over_tls_and_goes_on_when_certificates_are_replaced() {
    let home = Home::new("tls");
    let made = home.run(&["dev-certs"]).await;
    assert!(made.success, "{}", made.text);
    let folder = home.path().join("certs");
    let (ca, settings) = (folder.join("ca.pem"), folder.join("nova.toml"));
    let config = ["--config", settings.to_str().expect("text")];
    let mut nova = Nova::start_with(&home, &config).await;

    // A registration has the auth service call the user service.
    let before = nova.channel_over_tls(&ca);
    let zoe = register(&before, "zoe").await;
    assert_eq!(profile(&before, &zoe).await.expect("it is there"), "zoe");
    profile(&nova.channel(), &zoe).await.expect_err("there is no plaintext");
    for command in ["demo", "doctor"] {
        let port = nova.port().to_string();
        let beside =
            home.command(&[&[command], &config[..]].concat()).env("NOVA_FRONT_DOOR__PORT", port).output().await;
        let beside = beside.expect("it runs");
        let printed = String::from_utf8_lossy(&beside.stdout).into_owned();
        assert!(beside.status.success(), "{command}: {printed} {}", String::from_utf8_lossy(&beside.stderr));
        match command {
            "demo" => assert!(printed.contains("Ada Lovelace") && !printed.contains("no Nova answers"), "{printed}"),
            _ => assert!(
                printed.contains("front_door.tls: certificate for nova, localhost, good for 36")
                    && printed.contains("auth.peers.tls: certificate for auth-service")
                    && printed.contains("a nova already serves"),
                "{printed}"
            ),
        }
    }

    let replaced = home.run(&["dev-certs", "--force"]).await;
    assert!(replaced.success, "{}", replaced.text);
    nova.hang_up();
    let renewed = async || profile(&nova.channel_over_tls(&ca), &zoe).await.ok();
    eventually("the new authority's certificate is shown", Duration::from_secs(30), renewed).await;
    assert_eq!(profile(&before, &zoe).await.expect("the connection goes on"), "zoe");
    assert_eq!(nova.terminate().await, Some(0));
}
