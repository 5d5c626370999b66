//! How many calls are taken from one person, at the defaults. The clock stands still, so nothing is refilled.

use errors::ErrorDetailsOf;
use protos::messaging::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::World;

#[tokio::test]
async fn nobody_types_or_invites_without_end() {
    let world = World::with(|config| config.rate_limits.enabled = true).await;
    let instance = world.start().await;
    let [alice, bob] = world.people(&instance);
    let talk = alice.direct(&bob).await.expect("a conversation").id;
    let typing = || pb::SendTypingRequest { conversation_id: talk.clone() };
    for _ in 0..20 {
        alice.rpc.clone().send_typing(typing()).await.expect("taken");
    }
    let status = alice.rpc.clone().send_typing(typing()).await.expect_err("limited");
    assert_reason(&status, Code::ResourceExhausted, "RATE_LIMITED");
    assert_eq!(status.reason_metadata("limit").as_deref(), Some("typing"));
    bob.rpc.clone().send_typing(typing()).await.expect("another person");

    for n in 1..60 {
        alice.group(&format!("group {n}"), &[&bob]).await.expect("taken");
    }
    let status = alice.group("one too many", &[&bob]).await.expect_err("limited");
    assert_eq!(status.reason_metadata("limit").as_deref(), Some("invite"));
    alice.send(&talk, "still here").await.expect("taken");
}
