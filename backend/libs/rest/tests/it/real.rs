//! A real service behind REST: its guard, its rules, its errors.

use chassis::config::Listen;
use chassis::{Lifecycle, Running, Wiring};
use clock::Clock;
use http::{Method, Request};
use ids::UserId;
use protos::user::v1::EnsureProfileRequest;
use protos::user::v1::user_service_client::UserServiceClient;
use serde_json::{Value, json};
use testkit::{As, TestDatabase, Tokens};
use tonic::codec::CompressionEncoding;

use crate::fake::Answer;

struct World {
    tokens: Tokens,
    clock: Clock,
    running: Running,
    _database: TestDatabase,
}

struct Person {
    id: UserId,
    token: String,
}

impl World {
    async fn start() -> Self {
        let (clock, _) = testkit::mock_clock();
        let tokens = Tokens::new(clock.clone());
        let database = TestDatabase::new(&user_service::MIGRATOR).await;
        let config = user_service::Config {
            listen: Listen { max_request_bytes: 64 * 1024, ..Listen::on(0, 0) },
            database: database.section(),
            ..user_service::Config::default()
        };
        let wiring = Wiring { verifier: Some(tokens.verifier()), ..Wiring::default() };
        let running = user_service::start(config, Lifecycle::new(clock.clone()), wiring).await.expect("it starts");
        running.readiness.ready().await;
        Self { tokens, clock, running, _database: database }
    }

    async fn person(&self, username: &str) -> Person {
        let id = UserId::generate(self.clock.now());
        let service = As::token(&self.tokens.service("auth")).on(testkit::channel(self.running.grpc));
        let profile = EnsureProfileRequest {
            user_id: id.to_string(),
            username: username.to_owned(),
            display_name: String::new(),
            created_at: clock::rfc3339(self.clock.now()),
        };
        UserServiceClient::new(service).ensure_profile(profile).await.expect("a service may");
        Person { id, token: self.tokens.person(id) }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.running.http));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        crate::fake::over_the_network(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn a_profile_is_read_and_changed_by_version() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let mine = world.call(Method::GET, "/api/v1/users/me", &alice.token, &[], None).await;
    let (profile, etag) = (&mine.ok()["profile"], mine.header("etag").to_owned());
    assert_eq!((&profile["id"], &profile["username"]), (&json!(alice.id.to_string()), &json!("alice")));
    assert_eq!((&profile["followerCount"], &profile["version"]), (&json!("0"), &json!("1")));
    assert!(profile.get("avatarUrl").is_none(), "an absent optional is left out");
    let unchanged = world.call(Method::GET, "/api/v1/users/me", &alice.token, &[("if-none-match", &etag)], None).await;
    assert_eq!(unchanged.status.as_u16(), 304);

    let change = Some(json!({ "bio": "likes tea", "private": true }));
    let by_etag = [("if-match", &*etag)];
    let changed = world.call(Method::PATCH, "/api/v1/users/me", &alice.token, &by_etag, change.clone()).await;
    assert_eq!(changed.ok()["profile"]["version"], "2");
    let late = world.call(Method::PATCH, "/api/v1/users/me", &alice.token, &[("if-match", "\"1\"")], change).await;
    let problem = late.problem(409, "VERSION_CONFLICT");
    assert_eq!((&problem["domain"], &problem["metadata"]["current_version"]), (&json!("user.nova"), &json!("2")));
}

#[tokio::test]
async fn the_guard_stands_in_front_of_rest_too() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let call = async |method, path: &str, token: &str, headers: &[(&str, &str)], body| {
        world.call(method, path, token, headers, body).await
    };
    let nobody = call(Method::GET, "/api/v1/users/me", "", &[], None).await;
    nobody.problem(401, "UNAUTHENTICATED");
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
    call(Method::GET, "/api/v1/users/me", "nonsense", &[], None).await.problem(401, "UNAUTHENTICATED");
    let bob = UserId::generate(world.clock.now());
    let path = format!("/api/v1/users/{bob}/settings");
    call(Method::GET, &path, &alice.token, &[], None).await.problem(403, "PERMISSION_DENIED");
    let late = call(Method::GET, "/api/v1/users/me", &alice.token, &[("grpc-timeout", "1n")], None).await;
    late.problem(504, "DEADLINE_EXCEEDED");
    let invalid = call(Method::GET, "/api/v1/users/nobody", &alice.token, &[("x-request-id", "mine")], None).await;
    assert_eq!(invalid.refused_fields(), ["user_id"]);
    assert_eq!(invalid.header("x-request-id"), "mine");
    let large = Some(json!({ "bio": "x".repeat(70_000) }));
    call(Method::PATCH, "/api/v1/users/me", &alice.token, &[], large).await.problem(413, "MESSAGE_TOO_LARGE");
    call(Method::POST, "/api/v1/users/me", &alice.token, &[], None).await.problem(405, "METHOD_NOT_ALLOWED");
    call(Method::GET, "/nothing", "", &[], None).await.problem(404, "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn follows_settings_search_and_lists_work_over_rest() {
    let world = World::start().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let me = async |method, path: &str, body| world.call(method, path, &alice.token, &[], body).await.ok();
    let follow = format!("/api/v1/users/{}/follow", bob.id);
    for _ in 0..2 {
        assert_eq!(me(Method::PUT, &follow, None).await, json!({ "success": true, "relationship": "FOLLOWING" }));
    }
    let path = format!("/api/v1/users/me/relationship/{}", bob.id);
    assert_eq!(me(Method::GET, &path, None).await["relationship"], "FOLLOWING");
    let followers = me(Method::GET, &format!("/api/v1/users/{}/followers?limit=1", bob.id), None).await;
    assert_eq!((&followers["totalCount"], &followers["nextPageToken"]), (&json!("1"), &json!("")));
    assert_eq!(followers["profiles"][0]["username"], "alice");
    assert_eq!(me(Method::GET, "/api/v1/users/search?query=bo", None).await["profiles"][0]["username"], "bob");
    assert_eq!(me(Method::GET, "/api/v1/users/me/blocked", None).await, json!({ "profiles": [], "nextPageToken": "" }));
    let batch = Some(json!({ "userIds": [bob.id.to_string()] }));
    assert_eq!(me(Method::POST, "/api/v1/users/batch", batch).await["profiles"][bob.id.to_string()]["username"], "bob");
    let settings = Some(json!({ "privacyLevel": "FOLLOWERS", "marketingEmails": true }));
    let settings = me(Method::PATCH, "/api/v1/users/me/settings", settings).await;
    assert_eq!(
        (&settings["settings"]["privacyLevel"], &settings["settings"]["version"]),
        (&json!("FOLLOWERS"), &json!("2"))
    );
    assert_eq!(me(Method::DELETE, &follow, None).await["relationship"], "NONE");
}

#[tokio::test]
async fn both_ports_speak_grpc_web_and_compressed_grpc() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let mut frame = vec![0, 0, 0, 0, 4, 10, 2];
    frame.extend(b"me"); // user_id = "me"
    for address in [world.running.http, world.running.grpc] {
        let request = Request::post(format!("http://{address}/nova.user.v1.UserService/GetUserProfile"))
            .header("content-type", "application/grpc-web+proto")
            .header("authorization", format!("Bearer {}", alice.token))
            .body(frame.clone().into())
            .unwrap();
        let answer = crate::fake::over_the_network(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/grpc-web+proto"));
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.contains("alice") && body.contains("grpc-status:0"), "{body:?}");

        for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
            let channel = As::token(&alice.token).on(testkit::channel(address));
            let mut client = UserServiceClient::new(channel).send_compressed(encoding).accept_compressed(encoding);
            let request = protos::user::v1::GetUserProfileRequest { user_id: "me".to_owned() };
            let answer = client.get_user_profile(request).await.expect("an answer");
            let used = answer.metadata().get("grpc-encoding").map(|e| e.to_str().unwrap().to_owned());
            assert_eq!(used.as_deref(), Some(encoding.to_string().as_str()));
            assert_eq!(answer.into_inner().profile.unwrap().username, "alice");
        }
    }
}

#[tokio::test]
async fn a_compressed_grpc_bomb_is_refused() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let channel = As::token(&alice.token).on(testkit::channel(world.running.grpc));
        let mut client = UserServiceClient::new(channel).send_compressed(encoding);
        let request = protos::user::v1::GetUserProfileRequest { user_id: "x".repeat(50 * 1024 * 1024) };
        let status = client.get_user_profile(request).await.expect_err("too large");
        testkit::assert_reason(&status, tonic::Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    }
}
