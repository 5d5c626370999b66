//! Webhooks as administrators keep them.

use auth_service::storage::webhook_sweep;
use chrono::TimeDelta;
use protos::auth::v1 as pb;
use protos::auth::v1::webhook_delivery::State;
use testkit::assert_reason;
use tonic::Code;

use crate::webhook_world::{Desk, Feeding, Receiver, event, quickly, somebody};
use crate::world::World;

const TYPE: &str = "nova.user.registered.v1";

fn request(url: &str, types: &[&str]) -> pb::CreateWebhookRequest {
    let event_types = types.iter().map(|name| (*name).to_owned()).collect();
    pb::CreateWebhookRequest { url: url.to_owned(), event_types, description: String::new() }
}

#[tokio::test]
async fn a_webhook_is_made_shown_changed_and_deleted() {
    let world = World::start().await;
    let desk = Desk::of(&world.admin("root").await);
    let mut client = desk.client.clone();
    let (made, secret) = desk.create("https://Example.org/hook", &["nova.user.deleted.v1", TYPE]).await;
    assert_eq!((made.url.as_str(), made.enabled, made.version), ("https://example.org/hook", true, 1));
    assert_eq!(made.event_types, ["nova.user.deleted.v1", TYPE]);
    assert!(secret.starts_with("whsec_"));
    assert_eq!(desk.get(&made.id).await, made);

    let change = pb::UpdateWebhookRequest {
        webhook_id: made.id.clone(),
        url: Some("https://example.org/other".into()),
        event_types: vec!["*".into()],
        description: Some(String::new()),
        enabled: None,
        expected_version: 1,
    };
    let changed = client.update_webhook(change.clone()).await.expect("changed").into_inner().webhook.expect("it");
    assert_eq!(
        (changed.url.as_str(), changed.description.as_str(), changed.version),
        ("https://example.org/other", "", 2)
    );
    assert_eq!(changed.event_types, ["*"]);
    let status = client.update_webhook(change).await.unwrap_err();
    assert_reason(&status, Code::Aborted, "VERSION_CONFLICT");
    let nothing = pb::UpdateWebhookRequest { webhook_id: made.id.clone(), ..Default::default() };
    let same = client.update_webhook(nothing).await.expect("changed").into_inner().webhook.expect("it");
    assert_eq!((same.url, same.event_types, same.enabled), (changed.url, changed.event_types, true));

    world.hands.advance(std::time::Duration::from_secs(1));
    let (second, _) = desk.create("https://example.org/hook", &["*"]).await;
    let list = pb::ListWebhooksRequest { limit: 1, ..Default::default() };
    let page = client.list_webhooks(list).await.expect("listed").into_inner();
    assert_eq!(page.webhooks[0].id, second.id, "newest first");
    let list = pb::ListWebhooksRequest { limit: 1, page_token: page.next_page_token };
    let page = client.list_webhooks(list).await.expect("listed").into_inner();
    assert_eq!((page.webhooks[0].id.as_str(), page.next_page_token.as_str()), (made.id.as_str(), ""));

    client.delete_webhook(pb::DeleteWebhookRequest { webhook_id: made.id.clone() }).await.expect("deleted");
    let status = client.get_webhook(pb::GetWebhookRequest { webhook_id: made.id }).await.unwrap_err();
    assert_reason(&status, Code::NotFound, "WEBHOOK_NOT_FOUND");
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_who_and_which_and_without_the_secret() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let desk = Desk::of(&root);
    let mut client = desk.client.clone();
    let (made, secret) = desk.create("https://localhost:9443/private-path", &["*"]).await;
    let webhook_id = made.id.clone();
    desk.enable(&made.id, true).await;
    let test = pb::SendTestEventRequest { webhook_id: webhook_id.clone() };
    let sent = client.send_test_event(test).await.expect("sent").into_inner().delivery.expect("a delivery");
    desk.replay(&sent.id).await;
    let rotation = pb::RotateWebhookSecretRequest { webhook_id: webhook_id.clone() };
    client.rotate_webhook_secret(rotation).await.expect("rotated");
    client.delete_webhook(pb::DeleteWebhookRequest { webhook_id: webhook_id.clone() }).await.expect("deleted");

    let request = pb::ListAuditEventsRequest { limit: 100, ..Default::default() };
    let mut events = client.list_audit_events(request).await.expect("listed").into_inner().events;
    events.retain(|event| event.kind().as_str_name().starts_with("WEBHOOK_"));
    let mut kinds: Vec<_> = events.iter().map(|event| event.kind().as_str_name()).collect();
    kinds.sort_unstable(); // the clock stands still, so they have no order
    assert_eq!(
        kinds,
        [
            "WEBHOOK_CREATION",
            "WEBHOOK_DELETION",
            "WEBHOOK_REPLAY",
            "WEBHOOK_SECRET_ROTATION",
            "WEBHOOK_TEST",
            "WEBHOOK_UPDATE",
        ]
    );
    for event in events {
        assert_eq!((event.actor.as_str(), event.details.get("webhook_id")), (root.id.as_str(), Some(&webhook_id)));
        let told = format!("{:?}", event.details);
        assert!(!told.contains(&secret) && !told.contains("private-path"), "{told}");
    }
}

#[tokio::test]
async fn a_secret_is_told_once_and_lies_sealed() {
    let world = World::start().await;
    let desk = Desk::of(&world.admin("root").await);
    let (_, secret) = desk.create("https://example.org", &["*"]).await;
    let shown: Vec<String> = {
        let mut conn = world.database.connect().await;
        sqlx::query_scalar("SELECT row_to_json(w)::text FROM webhooks w").fetch_all(&mut conn).await.unwrap()
    };
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &secret[6..]).expect("base64");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!shown[0].contains(&hex) && !shown[0].contains(&secret[6..]), "{shown:?}");
}

#[tokio::test]
async fn what_can_not_be_sent_to_is_refused() {
    let world = World::start().await;
    let desk = Desk::of(&world.admin("root").await);
    let mut client = desk.client.clone();
    for url in ["", "example.org", "http://example.org", "https://a:b@example.org", "https://example.org:22", "ftp://a"]
    {
        let status = client.create_webhook(request(url, &["*"])).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
        assert!(status.message().contains("url"), "{status:?}");
    }
    for types in [&[][..], &["*", TYPE], &["nova.user.married.v1"]] {
        let status = client.create_webhook(request("https://example.org", types)).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
    let long = pb::CreateWebhookRequest { description: "x".repeat(201), ..request("https://example.org", &["*"]) };
    assert_reason(&client.create_webhook(long).await.unwrap_err(), Code::InvalidArgument, "INVALID_ARGUMENT");
    let nobody = "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a".to_owned();
    let change = pb::UpdateWebhookRequest { webhook_id: nobody.clone(), ..Default::default() };
    assert_reason(&client.update_webhook(change).await.unwrap_err(), Code::NotFound, "WEBHOOK_NOT_FOUND");
    let rotation = pb::RotateWebhookSecretRequest { webhook_id: nobody.clone() };
    assert_reason(&client.rotate_webhook_secret(rotation).await.unwrap_err(), Code::NotFound, "WEBHOOK_NOT_FOUND");
    let test = pb::SendTestEventRequest { webhook_id: nobody };
    assert_reason(&client.send_test_event(test).await.unwrap_err(), Code::NotFound, "WEBHOOK_NOT_FOUND");
}

#[tokio::test]
async fn there_are_so_many_webhooks_and_no_more() {
    let world = World::start_with(|config| config.webhooks.max_webhooks = 3).await;
    let root = world.admin("root").await;
    let outcomes = crate::world::at_once(6, |_| {
        let mut client = root.client.clone();
        async move { client.create_webhook(request("https://example.org", &["*"])).await }
    })
    .await;
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 3);
    for status in refused {
        assert_reason(&status, Code::FailedPrecondition, "WEBHOOK_LIMIT_REACHED");
    }
}

#[tokio::test]
async fn what_is_old_or_of_a_deleted_webhook_is_swept() {
    let world = World::start_with(quickly).await;
    let desk = Desk::of(&world.admin("root").await);
    let receiver = Receiver::start().await;
    let (hook, _) = desk.create(&receiver.url, &["*"]).await;
    let (kept, _) = desk.create(&receiver.url, &["*"]).await;
    let feeding = Feeding::start(&world).await;
    feeding.publish(&[event(world.now(), somebody(world.now()), 1)]).await;
    desk.eventually_all(&hook.id, 1, State::Delivered).await;
    desk.eventually_all(&kept.id, 1, State::Delivered).await;
    desk.client.clone().delete_webhook(pb::DeleteWebhookRequest { webhook_id: hook.id }).await.expect("deleted");

    let mut conn = world.database.connect().await;
    let later = world.now() + TimeDelta::seconds(1);
    assert_eq!(webhook_sweep::delete_webhooks(&mut conn, later).await.expect("swept"), 0, "its deliveries are there");
    assert_eq!(webhook_sweep::delete_orphans(&mut conn, 10).await.expect("swept"), 1);
    assert_eq!(webhook_sweep::close_lanes(&mut conn, 10).await.expect("swept"), 0);
    assert_eq!(webhook_sweep::delete_webhooks(&mut conn, later).await.expect("swept"), 1);
    assert_eq!(webhook_sweep::delete_old(&mut conn, world.now(), 10).await.expect("swept"), 0, "not old yet");
    assert_eq!(webhook_sweep::delete_old(&mut conn, later, 10).await.expect("swept"), 1);
    assert_eq!(desk.deliveries(&kept.id).await, []);
    let attempts: i64 = sqlx::query_scalar("SELECT count(*) FROM webhook_attempts").fetch_one(&mut conn).await.unwrap();
    assert_eq!(attempts, 0);
}
