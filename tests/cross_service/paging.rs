//! Every list of every service, read to its end while rows are added: what was there at the start is seen exactly once.

use std::collections::BTreeSet;

use protos::auth::v1::{ListSessionsRequest, ListUsersRequest, LoginRequest};
use protos::messaging::v1::{
    AddMembersRequest, GetConversationMembersRequest, GetMessagesRequest, ListConversationsRequest,
};
use protos::user::v1::{
    GetUserFollowersRequest, GetUserFollowingRequest, ListBlockedUsersRequest, ListFollowRequestsRequest,
    SearchUsersRequest, UpdateUserProfileRequest, UserProfile,
};
use test_harness::{Dice, Outcome, Person, World};

const ROWS: usize = 23;
const PAGE: i32 = 4;

/// Pages through a list and adds a row after each page.
async fn page_while_it_grows(
    what: &str,
    at_start: impl IntoIterator<Item = String>,
    fetch: impl AsyncFn(String) -> Outcome<(Vec<String>, String)>,
    add_row: impl AsyncFn() -> Outcome,
) -> Outcome {
    let at_start: BTreeSet<String> = at_start.into_iter().collect();
    let (mut seen, mut token, mut pages) = (vec![], String::new(), 0);
    loop {
        let (page, next) = fetch(token).await?;
        assert!(page.len() <= PAGE as usize, "{what}: {} rows on a page of {PAGE}", page.len());
        assert!(next.is_empty() || !page.is_empty(), "{what}: an empty page that is not the last");
        seen.extend(page);
        pages += 1;
        assert!(pages < 100, "{what}: no end");
        if next.is_empty() {
            break;
        }
        token = next;
        if pages < 8 {
            add_row().await?;
        }
    }
    let distinct: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "{what}: a row was seen twice");
    let missed: Vec<_> = at_start.difference(&distinct).collect();
    assert!(missed.is_empty(), "{what}: {} of {} rows were missed: {missed:?}", missed.len(), at_start.len());
    Ok(())
}

fn ids(profiles: Vec<UserProfile>) -> Vec<String> {
    profiles.into_iter().map(|profile| profile.id).collect()
}

async fn make_private(person: &Person) -> Outcome {
    let request = UpdateUserProfileRequest { user_id: person.id.clone(), private: Some(true), ..Default::default() };
    person.clients.user.clone().update_user_profile(request).await?;
    Ok(())
}

#[tokio::test]
async fn lists_of_the_user_service() -> Outcome {
    let world = World::start().await;
    let [hub, shy] = world.people(["hub", "shy"]).await?;
    make_private(&shy).await?;
    let crowd = world.crowd(ROWS).await?;
    for person in &crowd {
        person.follow(&hub).await?;
        hub.follow(person).await?;
        person.follow(&shy).await?;
        shy.block(&hub).await?; // a repeat changes nothing
    }
    let everybody = || crowd.iter().map(|person| person.id.clone());
    let (id, page_size) = (|person: &Person| person.id.clone(), PAGE);

    let fetch = async |page_token| {
        let request = GetUserFollowersRequest { user_id: id(&hub), limit: page_size, offset: 0, page_token };
        let page = hub.clients.user.clone().get_user_followers(request).await?.into_inner();
        assert!(page.total_count >= ROWS as i64);
        Ok((ids(page.profiles), page.next_page_token))
    };
    let grow = async || world.person("late").await?.follow(&hub).await.map(drop);
    page_while_it_grows("GetUserFollowers", everybody(), fetch, grow).await?;

    let fetch = async |page_token| {
        let request = GetUserFollowingRequest { user_id: id(&hub), limit: page_size, offset: 0, page_token };
        let page = hub.clients.user.clone().get_user_following(request).await?.into_inner();
        Ok((ids(page.profiles), page.next_page_token))
    };
    let grow = async || hub.follow(&world.person("late").await?).await.map(drop);
    page_while_it_grows("GetUserFollowing", everybody(), fetch, grow).await?;

    let fetch = async |page_token| {
        let request = ListFollowRequestsRequest { user_id: id(&shy), limit: page_size, page_token };
        let page = shy.clients.user.clone().list_follow_requests(request).await?.into_inner();
        Ok((ids(page.profiles), page.next_page_token))
    };
    let grow = async || world.person("late").await?.follow(&shy).await.map(drop);
    page_while_it_grows("ListFollowRequests", everybody(), fetch, grow).await?;

    for person in &crowd {
        hub.block(person).await?;
    }
    let fetch = async |page_token| {
        let request = ListBlockedUsersRequest { user_id: id(&hub), limit: page_size, page_token };
        let page = hub.clients.user.clone().list_blocked_users(request).await?.into_inner();
        Ok((ids(page.profiles), page.next_page_token))
    };
    let grow = async || hub.block(&world.person("late").await?).await;
    page_while_it_grows("ListBlockedUsers", everybody(), fetch, grow).await
}

#[tokio::test]
async fn search_results() -> Outcome {
    let world = World::start().await;
    let dice = Dice::new();
    let word: String = (0..10).map(|_| char::from(b'a' + u8::try_from(dice.roll(26)).expect("a letter"))).collect();
    let mut found = vec![];
    for _ in 0..ROWS {
        found.push(world.person(&word).await?.id);
    }
    let reader = world.person("reader").await?;
    let fetch = async |page_token| {
        let request = SearchUsersRequest { query: word.clone(), limit: PAGE, offset: 0, page_token };
        let page = reader.clients.user.clone().search_users(request).await?.into_inner();
        Ok((ids(page.profiles), page.next_page_token))
    };
    let grow = async || world.person(&word).await.map(drop);
    page_while_it_grows("SearchUsers", found, fetch, grow).await
}

#[tokio::test]
async fn lists_of_the_messaging_service() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let crowd = world.crowd(ROWS).await?;
    let others: Vec<&Person> = crowd.iter().collect();
    let group = ada.group_with(&others, "crowd").await?.id;

    let mut messages = vec![];
    for n in 0..ROWS {
        messages.push(ada.send(&group, &format!("{n}")).await?.id);
    }
    for include_deleted in [false, true] {
        let fetch = async |page_token| {
            let request = GetMessagesRequest {
                conversation_id: group.clone(),
                limit: PAGE,
                include_deleted,
                page_token,
                ..Default::default()
            };
            let page = crowd[0].clients.messaging.clone().get_messages(request).await?.into_inner();
            Ok((page.messages.into_iter().map(|m| m.id).collect(), page.next_page_token))
        };
        let grow = async || ada.send(&group, "late").await.map(drop);
        page_while_it_grows("GetMessages", messages.clone(), fetch, grow).await?;
    }

    let members = crowd.iter().chain([&ada]).map(|person| person.id.clone());
    let fetch = async |page_token| {
        let request = GetConversationMembersRequest { conversation_id: group.clone(), limit: PAGE, page_token };
        let page = ada.clients.messaging.clone().get_conversation_members(request).await?.into_inner();
        assert_eq!(page.user_ids, page.members.iter().map(|m| m.user_id.clone()).collect::<Vec<_>>());
        Ok((page.user_ids, page.next_page_token))
    };
    let grow = async || {
        let request =
            AddMembersRequest { conversation_id: group.clone(), user_ids: vec![world.person("late").await?.id] };
        ada.clients.messaging.clone().add_members(request).await?;
        Ok(())
    };
    page_while_it_grows("GetConversationMembers", members, fetch, grow).await?;

    let mut conversations = vec![group.clone()];
    for person in &crowd {
        conversations.push(ada.direct_with(person).await?.id);
    }
    let fetch = async |page_token| {
        let request = ListConversationsRequest { user_id: ada.id.clone(), limit: PAGE, offset: 0, page_token };
        let page = ada.clients.messaging.clone().list_conversations(request).await?.into_inner();
        let ids = page.conversations.into_iter().filter_map(|view| view.conversation).map(|c| c.id).collect();
        Ok((ids, page.next_page_token))
    };
    let grow = async || ada.direct_with(&world.person("late").await?).await.map(drop);
    page_while_it_grows("ListConversations", conversations, fetch, grow).await
}

#[tokio::test]
async fn sessions_of_the_auth_service() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let log_in = async || {
        let request =
            LoginRequest { identifier: ada.email.clone(), password: ada.password.clone(), ..Default::default() };
        let tokens = world.nobody().auth.login(request).await?.into_inner().tokens;
        Ok(tokens.map(|tokens| tokens.session_id).unwrap_or_default())
    };
    let mut sessions = vec![ada.tokens.session_id.clone()];
    for _ in 0..12 {
        sessions.push(log_in().await?);
    }
    let fetch = async |page_token| {
        let request = ListSessionsRequest { user_id: ada.id.clone(), limit: PAGE, page_token };
        let page = ada.clients.auth.clone().list_sessions(request).await?.into_inner();
        Ok((page.sessions.into_iter().map(|s| s.id).collect(), page.next_page_token))
    };
    page_while_it_grows("ListSessions", sessions, fetch, async || log_in().await.map(drop)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_the_auth_service() -> Outcome {
    // Only its operator makes administrators of a provided installation.
    let world = World::own().await;
    let admin = world.administrator().await?;
    let crowd = world.crowd(ROWS).await?;
    let accounts = crowd.iter().chain([&admin]).map(|person| person.id.clone());
    let fetch = async |page_token| {
        let request = ListUsersRequest { limit: PAGE, page_token, ..Default::default() };
        let page = admin.clients.auth.clone().list_users(request).await?.into_inner();
        assert!(page.total_count > ROWS as i64);
        Ok((page.users.into_iter().map(|user| user.id).collect(), page.next_page_token))
    };
    page_while_it_grows("ListUsers", accounts, fetch, async || world.person("late").await.map(drop)).await
}
