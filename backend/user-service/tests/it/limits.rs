//! How many calls are taken from one person, at the defaults. The clock stands still, so nothing is refilled.

use errors::ErrorDetailsOf;
use protos::user::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::World;

#[tokio::test]
async fn searches_are_limited_before_other_calls_are() {
    let world = World::start_with(|config, _| config.rate_limits.enabled = true).await;
    let [ada, bob] = world.people(["ada", "bob"]).await;
    let search = || pb::SearchUsersRequest { query: "ada".to_owned(), ..Default::default() };
    let mut client = ada.client.clone();
    for _ in 0..20 {
        client.search_users(search()).await.expect("taken");
    }
    let status = client.search_users(search()).await.expect_err("limited");
    assert_reason(&status, Code::ResourceExhausted, "RATE_LIMITED");
    assert_eq!(status.reason_metadata("limit").as_deref(), Some("search"));
    client.get_user_profile(pb::GetUserProfileRequest { user_id: bob.id.to_string() }).await.expect("taken");
    bob.client.clone().search_users(search()).await.expect("another person");
}
