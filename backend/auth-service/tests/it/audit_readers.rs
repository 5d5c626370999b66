//! Who reads what of the audit log.

use std::collections::BTreeSet;
use std::time::Duration;

use protos::auth::v1 as pb;
use protos::auth::v1::audit_event::{ActorType, Kind as Wire, Outcome};
use testkit::assert_reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use crate::audit::{all, everything};
use crate::world::{PASSWORD, Person, World, credentials};

#[tokio::test]
async fn a_person_sees_what_concerns_them_but_not_who_else_acted_nor_other_people() {
    let world = World::start().await;
    let (root, alice, bob) = (world.admin("root").await, world.register("alice").await, world.register("bob").await);
    world.hands.advance(Duration::from_millis(1));
    world.nobody().login(credentials("alice", "wrong password")).await.unwrap_err();
    world.hands.advance(Duration::from_millis(1));
    let grant = pb::GrantRoleRequest { user_id: alice.id.clone(), role: "moderator".into() };
    root.client.clone().grant_role(grant).await.expect("granted");
    root.client.clone().get_user(pb::GetUserRequest { user_id: alice.id.clone() }).await.expect("shown");

    for user_id in ["", "me", alice.id.as_str()] {
        let seen = all(&alice.client, pb::ListAuditEventsRequest { user_id: user_id.into(), ..everything() }).await;
        let kinds: Vec<_> = seen.iter().map(|event| event.kind()).collect();
        assert_eq!(kinds, [Wire::RoleGrant, Wire::Login, Wire::Registration], "{user_id:?}");
        let [grant, failed, own] = &seen[..] else { panic!("three") };
        assert_eq!((grant.actor_type(), grant.actor.as_str(), grant.address.as_str()), (ActorType::User, "", ""));
        assert_eq!((failed.outcome(), failed.address.as_str()), (Outcome::Failure, "127.0.0.1"));
        assert_eq!((own.actor.as_str(), own.session_id.as_str()), (&*alice.id, &*alice.tokens.session_id));
    }
    let reads = pb::ListAuditEventsRequest { kind: Wire::AdminRead.into(), ..everything() };
    assert_eq!(all(&alice.client, reads).await, []);

    let of = |user_id: &str, actor: &str| pb::ListAuditEventsRequest {
        user_id: user_id.into(),
        actor: actor.into(),
        ..everything()
    };
    for refused in [of(&alice.id, ""), of("", &root.id), of("", "user")] {
        let status = bob.client.clone().list_audit_events(refused).await.unwrap_err();
        assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    }
    let status = world.service().await.list_audit_events(of(&alice.id, "")).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    let status = world.nobody().list_audit_events(of(&alice.id, "")).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "UNAUTHENTICATED");
}

#[tokio::test]
async fn filters_and_pages_find_each_event_once_while_others_are_written() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let mut people: Vec<Person> = vec![];
    for n in 0..6 {
        people.push(world.register(&format!("person{n}")).await);
    }
    world.hands.advance(Duration::from_secs(60));
    let middle = clock::rfc3339(world.now());
    world.login("person0").await;
    let kind = |kind: Wire| pb::ListAuditEventsRequest { kind: kind.into(), ..everything() };
    let count = async |filter| all(&root.client, filter).await.len();
    assert_eq!(count(kind(Wire::Registration)).await, 7);
    let actor = pb::ListAuditEventsRequest { actor: people[0].id.to_uppercase(), ..everything() };
    assert_eq!(count(actor.clone()).await, 2);
    assert_eq!(count(pb::ListAuditEventsRequest { since: Some(middle.clone()), ..actor.clone() }).await, 1);
    assert_eq!(count(pb::ListAuditEventsRequest { until: Some(middle.clone()), ..actor }).await, 1);
    let status = root
        .client
        .clone()
        .list_audit_events(pb::ListAuditEventsRequest { since: Some("yesterday".into()), ..everything() })
        .await
        .unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    let status = root
        .client
        .clone()
        .list_audit_events(pb::ListAuditEventsRequest { kind: 99, ..everything() })
        .await
        .unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");

    let before: BTreeSet<String> =
        all(&root.client, kind(Wire::Registration)).await.into_iter().map(|e| e.id).collect();
    let (world, root) = (&world, &root);
    let writing = async {
        for n in 0..10 {
            world.hands.advance(Duration::from_millis(5));
            world.register(&format!("later{n}")).await;
        }
    };
    let reading = async {
        let (mut seen, mut request) = (vec![], pb::ListAuditEventsRequest { limit: 2, ..kind(Wire::Registration) });
        loop {
            let page = root.client.clone().list_audit_events(request.clone()).await.expect("listed").into_inner();
            seen.extend(page.events.into_iter().map(|event| event.id));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return seen;
            }
        }
    };
    let ((), seen) = tokio::join!(writing, reading);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice: {seen:?}");
    assert!(before.iter().all(|id| seen.contains(id)), "none left out");
    let (mut other, token) = (kind(Wire::Login), {
        let first = pb::ListAuditEventsRequest { limit: 2, ..kind(Wire::Registration) };
        root.client.clone().list_audit_events(first).await.expect("listed").into_inner().next_page_token
    });
    other.page_token = token;
    let status = root.client.clone().list_audit_events(other).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn rest_tells_the_address_and_the_agent_too() {
    let world = World::start().await;
    let root = world.admin("root").await;
    world.hands.advance(Duration::from_millis(1));
    let ask = async |head: &str, body: &str| {
        let mut stream = tokio::net::TcpStream::connect(world.running.http).await.expect("connected");
        let length = body.len();
        let request = format!("{head}\r\nhost: nova\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        answer
    };
    let body = serde_json::json!({ "identifier": "root", "password": PASSWORD }).to_string();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\ncontent-type: application/json\r\nuser-agent: a browser/1.0\r\nx-request-id: rest-1";
    let answer = ask(head, &body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let token = &root.tokens.access_token;
    let head = format!("GET /api/v1/admin/audit?kind=LOGIN&limit=1 HTTP/1.1\r\nauthorization: Bearer {token}");
    let answer = ask(&head, "").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let page: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let event = &page["events"][0];
    assert_eq!((&event["kind"], &event["outcome"]), (&"LOGIN".into(), &"SUCCESS".into()), "{page}");
    assert_eq!((&event["userAgent"], &event["address"]), (&"a browser/1.0".into(), &"127.0.0.1".into()));
    assert_eq!(event["requestId"], "rest-1");
}
