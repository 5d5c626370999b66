//! Looking accounts up.

use std::collections::HashSet;
use std::time::Duration;

use pg::page::{Binding, Limits, Page};
use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::Code;
use uuid::Uuid;

use crate::world::{PASSWORD, Person, World, registration};

const UNKNOWN: &str = "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a";

#[tokio::test]
async fn a_service_looks_accounts_up() {
    let world = World::start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let mut service = world.service().await;
    let by_id =
        service.get_user(pb::GetUserRequest { user_id: alice.id.to_uppercase() }).await.expect("found").into_inner();
    assert_eq!(by_id.user.as_ref().map(|user| user.username.as_str()), Some("alice"));
    let request = pb::GetUserByEmailRequest { email: "ALICE@example.org".into() };
    assert_eq!(service.get_user_by_email(request).await.expect("found").into_inner().user, by_id.user);

    let user_ids = vec![alice.id.clone(), UNKNOWN.into(), bob.id.clone(), alice.id.clone()];
    let many = service.get_users_by_ids(pb::GetUsersByIdsRequest { user_ids }).await.expect("found").into_inner().users;
    assert_eq!(many.keys().collect::<HashSet<_>>(), HashSet::from([&alice.id, &bob.id]));
    assert_eq!(many[&alice.id], by_id.user.expect("user"));

    let exists = async |user_id: &str| {
        let request = pb::CheckUserExistsRequest { user_id: user_id.into() };
        world.service().await.check_user_exists(request).await.expect("answered").into_inner().exists
    };
    assert!(exists(&bob.id).await && !exists(UNKNOWN).await);

    let status = service.get_user(pb::GetUserRequest { user_id: UNKNOWN.into() }).await.unwrap_err();
    assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
    let status =
        service.get_user_by_email(pb::GetUserByEmailRequest { email: "x@example.org".into() }).await.unwrap_err();
    assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
    for count in [0, 101] {
        let request = pb::GetUsersByIdsRequest { user_ids: vec![alice.id.clone(); count] };
        let status = service.get_users_by_ids(request).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
}

async fn list(root: &Person, request: pb::ListUsersRequest) -> pb::ListUsersResponse {
    root.client.clone().list_users(request).await.expect("listed").into_inner()
}

fn names(page: &pb::ListUsersResponse) -> Vec<&str> {
    page.users.iter().map(|user| user.username.as_str()).collect()
}

#[tokio::test]
async fn accounts_are_listed_newest_first_and_searched_literally() {
    let world = World::start().await;
    let root = world.admin("root").await;
    for name in ["alice", "al_ice", "alxice"] {
        world.hands.advance(Duration::from_secs(1));
        world.register(name).await;
    }
    let all = list(&root, pb::ListUsersRequest::default()).await;
    assert_eq!((names(&all), all.total_count), (vec!["alxice", "al_ice", "alice", "root"], 4));
    assert_eq!(all.users[3].roles, ["admin", "user"]);
    let search =
        async |text: &str| list(&root, pb::ListUsersRequest { search: text.into(), ..Default::default() }).await;
    assert_eq!(names(&search("AL_").await), ["al_ice"]);
    assert_eq!(names(&search("ICE@EXAMPLE").await), ["alxice", "al_ice", "alice"]);
    assert_eq!(names(&search("%").await), Vec::<&str>::new());
    assert_eq!(search("alice").await.total_count, 1);
    let skipped = list(&root, pb::ListUsersRequest { offset: 1, limit: 2, ..Default::default() }).await;
    assert_eq!(names(&skipped), ["al_ice", "alice"]);
}

#[tokio::test]
async fn pages_of_accounts_reach_the_end_while_more_are_made() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let mut expected = vec!["root".to_owned()];
    for i in 0..7 {
        world.hands.advance(Duration::from_secs(1));
        expected.push(world.register(&format!("before{i}")).await.username);
    }
    let (mut seen, mut page_token) = (vec![], String::new());
    loop {
        let page = list(&root, pb::ListUsersRequest { limit: 3, page_token, ..Default::default() }).await;
        seen.extend(names(&page).into_iter().map(str::to_owned));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        world.hands.advance(Duration::from_secs(1));
        world.nobody().register(registration(&format!("later{}", seen.len()))).await.expect("registered");
    }
    seen.reverse();
    assert_eq!(seen, expected, "each once, in order");
}

#[tokio::test]
async fn every_way_to_search_gives_the_same_pages() {
    let world = World::start().await;
    let root = world.admin("root").await;
    for i in 0..5 {
        world.hands.advance(Duration::from_secs(1));
        world.register(&format!("seek{i}")).await;
        world.register(&format!("other{i}")).await;
    }
    // By trigrams, and without any.
    for search in ["seek", "k", "k%"] {
        let expected: Vec<String> =
            if search == "k%" { vec![] } else { (0..5).rev().map(|i| format!("seek{i}")).collect() };
        let (mut seen, mut page_token) = (vec![], String::new());
        loop {
            let request = pb::ListUsersRequest { limit: 2, page_token, search: search.into(), ..Default::default() };
            let page = list(&root, request).await;
            assert_eq!(page.total_count, expected.len() as i64, "{search}");
            seen.extend(names(&page).into_iter().map(str::to_owned));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, expected, "{search}");
    }
}

/// A page token as the service makes it, with any key.
fn forge<K: serde::Serialize + serde::de::DeserializeOwned + Copy>(binding: Binding, key: K) -> String {
    let page: Page<K> = Page::parse(Limits { default: 1, max: 1 }, 1, 0, "", binding).expect("a page");
    page.finish(vec![(), ()], |()| key).1
}

#[tokio::test]
async fn forged_page_tokens_are_refused_or_served_but_break_nothing() {
    let world = World::start().await;
    let (root, service) = (world.admin("root").await, world.service().await);
    let user = ids::UserId::parse(&root.id).expect("an id");
    let mut runner = TestRunner::deterministic();
    let mut micros = vec![i64::MIN, i64::MAX, 0, -1, 1 << 53, 253_402_300_800_000_000, -62_167_219_200_000_001];
    micros.extend((0..100).map(|_| any::<i64>().new_tree(&mut runner).expect("a value").current()));
    for micros in micros {
        let id = Uuid::from_u128(any::<u128>().new_tree(&mut runner).expect("a value").current());
        let page_token = forge(Binding::new("GetTokenState").arg("all"), (micros, id));
        let request = pb::GetTokenStateRequest { page_token, ..Default::default() };
        let token_state = service.clone().get_token_state(request).await.map(drop);
        let page_token = forge(Binding::new("ListUsers").arg(""), (id, micros));
        let request = pb::ListUsersRequest { page_token, ..Default::default() };
        let users = root.client.clone().list_users(request).await.map(drop);
        let page_token = forge(Binding::new("ListSessions").arg(user), id);
        let request = pb::ListSessionsRequest { user_id: root.id.clone(), page_token, ..Default::default() };
        root.client.clone().list_sessions(request).await.expect("any id is a place in the list");
        let (is_time, is_count) = ((0..253_402_300_800_000_000).contains(&micros), u32::try_from(micros).is_ok());
        for (outcome, is_fine) in [(token_state, is_time), (users, is_count)] {
            match outcome {
                Ok(()) => assert!(is_fine, "{micros}"),
                Err(status) => {
                    assert!(!is_fine, "{micros}");
                    assert_reason(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_caller_need_not_know_their_id() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    for me in ["", "me"] {
        let (mut own, user_id) = (alice.client.clone(), me.to_owned());
        let found = own.get_user(pb::GetUserRequest { user_id: user_id.clone() }).await.expect("found").into_inner();
        assert_eq!(found.user.expect("user").id, alice.id);
        let request = pb::ListSessionsRequest { user_id: user_id.clone(), ..Default::default() };
        assert_eq!(own.list_sessions(request).await.expect("listed").into_inner().sessions.len(), 1);
        own.get_user_permissions(pb::GetUserPermissionsRequest { user_id: user_id.clone() }).await.expect("found");
        let request = pb::CheckPermissionRequest { user_id: user_id.clone(), permission: "message:send".into() };
        assert!(own.check_permission(request).await.expect("answered").into_inner().allowed);
        own.send_email_verification(pb::SendEmailVerificationRequest { user_id: user_id.clone() }).await.expect("sent");
        let request = pb::RevokeAllSessionsRequest { user_id: user_id.clone(), keep_current: true };
        own.revoke_all_sessions(request).await.expect("revoked");
        let request = pb::ChangePasswordRequest {
            user_id: user_id.clone(),
            current_password: PASSWORD.into(),
            new_password: PASSWORD.into(),
        };
        own.change_password(request).await.expect("changed");
        // A service is nobody.
        let status = world.service().await.get_user(pb::GetUserRequest { user_id }).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
    let request = pb::DeleteAccountRequest { user_id: "me".into(), password: PASSWORD.into() };
    alice.client.clone().delete_account(request).await.expect("deleted");
}

#[tokio::test]
async fn pages_out_of_bounds_are_refused() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let refuse = async |request: pb::ListUsersRequest| root.client.clone().list_users(request).await.unwrap_err();
    let status = refuse(pb::ListUsersRequest { limit: -1, ..Default::default() }).await;
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    let status = refuse(pb::ListUsersRequest { offset: -1, ..Default::default() }).await;
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    let status = refuse(pb::ListUsersRequest { offset: 10_001, ..Default::default() }).await;
    assert_reason(&status, Code::OutOfRange, "OFFSET_TOO_LARGE");
    let status = refuse(pb::ListUsersRequest { page_token: "bogus".into(), ..Default::default() }).await;
    assert_reason(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let big = list(&root, pb::ListUsersRequest { limit: i32::MAX, ..Default::default() }).await;
    assert_eq!(big.users.len(), 1);
}
