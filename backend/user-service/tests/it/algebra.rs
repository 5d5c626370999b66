//! Any sequence of follows, blocks, answers and changes of privacy, held against a model that is plain enough to be right.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protos::user::v1::relationship::Kind;
use tonic::Status;

use crate::world::{Person, World, relationship};

const PEOPLE: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Follow(usize, usize),
    Unfollow(usize, usize),
    Block(usize, usize),
    Unblock(usize, usize),
    Respond(usize, usize, bool),
    SetPrivate(usize, bool),
}

#[derive(Default)]
struct Model {
    private: BTreeSet<usize>,
    follows: BTreeMap<(usize, usize), bool>, // true: active
    blocks: BTreeSet<(usize, usize)>,
}

impl Model {
    /// What the call must answer: the relation it reports, or the reason it is refused for.
    fn apply(&mut self, op: &Op) -> Result<Option<Kind>, &'static str> {
        match *op {
            Op::Follow(a, b) => {
                if self.blocks.contains(&(a, b)) || self.blocks.contains(&(b, a)) {
                    return Err("USER_BLOCKED");
                }
                let is_active = self.follows.entry((a, b)).or_default();
                *is_active = *is_active || !self.private.contains(&b);
                Ok(Some(self.seen_by_first(a, b)))
            }
            Op::Unfollow(a, b) => {
                self.follows.remove(&(a, b));
                Ok(Some(self.seen_by_first(a, b)))
            }
            Op::Block(a, b) => {
                self.blocks.insert((a, b));
                self.follows.remove(&(a, b));
                self.follows.remove(&(b, a));
                Ok(None)
            }
            Op::Unblock(a, b) => {
                self.blocks.remove(&(a, b));
                Ok(None)
            }
            Op::Respond(a, b, accept) => {
                if self.follows.get(&(b, a)) != Some(&false) {
                    return Err("FOLLOW_REQUEST_NOT_FOUND");
                }
                if accept {
                    self.follows.insert((b, a), true)
                } else {
                    self.follows.remove(&(b, a))
                };
                Ok(Some(self.seen_by_first(a, b)))
            }
            Op::SetPrivate(a, true) => {
                self.private.insert(a);
                Ok(None)
            }
            Op::SetPrivate(a, false) => {
                self.private.remove(&a);
                Ok(None)
            }
        }
    }

    fn seen_by_first(&self, a: usize, b: usize) -> Kind {
        if self.blocks.contains(&(a, b)) { Kind::Blocked } else { self.follow_kind(a, b) }
    }

    fn seen_by_service(&self, a: usize, b: usize) -> Kind {
        if self.blocks.contains(&(b, a)) { Kind::Blocked } else { self.seen_by_first(a, b) }
    }

    fn follow_kind(&self, a: usize, b: usize) -> Kind {
        match (self.follows.get(&(a, b)), self.follows.get(&(b, a))) {
            (Some(true), Some(true)) => Kind::Mutual,
            (Some(true), _) => Kind::Following,
            (Some(false), _) => Kind::Pending,
            (None, Some(true)) => Kind::Follower,
            (None, _) => Kind::None,
        }
    }

    fn counts(&self, a: usize) -> (i64, i64) {
        let active = || self.follows.iter().filter(|(_, is_active)| **is_active).map(|(pair, _)| pair);
        let count = |n: usize| i64::try_from(n).expect("few");
        (count(active().filter(|p| p.1 == a).count()), count(active().filter(|p| p.0 == a).count()))
    }
}

async fn perform(people: &[Person], op: &Op) -> Result<Option<Kind>, Status> {
    match *op {
        Op::Follow(a, b) => people[a].follow(&people[b]).await.map(Some),
        Op::Unfollow(a, b) => people[a].unfollow(&people[b]).await.map(Some),
        Op::Block(a, b) => people[a].block(&people[b]).await.map(|()| None),
        Op::Unblock(a, b) => people[a].unblock(&people[b]).await.map(|()| None),
        Op::Respond(a, b, accept) => people[a].respond(&people[b], accept).await.map(Some),
        Op::SetPrivate(a, private) => {
            people[a].set_private(private).await;
            Ok(None)
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let pair = (0..PEOPLE, 1..PEOPLE).prop_map(|(a, step)| (a, (a + step) % PEOPLE));
    prop_oneof![
        6 => pair.clone().prop_map(|(a, b)| Op::Follow(a, b)),
        2 => pair.clone().prop_map(|(a, b)| Op::Unfollow(a, b)),
        1 => pair.clone().prop_map(|(a, b)| Op::Block(a, b)),
        1 => pair.clone().prop_map(|(a, b)| Op::Unblock(a, b)),
        3 => (pair, any::<bool>()).prop_map(|((a, b), accept)| Op::Respond(a, b, accept)),
        2 => (0..PEOPLE, any::<bool>()).prop_map(|(a, private)| Op::SetPrivate(a, private)),
    ]
}

async fn hold_against_the_model(world: &World, ops: &[Op]) -> Result<(), TestCaseError> {
    let people: Vec<Person> = world.people(["a", "b", "c"]).await.into();
    let mut model = Model::default();
    for op in ops {
        let answer = perform(&people, op).await;
        let answer = answer.map_err(|status| errors::ErrorDetailsOf::reason(&status).unwrap_or_default());
        prop_assert_eq!(answer, model.apply(op).map_err(str::to_owned), "{:?}", op);
    }
    for a in 0..PEOPLE {
        prop_assert_eq!(people[a].counts().await, model.counts(a), "counts of {}", a);
        for b in (0..PEOPLE).filter(|b| *b != a) {
            let seen = people[a].relationship(&people[b]).await.expect("both are there");
            prop_assert_eq!(seen, model.seen_by_first(a, b), "{} of {}", a, b);
            let seen = relationship(world.service(), people[a].id, people[b].id).await.expect("both are there");
            prop_assert_eq!(seen, model.seen_by_service(a, b), "{} of {}", a, b);
        }
    }
    Ok(())
}

#[test]
fn any_sequence_ends_where_the_model_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::start());
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let strategy = prop::collection::vec(op(), 1..40);
    let checked = TestRunner::new(config).run(&strategy, |ops| runtime.block_on(hold_against_the_model(&world, &ops)));
    runtime.block_on(world.assert_consistent());
    checked.unwrap();
}
