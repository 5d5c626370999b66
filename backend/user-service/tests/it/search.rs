//! Search: what is found, in which order, over pages.

use errors::ErrorDetailsOf;
use protos::user::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Person, World, names};

async fn rename(person: &Person, display_name: &str) {
    let request = pb::UpdateUserProfileRequest {
        user_id: "me".to_owned(),
        display_name: Some(display_name.to_owned()),
        ..Default::default()
    };
    person.client().update_user_profile(request).await.unwrap();
}

#[tokio::test]
async fn exact_then_prefix_then_similar_then_followers() {
    let world = World::start().await;
    let people =
        world.people(["marta", "martam", "martab", "martabcdef", "xmarta", "zz_marta", "marto", "unrelated"]).await;
    let [_, martam, ..] = &people;
    people[7].follow(martam).await.unwrap();
    let found = people[7].search("MARTA").await;
    assert_eq!(found[..4], ["marta", "martam", "martab", "martabcdef"], "equal likeness: more followers first");
    let rest: std::collections::BTreeSet<&str> = found[4..].iter().map(String::as_str).collect();
    assert_eq!(rest, ["xmarta", "zz_marta", "marto"].into(), "what contains it, and what is like it");
    assert_eq!(people[0].search("marta").await[0], "marta", "oneself too");
}

#[tokio::test]
async fn signs_mean_themselves() {
    let world = World::start().await;
    let [a, b, c, d] = world.people(["al_ce", "alice", "user_one", "userxone"]).await;
    rename(&a, "100% Albert").await;
    rename(&b, "1000 Alberts").await;
    rename(&c, "back\\slash").await;
    assert_eq!(d.search("al_ce").await, ["al_ce"]);
    assert_eq!(d.search("user_one").await, ["user_one"]);
    assert_eq!(d.search("100%").await, ["al_ce"]);
    assert_eq!(d.search("back\\slash").await, ["user_one"]);
    for nothing in ["%", "_", "%%%", "___", "%alice%", "a%", "\\", "'; --"] {
        assert_eq!(d.search(nothing).await, [] as [&str; 0], "{nothing}");
    }
    assert_eq!(d.search("100").await.len(), 2);
}

#[tokio::test]
async fn names_are_found_by_case_display_name_and_beginning() {
    let world = World::start().await;
    let [a, b, c] = world.people(["ann.lee", "bea", "chi"]).await;
    rename(&a, "Änne Müller-Lüdenscheidt").await;
    rename(&c, "李小龙").await;
    assert_eq!(b.search("änne MÜLLER").await, ["ann.lee"]);
    assert_eq!(b.search("lüdenscheidt").await, ["ann.lee"]);
    assert_eq!(b.search("an").await, ["ann.lee"]);
    assert_eq!(b.search("än").await, ["ann.lee"]);
    assert_eq!(b.search("李").await, ["chi"]);
    assert_eq!(b.search("  BEA  ").await, ["bea"]);
    assert_eq!(b.search("le").await, [] as [&str; 0], "short queries find beginnings only");
}

#[tokio::test]
async fn every_page_follows_the_one_before() {
    let world = World::start().await;
    let me = world.person("zed").await;
    let mut crowd = vec![];
    for n in 0..40 {
        crowd.push(world.person(&format!("sam{}", "x".repeat(n % 5) + &n.to_string())).await);
    }
    for (n, person) in crowd.iter().enumerate().take(10) {
        for fan in crowd.iter().skip(20).take(n % 4) {
            fan.follow(person).await.unwrap();
        }
    }
    let whole = me.search("sam").await;
    assert_eq!(whole.len(), 40);
    for limit in [1, 3, 7] {
        let (mut seen, mut page_token) = (vec![], String::new());
        loop {
            let request = pb::SearchUsersRequest { query: "Sam".to_owned(), limit, offset: 0, page_token };
            let answer = me.client().search_users(request).await.unwrap().into_inner();
            seen.extend(names(answer.profiles));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, whole, "limit {limit}");
    }
    let request = pb::SearchUsersRequest { query: "sam".to_owned(), limit: 5, offset: 30, page_token: String::new() };
    assert_eq!(names(me.client().search_users(request).await.unwrap().into_inner().profiles), whole[30..35]);
}

#[tokio::test]
async fn a_short_query_ranks_the_first_thousand() {
    let world = World::start().await;
    let [me, exact, star, foe] = world.people(["me", "q", "q0500", "q0501"]).await;
    foe.block(&me).await.unwrap();
    me.follow(&star).await.unwrap();
    let mut connection = world.database.connect().await;
    // Among the first thousand user names are those three and q0000 to q0996; of one display name there are more than a thousand.
    sqlx::raw_sql(
        "INSERT INTO profiles (user_id, username, display_name, display_key, created_at, updated_at)
         SELECT gen_random_uuid(), 'q' || lpad(n::text, 4, '0') || 'x', 'Z', 'z', now(), now() FROM generate_series(0, 1999) n;
         INSERT INTO profiles (user_id, username, display_name, display_key, created_at, updated_at)
         SELECT gen_random_uuid(), 'y' || n, 'Qu', 'qu', now(), now() FROM generate_series(0, 1199) n",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let (mut seen, mut page_token) = (vec![], String::new());
    loop {
        let request = pb::SearchUsersRequest { query: "Q".to_owned(), limit: 100, offset: 0, page_token };
        let answer = me.client().search_users(request).await.unwrap().into_inner();
        seen.extend(answer.profiles.into_iter().map(|profile| (profile.username, profile.display_name)));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen[0].0, "q", "the user name itself comes first");
    assert!(!seen.iter().any(|(name, _)| *name == "q0501"), "a block hides here too");
    let (by_username, by_display_name): (Vec<_>, Vec<_>) = seen.iter().partition(|(name, _)| name.starts_with('q'));
    let last = by_username.iter().map(|(name, _)| name.as_str()).max();
    assert_eq!((by_username.len(), last), (999, Some("q0996x")));
    assert_eq!(seen[1].0, "q0500", "then the nearest name");
    assert_eq!(by_display_name.len(), 997, "a thousand display names, with those of q, q0500 and q0501");
    let distinct: std::collections::BTreeSet<_> = seen.iter().map(|(name, _)| name).collect();
    assert_eq!(distinct.len(), seen.len(), "nobody twice");
    assert_eq!(exact.search("q").await[..3], ["q", "q0500", "q0501"], "of equal names the one with more followers");
}

#[tokio::test]
async fn queries_and_tokens_are_checked() {
    let world = World::start().await;
    let [me, _] = world.people(["bob", "bobby"]).await;
    for query in ["", "   ", "a\u{0}b", &"x".repeat(65)] {
        let request = pb::SearchUsersRequest { query: query.to_owned(), ..Default::default() };
        let status = me.client().search_users(request).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
        assert_eq!(status.violated_fields(), ["query"]);
    }
    assert_eq!(me.search(&"x".repeat(64)).await, [] as [&str; 0]);
    let first = pb::SearchUsersRequest { query: "bob".to_owned(), limit: 1, ..Default::default() };
    let token = me.client().search_users(first).await.unwrap().into_inner().next_page_token;
    let other = pb::SearchUsersRequest { query: "bobb".to_owned(), limit: 1, offset: 0, page_token: token };
    assert_reason(&me.client().search_users(other).await.unwrap_err(), Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let far = pb::SearchUsersRequest { query: "bob".to_owned(), offset: 10_001, ..Default::default() };
    assert_reason(&me.client().search_users(far).await.unwrap_err(), Code::OutOfRange, "OFFSET_TOO_LARGE");
}

/// The plan on many rows: every way to match goes through an index.
#[tokio::test]
async fn a_search_reads_no_whole_table() {
    let world = World::start().await;
    let mut connection = world.database.connect().await;
    sqlx::raw_sql(
        "INSERT INTO profiles (user_id, username, display_name, display_key, created_at, updated_at)
         SELECT gen_random_uuid(), 'u' || md5(n::text), 'Name ' || md5((n + 1)::text), 'name ' || md5((n + 1)::text), now(), now()
         FROM generate_series(1, 20000) n; ANALYZE profiles",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let me = world.person("me").await;
    let scans = async |connection: &mut sqlx::PgConnection| -> i64 {
        sqlx::raw_sql("SELECT pg_stat_clear_snapshot()").execute(&mut *connection).await.unwrap();
        let seq = "SELECT COALESCE(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables WHERE relname = 'profiles'";
        sqlx::query_scalar(seq).fetch_one(connection).await.unwrap()
    };
    let before = scans(&mut connection).await;
    for query in ["u1234", "uc4ca4238a0b923820dcc509a6f75849b", "name", "u", "%", "abc_1"] {
        me.search(query).await;
    }
    world.life.stop().await; // backends that end have told what they did
    let after = testkit::eventually("statistics", std::time::Duration::from_secs(5), async || {
        let mut connection = world.database.connect().await;
        let idle =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'user'";
        let left: i64 = sqlx::query_scalar(idle).fetch_one(&mut connection).await.unwrap();
        if left == 0 { Some(scans(&mut connection).await) } else { None }
    })
    .await;
    assert_eq!(after - before, 0, "rows read by scanning the whole table");
}
