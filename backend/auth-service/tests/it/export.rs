//! ExportAccount: what is held here, then what the other services hold, and an end that tells a whole export from a part.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use axum::routing::post;
use chassis::config::Paging;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use protos::auth::v1 as pb;
use protos::{messaging::v1 as messaging, user::v1 as users};
use serde_json::{Value, json};
use testkit::{ChaosProxy, Upstream, assert_reason};
use tokio::net::TcpListener;
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::world::{Client, PASSWORD, World, credentials};

/// Both other services: each tells so many records of a person, then ends, fails or falls silent.
#[derive(Clone, Copy)]
struct Holders {
    records: usize,
    then: Then,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    End,
    MessagingFails,
    MessagingIsSilent,
}

impl Holders {
    /// Behind a proxy that can cut them off.
    async fn start(self) -> ChaosProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let routes = Router::new()
            .route("/nova.user.v1.UserService/ExportUser", post(of_users))
            .route("/nova.messaging.v1.MessagingService/ExportUser", post(of_messaging))
            .with_state(self);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        ChaosProxy::start(Upstream::Tcp(address)).await
    }

    /// A world whose peers these are, with pages of two.
    async fn world(self) -> (World, ChaosProxy) {
        let peers = self.start().await;
        let url = format!("http://{}", peers.address);
        let world = World::start_with(|config| {
            config.paging = Paging { max_limit: 2, default_limit: 2 };
            (config.peers.user_url, config.peers.messaging_url) = (url.clone(), url);
        });
        (world.await, peers)
    }
}

fn token_and_no_deadline<B>(request: &Request<B>) {
    assert!(request.headers().contains_key("authorization"), "services say who they are");
    assert!(!request.headers().contains_key("grpc-timeout"), "an export may take its time");
}

async fn of_users(State(holders): State<Holders>, request: Request<Body>) -> Response<tonic::body::Body> {
    token_and_no_deadline(&request);
    let handler = service_fn(move |request: tonic::Request<users::ExportUserRequest>| async move {
        let user = request.into_inner().user_id;
        let record = move |n| users::ExportUserResponse { kind: "follow".into(), record: json!([user, n]).to_string() };
        Ok::<_, Status>(tonic::Response::new(stream::iter((0..holders.records).map(record).map(Ok)).boxed()))
    });
    Grpc::new(ProstCodec::default()).server_streaming(handler, request).await
}

async fn of_messaging(State(holders): State<Holders>, request: Request<Body>) -> Response<tonic::body::Body> {
    type Answer = BoxStream<'static, Result<messaging::ExportUserResponse, Status>>;
    token_and_no_deadline(&request);
    let handler = service_fn(move |request: tonic::Request<messaging::ExportUserRequest>| async move {
        let user = request.into_inner().user_id;
        let record =
            move |n| messaging::ExportUserResponse { kind: "message".into(), record: json!([user, n]).to_string() };
        let records = stream::iter((0..holders.records).map(record).map(Ok));
        let answer: Answer = match holders.then {
            Then::End => records.boxed(),
            Then::MessagingFails => records.chain(stream::iter([Err(Status::internal("broken"))])).boxed(),
            Then::MessagingIsSilent => records.chain(stream::pending()).boxed(),
        };
        Ok::<_, Status>(tonic::Response::new(answer))
    });
    Grpc::new(ProstCodec::default()).server_streaming(handler, request).await
}

type Record = (String, String, Value);

fn read(answer: pb::ExportAccountResponse) -> Record {
    (answer.service, answer.kind, serde_json::from_str(&answer.record).expect("JSON"))
}

async fn export(client: &Client, user: &str) -> Result<Vec<Record>, Status> {
    let request = pb::ExportAccountRequest { user_id: user.to_owned() };
    client.clone().export_account(request).await?.into_inner().map_ok(read).try_collect().await
}

fn of_kind<'a>(records: &'a [Record], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|(_, k, _)| k == kind).map(|(.., record)| record).collect()
}

#[tokio::test]
async fn all_that_three_services_hold_is_told_once_and_counted() {
    let (world, _peers) = Holders { records: 40, then: Then::End }.world().await;
    let ada = world.register("ada").await;
    // Five sessions are two pages and a half; two of them have ended.
    let mut sessions = vec![ada.tokens.session_id.clone()];
    for _ in 0..4 {
        world.hands.advance(Duration::from_millis(1));
        let session = world.login("ada").await;
        sessions.push(session.tokens.session_id.clone());
        if sessions.len() < 4 {
            session.client.clone().logout(pb::LogoutRequest {}).await.unwrap();
        }
    }
    world.hands.advance(Duration::from_millis(1));
    world.nobody().login(credentials("ada", "wrong password")).await.unwrap_err();
    world.register("bob").await;

    for user in ["", "me", ada.id.as_str()] {
        world.hands.advance(Duration::from_millis(1));
        let mut records = export(&ada.client, user).await.unwrap();
        let (service, kind, end) = records.pop().expect("an end");
        assert_eq!((service.as_str(), kind.as_str()), ("auth", "end"));
        let mut counts = BTreeMap::<String, u64>::new();
        for (_, kind, _) in &records {
            *counts.entry(kind.clone()).or_default() += 1;
        }
        let counted: BTreeMap<String, u64> = end["counts"]
            .as_object()
            .expect("counts")
            .iter()
            .map(|(kind, count)| (kind.clone(), count.as_str().unwrap().parse().unwrap()))
            .collect();
        assert_eq!(counts, counted);

        let account = of_kind(&records, "account")[0];
        assert_eq!((&account["id"], &account["email"]), (&json!(ada.id), &json!("ada@example.org")));
        assert_eq!(of_kind(&records, "credentials")[0]["totpEnabled"], false);
        let told = of_kind(&records, "session");
        assert_eq!(told.iter().map(|s| s["id"].as_str().unwrap()).collect::<Vec<_>>(), sessions);
        assert_eq!(told.iter().filter(|s| s["revokedAt"].is_string()).count(), 2);
        let events: Vec<_> = of_kind(&records, "audit_event").iter().map(|e| (*e)["kind"].clone()).collect();
        assert_eq!(events.iter().filter(|kind| **kind == "LOGIN").count(), 5, "{events:?}");
        assert_eq!(events[0], "ACCOUNT_EXPORT");
        for (service, kind) in [("user", "follow"), ("messaging", "message")] {
            let held = records.iter().filter(|(of, k, _)| (of.as_str(), k.as_str()) == (service, kind));
            let held: Vec<&Value> = held.map(|(.., record)| record).collect();
            assert_eq!(held, (0..40).map(|n| json!([ada.id, n])).collect::<Vec<_>>().iter().collect::<Vec<_>>());
        }
        let text = format!("{records:?}");
        for secret in [PASSWORD, "$argon2", "bob", &ada.tokens.refresh_token, &ada.tokens.access_token] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn a_person_exports_their_own_and_an_administrator_anybodys() {
    let (world, _peers) = Holders { records: 1, then: Then::End }.world().await;
    let (ada, bob, root) = (world.register("ada").await, world.register("bob").await, world.admin("root").await);
    world.hands.advance(Duration::from_millis(1));
    for client in [bob.client.clone(), world.service().await] {
        let status = export(&client, &ada.id).await.unwrap_err();
        assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    }
    assert_reason(&export(&world.nobody(), &ada.id).await.unwrap_err(), Code::Unauthenticated, "UNAUTHENTICATED");
    let nobody = ids::UserId::generate(world.now()).to_string();
    assert_reason(&export(&root.client, &nobody).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");

    let records = export(&root.client, &ada.id).await.unwrap();
    assert_eq!(of_kind(&records, "account")[0]["id"], ada.id);
    assert_eq!(of_kind(&records, "end").len(), 1);
    // The person learns that there was an export, not who asked for it; the administrators learn both.
    let own = of_kind(&records, "audit_event")[0];
    assert_eq!((&own["kind"], &own["actor"]), (&json!("ACCOUNT_EXPORT"), &json!("")));
    let wanted = pb::ListAuditEventsRequest {
        user_id: ada.id.clone(),
        kind: pb::audit_event::Kind::AccountExport.into(),
        ..Default::default()
    };
    let events = root.client.clone().list_audit_events(wanted).await.unwrap().into_inner().events;
    assert_eq!(events.iter().map(|event| &event.actor).collect::<Vec<_>>(), [&root.id]);
}

#[tokio::test]
async fn an_export_that_a_service_cuts_short_has_no_end() {
    let (world, _peers) = Holders { records: 3, then: Then::MessagingFails }.world().await;
    let ada = world.register("ada").await;
    let mut answers =
        ada.client.clone().export_account(pb::ExportAccountRequest::default()).await.unwrap().into_inner();
    let mut kinds = vec![];
    let status = loop {
        match answers.message().await {
            Ok(answer) => kinds.push(answer.expect("no end but a failure").kind),
            Err(status) => break status,
        }
    };
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    assert_eq!(kinds.iter().filter(|kind| *kind == "message").count(), 3);
    assert!(!kinds.iter().any(|kind| kind == "end"), "{kinds:?}");
}

#[tokio::test]
async fn a_service_that_goes_away_in_the_middle_cuts_it_short() {
    let (world, peers) = Holders { records: 3, then: Then::MessagingIsSilent }.world().await;
    let ada = world.register("ada").await;
    let mut answers =
        ada.client.clone().export_account(pb::ExportAccountRequest::default()).await.unwrap().into_inner();
    while answers.message().await.unwrap().expect("records").kind != "message" {}
    let rest = tokio::spawn(async move {
        let mut kinds = vec![];
        loop {
            match answers.message().await {
                Ok(answer) => kinds.push(answer.expect("no end but a failure").kind),
                Err(status) => return (kinds, status),
            }
        }
    });
    peers.cut();
    let (kinds, status) = tokio::time::timeout(Duration::from_secs(60), rest).await.expect("it is noticed").unwrap();
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    assert_eq!(kinds, ["message", "message"]);
}

#[tokio::test]
async fn without_the_other_services_what_is_held_here_comes_and_no_end() {
    let world = World::start_with(|config| {
        // Nobody listens there.
        config.peers.messaging_url = "http://127.0.0.1:1".to_owned();
        config.peers.user_url = "http://127.0.0.1:1".to_owned();
    });
    let world = world.await;
    let ada = world.register("ada").await;
    let status = export(&ada.client, "").await.unwrap_err();
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
}
