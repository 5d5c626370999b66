//! Pages of lists: order, tokens, offsets, privacy, and lists that grow while they are read.

use std::collections::HashSet;
use std::time::Duration;

use errors::ErrorDetailsOf;
use protos::user::v1 as pb;
use protos::user::v1::user_settings::PrivacyLevel;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Client, Person, World, names};

async fn page(
    mut client: Client,
    of: &Person,
    limit: i32,
    offset: i32,
    token: &str,
) -> Result<pb::GetUserFollowersResponse, tonic::Status> {
    let (user_id, page_token) = (of.id.to_string(), token.to_owned());
    Ok(client
        .get_user_followers(pb::GetUserFollowersRequest { user_id, limit, offset, page_token })
        .await?
        .into_inner())
}

async fn fans(world: &World, of: &Person, names: std::ops::Range<usize>) -> Vec<Person> {
    let mut fans = vec![];
    for n in names {
        let fan = world.person(&format!("fan{n:03}")).await;
        world.hands.advance(Duration::from_secs(1));
        fan.follow(of).await.unwrap();
        fans.push(fan);
    }
    fans
}

#[tokio::test]
async fn the_latest_come_first_and_limits_hold() {
    let world = World::start_with(|config, _| config.paging.max_limit = 25).await;
    let star = world.person("star").await;
    fans(&world, &star, 0..30).await;
    let all: Vec<String> = (0..30).rev().map(|n| format!("fan{n:03}")).collect();

    let first = page(star.client(), &star, 0, 0, "").await.unwrap();
    assert_eq!((names(first.profiles), first.total_count), (all[..20].to_vec(), 30));
    assert_eq!(names(page(star.client(), &star, 1000, 0, "").await.unwrap().profiles), all[..25]);
    assert_eq!(names(page(star.client(), &star, 3, 5, "").await.unwrap().profiles), all[5..8]);
    let after_offset = page(star.client(), &star, 3, 5, "").await.unwrap().next_page_token;
    assert_eq!(names(page(star.client(), &star, 3, 0, &after_offset).await.unwrap().profiles), all[8..11]);
    let beyond = page(star.client(), &star, 3, 10_000, "").await.unwrap();
    assert_eq!((beyond.profiles.len(), beyond.next_page_token.as_str(), beyond.total_count), (0, "", 30));

    let faulty = async |limit, offset, token: &str| page(star.client(), &star, limit, offset, token).await.unwrap_err();
    assert_eq!(faulty(-1, 0, "").await.violated_fields(), ["limit"]);
    assert_eq!(faulty(1, -1, "").await.violated_fields(), ["offset"]);
    assert_reason(&faulty(1, 10_001, "").await, Code::OutOfRange, "OFFSET_TOO_LARGE");
    assert_eq!(faulty(1, 1, &first.next_page_token).await.violated_fields(), ["offset"]);
    for token in ["x", "AAAA", &first.next_page_token[1..]] {
        assert_reason(&faulty(1, 0, token).await, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }
}

#[tokio::test]
async fn a_token_serves_only_the_list_that_it_came_from() {
    let world = World::start().await;
    let [star, other] = world.people(["star", "other"]).await;
    fans(&world, &star, 0..3).await;
    let token = page(star.client(), &star, 1, 0, "").await.unwrap().next_page_token;
    assert!(page(star.client(), &star, 2, 0, &token).await.is_ok(), "another limit is fine");
    let of_another = page(star.client(), &other, 1, 0, &token).await.unwrap_err();
    assert_reason(&of_another, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let following =
        pb::GetUserFollowingRequest { user_id: star.id.to_string(), limit: 1, page_token: token, ..Default::default() };
    assert_reason(
        &star.client().get_user_following(following).await.unwrap_err(),
        Code::InvalidArgument,
        "PAGE_TOKEN_INVALID",
    );
}

#[tokio::test]
async fn a_list_that_grows_is_read_to_its_end_without_gap_or_repeat() {
    let world = World::start().await;
    let star = world.person("star").await;
    // All at the same moment: only the id tells them apart.
    let mut first_fans = HashSet::new();
    for n in 0..17 {
        let fan = world.person(&format!("fan{n:03}")).await;
        first_fans.insert(format!("fan{n:03}"));
        fan.follow(&star).await.unwrap();
    }
    let (mut token, mut seen, mut n) = (String::new(), vec![], 100);
    loop {
        let answer = page(star.client(), &star, 4, 0, &token).await.unwrap();
        seen.extend(names(answer.profiles));
        if answer.next_page_token.is_empty() {
            break;
        }
        token = answer.next_page_token;
        fans(&world, &star, n..n + 2).await;
        n += 2;
    }
    let distinct: HashSet<String> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "nobody twice: {seen:?}");
    assert!(first_fans.is_subset(&distinct), "nobody left out: {seen:?}");
    assert_eq!(distinct, first_fans, "who came later stands before the first page");
}

#[tokio::test]
async fn the_other_lists_are_read_to_their_end_too() {
    let world = World::start().await;
    let star = world.person("star").await;
    let crowd = fans(&world, &star, 0..7).await;
    star.set_private(true).await;
    for (n, person) in crowd.iter().enumerate() {
        world.hands.advance(Duration::from_secs(1));
        star.follow(person).await.unwrap();
        let asker = world.person(&format!("asker{n}")).await;
        asker.follow(&star).await.unwrap();
        let foe = world.person(&format!("foe{n}")).await;
        star.block(&foe).await.unwrap();
    }
    let falling = |prefix: &str, width: usize| (0..7).rev().map(|n| format!("{prefix}{n:0width$}")).collect::<Vec<_>>();
    let (user_id, limit) = (star.id.to_string(), 3);

    let (mut seen, mut page_token) = (vec![], String::new());
    loop {
        let request = pb::GetUserFollowingRequest { user_id: user_id.clone(), limit, offset: 0, page_token };
        let answer = star.client().get_user_following(request).await.unwrap().into_inner();
        assert_eq!(answer.total_count, 7);
        seen.extend(names(answer.profiles));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, falling("fan", 3));
    let (mut seen, mut page_token) = (vec![], String::new());
    loop {
        let request = pb::ListFollowRequestsRequest { user_id: user_id.clone(), limit, page_token };
        let answer = star.client().list_follow_requests(request).await.unwrap().into_inner();
        seen.extend(names(answer.profiles));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, falling("asker", 1));
    let (mut seen, mut page_token) = (vec![], String::new());
    loop {
        let request = pb::ListBlockedUsersRequest { user_id: user_id.clone(), limit, page_token };
        let answer = star.client().list_blocked_users(request).await.unwrap().into_inner();
        seen.extend(names(answer.profiles));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, falling("foe", 1));
}

#[tokio::test]
async fn lists_are_open_to_whom_the_owner_lets() {
    let world = World::start().await;
    let [owner, follower, asker, stranger] = world.people(["owner", "follower", "asker", "stranger"]).await;
    follower.follow(&owner).await.unwrap();
    owner.set_private(true).await;
    asker.follow(&owner).await.unwrap();
    let level =
        |level: PrivacyLevel| pb::UpdateUserSettingsRequest { privacy_level: Some(level.into()), ..Default::default() };
    // (private account, level, shown to its followers, shown to any)
    for (is_private, privacy, to_followers, to_any) in [
        (false, PrivacyLevel::Public, true, true),
        (true, PrivacyLevel::Public, true, false),
        (false, PrivacyLevel::Followers, true, false),
        (true, PrivacyLevel::Followers, true, false),
        (false, PrivacyLevel::Private, false, false),
        (true, PrivacyLevel::Private, false, false),
    ] {
        owner.set_private(is_private).await;
        owner.settings(level(privacy)).await.unwrap();
        for (who, is_shown) in [(&owner, true), (&follower, to_followers), (&asker, to_any), (&stranger, to_any)] {
            for list in [who.followers(&owner).await, who.following(&owner).await] {
                match list {
                    Ok(_) => assert!(is_shown, "{is_private} {privacy:?}"),
                    Err(status) => {
                        assert!(!is_shown, "{is_private} {privacy:?}");
                        assert_reason(&status, Code::PermissionDenied, "LIST_PRIVATE");
                    }
                }
            }
        }
        for client in [world.service(), world.admin()] {
            assert_eq!(page(client, &owner, 0, 0, "").await.unwrap().total_count, 1);
        }
    }
    let nobody = Person { id: world.new_id(), client: stranger.client() };
    assert_reason(&stranger.followers(&nobody).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    let theirs = pb::ListFollowRequestsRequest { user_id: owner.id.to_string(), ..Default::default() };
    assert_reason(
        &stranger.client().list_follow_requests(theirs).await.unwrap_err(),
        Code::PermissionDenied,
        "PERMISSION_DENIED",
    );
    let theirs = pb::ListBlockedUsersRequest { user_id: owner.id.to_string(), ..Default::default() };
    assert_reason(
        &stranger.client().list_blocked_users(theirs).await.unwrap_err(),
        Code::PermissionDenied,
        "PERMISSION_DENIED",
    );
}
