//! G5: unread counts against a simple model, with random operations by three people.

use std::collections::BTreeMap;

use proptest::prelude::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use protos::messaging::v1::{AddMembersRequest, ListConversationsRequest, RemoveMemberRequest};
use test_harness::{Outcome, Person, World};

const PEOPLE: usize = 3;
const CONVERSATIONS: usize = 2; // a group of all three, and a direct conversation of the first two
const CASES: u32 = 12;

#[derive(Clone, Debug)]
enum Op {
    Send {
        who: usize,
        conversation: usize,
    },
    /// `which` counts back from the newest message; so do those below.
    Read {
        who: usize,
        conversation: usize,
        which: usize,
    },
    Edit {
        conversation: usize,
        which: usize,
    },
    Delete {
        conversation: usize,
        which: usize,
    },
    /// The third leaves the group and is added again: nothing is unread then.
    LeaveAndReturn,
}

fn op() -> impl Strategy<Value = Op> {
    (0..12usize, 0..PEOPLE, 0..CONVERSATIONS, 0..6usize).prop_map(|(kind, who, conversation, which)| {
        let who = if conversation == 1 { who % 2 } else { who };
        match kind {
            0..6 => Op::Send { who, conversation },
            6..9 => Op::Read { who, conversation, which },
            9 => Op::Edit { conversation, which },
            10 => Op::Delete { conversation, which },
            _ => Op::LeaveAndReturn,
        }
    })
}

struct Sent {
    id: String,
    sender: usize,
    live: bool,
}

#[derive(Default)]
struct Model {
    messages: [Vec<Sent>; CONVERSATIONS],
    /// How many of the first messages are read.
    markers: [[usize; PEOPLE]; CONVERSATIONS],
}

impl Model {
    fn unread(&self, who: usize, conversation: usize) -> i64 {
        let after_marker = &self.messages[conversation][self.markers[conversation][who]..];
        let unread = after_marker.iter().filter(|m| m.live && m.sender != who).count();
        i64::try_from(unread).expect("a small number")
    }

    fn pick(&self, conversation: usize, which: usize) -> Option<usize> {
        self.messages[conversation].len().checked_sub(which + 1)
    }
}

struct Play<'a> {
    people: &'a [Person; PEOPLE],
    conversations: [String; CONVERSATIONS],
    model: Model,
}

impl Play<'_> {
    async fn apply(&mut self, op: &Op) -> Outcome {
        match *op {
            Op::Send { who, conversation } => {
                let message = self.people[who].send(&self.conversations[conversation], "text").await?;
                self.model.messages[conversation].push(Sent { id: message.id, sender: who, live: true });
            }
            Op::Read { who, conversation, which } => {
                let Some(n) = self.model.pick(conversation, which) else { return Ok(()) };
                let left = self.people[who].read(&self.model.messages[conversation][n].id).await?;
                let marker = &mut self.model.markers[conversation][who];
                *marker = (*marker).max(n + 1);
                assert_eq!(left, self.model.unread(who, conversation), "MarkAsRead's own answer");
            }
            Op::Edit { conversation, which } => {
                let Some(n) = self.model.pick(conversation, which) else { return Ok(()) };
                let message = &self.model.messages[conversation][n];
                if message.live {
                    self.people[message.sender].edit(&message.id, "edited", 0).await?;
                }
            }
            Op::Delete { conversation, which } => {
                let Some(n) = self.model.pick(conversation, which) else { return Ok(()) };
                let message = &mut self.model.messages[conversation][n];
                self.people[message.sender].delete(&message.id).await?; // also twice
                message.live = false;
            }
            Op::LeaveAndReturn => {
                let (owner, guest) = (&self.people[0], &self.people[2]);
                let group = self.conversations[0].clone();
                let leave = RemoveMemberRequest { conversation_id: group.clone(), user_id: guest.id.clone() };
                guest.clients.messaging.clone().remove_member(leave).await?;
                let back = AddMembersRequest { conversation_id: group, user_ids: vec![guest.id.clone()] };
                owner.clients.messaging.clone().add_members(back).await?;
                self.model.markers[0][2] = self.model.messages[0].len();
            }
        }
        Ok(())
    }

    /// Every RPC that tells a count tells the model's.
    async fn check(&self) -> Outcome {
        for (who, person) in self.people.iter().enumerate() {
            let conversations = if who == 2 { 1 } else { CONVERSATIONS };
            let expected: Vec<i64> = (0..conversations).map(|c| self.model.unread(who, c)).collect();
            assert_eq!(person.unread(None).await?, expected.iter().sum::<i64>(), "all of person {who}");
            let request = ListConversationsRequest { user_id: person.id.clone(), limit: 100, ..Default::default() };
            let list = person.clients.messaging.clone().list_conversations(request).await?.into_inner().conversations;
            let listed: BTreeMap<_, _> = list
                .into_iter()
                .filter_map(|view| Some((view.conversation?.id, (view.unread_count, view.last_message.map(|m| m.id)))))
                .collect();
            for (c, expected) in expected.into_iter().enumerate() {
                let id = &self.conversations[c];
                let newest = self.model.messages[c].iter().rev().find(|m| m.live).map(|m| m.id.clone());
                let seen = person.conversation(id).await?;
                assert_eq!(seen.unread_count, expected, "GetConversation {c} of person {who}");
                assert_eq!(seen.last_message.map(|m| m.id), newest, "last message of {c}");
                assert_eq!(person.unread(Some(id)).await?, expected, "GetUnreadCount {c} of person {who}");
                assert_eq!(listed.get(id), Some(&(expected, newest)), "ListConversations {c} of person {who}");
            }
        }
        Ok(())
    }
}

async fn play(world: &World, ops: &[Op]) -> Outcome {
    let people = world.people(["ada", "bob", "eve"]).await?;
    let group = people[0].group_with(&[&people[1], &people[2]], "three").await?.id;
    let direct = people[0].direct_with(&people[1]).await?.id;
    let mut play = Play { people: &people, conversations: [group, direct], model: Model::default() };
    for (n, op) in ops.iter().enumerate() {
        play.apply(op).await?;
        if n % 3 == 2 || n + 1 == ops.len() {
            play.check().await?;
        }
    }
    Ok(())
}

#[test]
fn g5_unread_counts_equal_a_simple_model_whatever_happens() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let world = runtime.block_on(World::start());
    let config = Config { cases: CASES, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&proptest::collection::vec(op(), 1..40), |ops| {
        runtime.block_on(play(&world, &ops)).map_err(|error| TestCaseError::fail(error.to_string()))
    });
    if let Err(error) = result {
        panic!("{error}\n{}", world.journal());
    }
}
