//! The same three services over REST: the README's first calls, and one rule on both transports.

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use test_harness::{GrpcTestError, Outcome, Refusal, ServiceName, World};
use tonic::Code;

/// Calls as somebody.
struct Caller<'a> {
    world: &'a World,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    token: String,
}

impl<'a> Caller<'a> {
    fn new(world: &'a World, token: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { world, client, token: token.to_owned() }
    }

    /// Status and body of an answer.
    async fn call(
        &self,
        service: ServiceName,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Outcome<(u16, Value)> {
        let failed = |cause: String| GrpcTestError::Unexpected(format!("{method} {path}: {cause}"));
        let mut request = Request::builder().method(&method).uri(self.world.http(service).await? + path);
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.body(Full::from(body)).map_err(|e| failed(e.to_string()))?;
        let answer = self.client.request(request).await.map_err(|e| failed(e.to_string()))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|e| failed(e.to_string()))?.to_bytes();
        let json = serde_json::from_slice(&body).map_err(|e| failed(format!("{status}, {e}")))?;
        Ok((status, json))
    }

    async fn ok(&self, service: ServiceName, method: Method, path: &str, body: Option<Value>) -> Outcome<Value> {
        let (status, json) = self.call(service, method, path, body).await?;
        assert_eq!(status, 200, "{path}: {json}");
        Ok(json)
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn two_people_register_follow_write_and_read_over_rest() -> Outcome {
    use ServiceName::{Auth, Messaging, User};
    let world = World::start().await;
    let nobody = Caller::new(&world, "");
    let [one, other] = world.people(["ada", "bob"]).await?; // for names that are theirs alone
    let register = |name: String| {
        let email = format!("{name}@example.org");
        Some(json!({ "username": name, "email": email, "password": "correct horse" }))
    };
    let name = |name: &str| format!("{}r", &name[..name.len().min(31)]);
    let alice = nobody.ok(Auth, Method::POST, "/api/v1/auth/register", register(name(&one.username))).await?;
    let bob = nobody.ok(Auth, Method::POST, "/api/v1/auth/register", register(name(&other.username))).await?;
    let (alice_id, bob_id) = (text(&alice["user"]["id"]), text(&bob["user"]["id"]));
    let a = Caller::new(&world, &text(&alice["tokens"]["accessToken"]));
    let b = Caller::new(&world, &text(&bob["tokens"]["accessToken"]));

    let me = a.ok(User, Method::GET, "/api/v1/users/me", None).await?;
    assert_eq!((&me["profile"]["id"], &me["profile"]["email"]), (&alice["user"]["id"], &alice["user"]["email"]));
    let followed = a.ok(User, Method::PUT, &format!("/api/v1/users/{bob_id}/follow"), None).await?;
    assert_eq!(followed["relationship"], "FOLLOWING");

    let open = Some(json!({ "type": "DIRECT", "memberIds": [bob_id] }));
    let talk = text(&a.ok(Messaging, Method::POST, "/api/v1/conversations", open).await?["conversation"]["id"]);
    let messages = format!("/api/v1/conversations/{talk}/messages");
    let hello = Some(json!({ "content": "Hello Bob", "clientMessageId": "hello-1" }));
    let sent = a.ok(Messaging, Method::POST, &messages, hello.clone()).await?;
    assert_eq!(sent, a.ok(Messaging, Method::POST, &messages, hello).await?, "a retry is the same message");
    assert_eq!((&sent["message"]["sequence"], &sent["message"]["senderId"]), (&json!("1"), &json!(alice_id)));

    let unread = "/api/v1/users/me/unread";
    assert_eq!(b.ok(Messaging, Method::GET, unread, None).await?, json!({ "unreadCount": "1" }));
    let page = b.ok(Messaging, Method::GET, &messages, None).await?;
    assert_eq!((page["messages"][0]["content"].as_str(), &page["totalCount"]), (Some("Hello Bob"), &json!("1")));
    let read = format!("/api/v1/messages/{}/read", text(&sent["message"]["id"]));
    let marked = b.ok(Messaging, Method::POST, &read, Some(json!({}))).await?;
    assert_eq!(marked, json!({ "success": true, "unreadCount": "0" }));

    b.ok(Auth, Method::POST, "/api/v1/auth/logout", None).await?;
    let (status, problem) = b.call(Auth, Method::GET, "/api/v1/auth/sessions", None).await?;
    assert_eq!((status, &problem["reason"]), (401, &json!("TOKEN_REVOKED")));
    Ok(())
}

#[tokio::test]
async fn a_rule_holds_on_both_transports() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let talk = ada.direct_with(&bob).await?.id;
    let message = ada.send(&talk, "first").await?.id;
    Refusal::refused(ada.edit(&message, "over gRPC", 5).await, Code::Aborted, "VERSION_CONFLICT");
    let rest = Caller::new(&world, &ada.tokens.access_token);
    let path = format!("/api/v1/messages/{message}");
    let body = Some(json!({ "updatedContent": "over REST", "expectedVersion": "5" }));
    let (status, problem) = rest.call(ServiceName::Messaging, Method::PATCH, &path, body).await?;
    assert_eq!(
        (status, &problem["reason"], &problem["domain"]),
        (409, &json!("VERSION_CONFLICT"), &json!("messaging.nova"))
    );
    assert_eq!(problem["metadata"]["current_version"], "1");
    assert_eq!(rest.ok(ServiceName::Messaging, Method::GET, &path, None).await?["message"]["content"], "first");
    Ok(())
}
