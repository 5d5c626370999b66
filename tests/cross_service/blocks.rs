//! G6: once BlockUser has answered, no later direct message between the two is accepted. And follows that race blocks.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use protos::user::v1::relationship::Kind;
use test_harness::{GrpcTestError, Outcome, Person, Refusal, World};
use testkit::eventually;
use tonic::Code;

const ROUNDS: usize = 25;
/// Sends of each sender that start after the block holds.
const SENDS_AFTER: usize = 3;

struct Sent {
    begun: Instant,
    answer: Result<i64, String>,
}

/// Sends without pause until some sends have begun after the block holds everywhere.
async fn keep_sending(sender: &Person, conversation: &str, holds_from: &Mutex<Option<Instant>>) -> Outcome<Vec<Sent>> {
    let mut sent = vec![];
    let mut after = 0;
    while after < SENDS_AFTER {
        let begun = Instant::now();
        let answer = match sender.send(conversation, "in flight").await {
            Ok(message) => Ok(message.sequence),
            Err(GrpcTestError::Status { code: Code::FailedPrecondition, reason, .. }) => Err(reason),
            Err(other) => return Err(other),
        };
        if holds_from.lock().expect("no panic meanwhile").is_some_and(|from| begun > from) {
            after += 1;
        }
        sent.push(Sent { begun, answer });
    }
    Ok(sent)
}

#[tokio::test]
async fn g6_no_message_that_starts_after_a_block_has_answered_is_accepted() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    ada.follow(&bob).await?;
    let mut accepted = 0;
    for round in 0..ROUNDS {
        let holds_from = Mutex::new(None);
        let senders = [&ada, &bob, &ada, &bob];
        let senders = join_all(senders.map(|sender| keep_sending(sender, &conversation, &holds_from)));
        let (blocker, blocked) = if round % 2 == 0 { (&bob, &ada) } else { (&ada, &bob) };
        let block = async {
            // Sends are in flight by now, at another point in each round.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let answer = blocker.block(blocked).await;
            *holds_from.lock().expect("no panic meanwhile") = Some(Instant::now() + world.block_holds_within());
            answer
        };
        let (sent, answered) = join(senders, block).await;
        answered?;
        let holds_from = holds_from.lock().expect("no panic meanwhile").expect("the block has answered");
        for sent in sent.into_iter().collect::<Outcome<Vec<_>>>()?.into_iter().flatten() {
            match sent.answer {
                Ok(sequence) => {
                    accepted += 1;
                    assert!(
                        sent.begun <= holds_from,
                        "round {round}: message {sequence} began after the block had answered"
                    );
                }
                Err(reason) => assert_eq!(reason, "USER_BLOCKED"),
            }
        }
        assert_eq!(ada.history(&conversation, true).await?.len(), accepted, "what was refused is not there");

        blocker.unblock(blocked).await?;
        assert_eq!(ada.relationship_to(&bob).await?, Kind::None, "an unblock brings no follow back");
        eventually("one may write again", Duration::from_secs(2), || async {
            ada.send(&conversation, "again").await.ok()
        })
        .await;
        accepted += 1;
    }
    assert!(accepted > 2 * ROUNDS, "blocks met sends in flight: {accepted} were accepted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_a_replica_that_nobody_tells_obeys_a_block_within_a_second() -> Outcome {
    let world = World::own().await;
    let replica = world.with_messaging_replica().await?;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let ada_there = replica.seen_from_here(&ada);
    ada.send(&conversation, "here").await?;
    ada_there.send(&conversation, "there").await?; // its answer is remembered now

    bob.block(&ada).await?;
    let answered = Instant::now();
    ada.send(&conversation, "here").await.refused(Code::FailedPrecondition, "USER_BLOCKED");
    loop {
        let begun = Instant::now();
        let late = begun.duration_since(answered) > Duration::from_secs(1);
        match ada_there.send(&conversation, "there").await {
            Ok(message) => {
                assert!(!late, "message {} was accepted {:?} after the block", message.sequence, begun - answered)
            }
            refused => {
                refused.refused(Code::FailedPrecondition, "USER_BLOCKED");
                break;
            }
        }
    }
    for _ in 0..20 {
        ada_there.send(&conversation, "there").await.refused(Code::FailedPrecondition, "USER_BLOCKED");
    }
    Ok(())
}

#[tokio::test]
async fn a_follow_that_races_a_block_never_survives_it() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    for round in 0..40 {
        let (follow, (follow_back, block)) = join(ada.follow(&bob), join(bob.follow(&ada), bob.block(&ada))).await;
        block?;
        for followed in [follow, follow_back] {
            if followed.is_err() {
                followed.refused(Code::FailedPrecondition, "USER_BLOCKED");
            }
        }
        assert_eq!(bob.relationship_to(&ada).await?, Kind::Blocked, "round {round}");
        assert_eq!(ada.relationship_to(&bob).await?, Kind::None, "round {round}: a block is not shown to the blocked");
        ada.profile_of(&bob.id).await.refused(Code::NotFound, "USER_NOT_FOUND");
        for person in [&ada, &bob] {
            let profile = person.profile_of("me").await?;
            assert_eq!((profile.follower_count, profile.following_count), (0, 0), "round {round}");
        }
        bob.unblock(&ada).await?;
        assert_eq!(ada.relationship_to(&bob).await?, Kind::None, "round {round}: nothing comes back");
    }
    Ok(())
}

#[tokio::test]
async fn follows_and_unfollows_that_race_leave_counts_that_equal_the_rows() -> Outcome {
    let world = World::start().await;
    let hub = world.person("hub").await?;
    let fans = world.crowd(12).await?;
    for _ in 0..4 {
        let moves =
            join_all(fans.iter().map(|fan| join(fan.follow(&hub), join(fan.unfollow(&hub), fan.follow(&hub))))).await;
        for (first, (second, third)) in moves {
            for answer in [first, second, third] {
                answer?;
            }
        }
        let mut following = 0;
        for fan in &fans {
            let follows = fan.relationship_to(&hub).await? == Kind::Following;
            assert_eq!(fan.profile_of("me").await?.following_count, i64::from(follows));
            following += i64::from(follows);
        }
        assert_eq!(hub.profile_of("me").await?.follower_count, following);
    }
    Ok(())
}
