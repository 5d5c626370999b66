//! Promise G5 against a model that counts message by message: any mixture of sends, edits, deletions, markers, leaving
//! and coming back, after which every RPC must tell the model's number.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protos::messaging::v1 as pb;

use crate::world::{Instance, Person, World};

/// The first of them owns the group and stays.
const PEOPLE: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    Send(usize),
    Retry(usize),
    Edit(usize),
    Delete(usize),
    Read(usize, usize),
    Leave(usize),
    Join(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let person = 0..PEOPLE;
    let guest = 1..PEOPLE;
    let message = any::<prop::sample::Index>().prop_map(|index| index.index(1000));
    prop_oneof![
        6 => person.clone().prop_map(Op::Send),
        1 => message.clone().prop_map(Op::Retry),
        1 => message.clone().prop_map(Op::Edit),
        3 => message.clone().prop_map(Op::Delete),
        4 => (person, message).prop_map(|(p, m)| Op::Read(p, m)),
        1 => guest.clone().prop_map(Op::Leave),
        2 => guest.prop_map(Op::Join),
    ]
}

struct Sent {
    id: String,
    client_id: String,
    sender: usize,
    deleted: bool,
}

#[derive(Clone, Copy)]
struct Membership {
    present: bool,
    marker: usize,
}

struct Model {
    messages: Vec<Sent>,
    members: [Membership; PEOPLE],
}

impl Model {
    fn unread(&self, person: usize) -> i64 {
        let unread = |(i, m): &(usize, &Sent)| *i >= self.members[person].marker && m.sender != person && !m.deleted;
        i64::try_from(self.messages.iter().enumerate().filter(unread).count()).unwrap()
    }

    fn present(&self, person: usize) -> bool {
        self.members[person].present
    }
}

async fn apply(op: &Op, model: &mut Model, people: &[Person; PEOPLE], chat: &str) {
    let pick = |m: &usize, model: &Model| (!model.messages.is_empty()).then(|| m % model.messages.len().max(1));
    match op {
        Op::Send(p) if model.present(*p) => {
            let client_id = format!("{}", model.messages.len());
            let sent = people[*p].send_as(chat, "x", &client_id).await.unwrap();
            assert_eq!(usize::try_from(sent.sequence).unwrap(), model.messages.len() + 1);
            model.messages.push(Sent { id: sent.id, client_id, sender: *p, deleted: false });
        }
        Op::Retry(m) => {
            let Some(m) = pick(m, model).filter(|m| model.present(model.messages[*m].sender)) else { return };
            let message = &model.messages[m];
            let again = people[message.sender].send_as(chat, "x", &message.client_id).await.unwrap();
            assert_eq!(again.id, message.id);
        }
        Op::Edit(m) => {
            let Some(m) = pick(m, model) else { return };
            let message = &model.messages[m];
            if model.present(message.sender) && !message.deleted {
                people[message.sender].edit(&message.id, "y", 0).await.unwrap();
            }
        }
        Op::Delete(m) => {
            let Some(m) = pick(m, model) else { return };
            let sender = model.messages[m].sender;
            // The owner may delete anybody's.
            let deleter = if model.present(sender) { sender } else { 0 };
            if deleter == sender || !model.messages[m].deleted {
                people[deleter].delete(&model.messages[m].id).await.unwrap();
                model.messages[m].deleted = true;
            }
        }
        Op::Read(p, m) if model.present(*p) => {
            let Some(m) = pick(m, model) else { return };
            let left = people[*p].read(&model.messages[m].id).await.unwrap();
            model.members[*p].marker = model.members[*p].marker.max(m + 1);
            assert_eq!(left, model.unread(*p), "MarkAsRead");
        }
        Op::Leave(p) if model.present(*p) => {
            people[*p].remove(chat, &people[*p]).await.unwrap();
            model.members[*p].present = false;
        }
        Op::Join(p) => {
            let added = people[0].add(chat, &[&people[*p]]).await.unwrap().added_user_ids;
            assert_eq!(added.is_empty(), model.present(*p));
            if !model.present(*p) {
                model.members[*p] = Membership { present: true, marker: model.messages.len() };
            }
        }
        Op::Send(_) | Op::Read(..) | Op::Leave(_) => {}
    }
}

async fn check(model: &Model, people: &[Person; PEOPLE], chat: &str) {
    for (p, person) in people.iter().enumerate() {
        if !model.present(p) {
            assert_eq!(person.unread(None).await.unwrap(), 0);
            continue;
        }
        let unread = model.unread(p);
        assert_eq!(person.unread(Some(chat)).await.unwrap(), unread, "GetUnreadCount of one");
        assert_eq!(person.unread(None).await.unwrap(), unread, "GetUnreadCount of all");
        assert_eq!(person.conversation(chat).await.unwrap().unread_count, unread, "GetConversation");
        let list = person.list(pb::ListConversationsRequest::default()).await.unwrap();
        assert_eq!(list.conversations[0].unread_count, unread, "ListConversations");
    }
}

async fn run(ops: &[Op], world: &World, service: &Instance) {
    let people: [Person; PEOPLE] = world.people(service);
    let chat = people[0].group("model", &[&people[1], &people[2]]).await.unwrap().id;
    let out = Membership { present: false, marker: 0 };
    let mut model = Model { messages: vec![], members: [Membership { present: true, marker: 0 }; PEOPLE] };
    model.members[PEOPLE - 1] = out;
    for op in ops {
        apply(op, &mut model, &people, &chat).await;
        check(&model, &people, &chat).await;
    }
    let live = model.messages.iter().filter(|m| !m.deleted).count();
    let request = pb::GetMessagesRequest { conversation_id: chat, ..Default::default() };
    let page = people[0].messages(request).await.unwrap();
    assert_eq!(page.total_count, i64::try_from(live).unwrap());
}

#[test]
fn unread_counts_equal_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, service) = runtime.block_on(async {
        let world = World::new().await;
        let service = world.start().await;
        (world, service)
    });
    let config = Config { cases: 16, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let result = TestRunner::new(config).run(&prop::collection::vec(op(), 1..40), |ops| {
        let world = &world;
        let service = &service;
        // A failed assertion panics, which proptest takes for a failure and shrinks.
        runtime.block_on(run(&ops, world, service));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let report = runtime.block_on(crate::admin::reconcile(&world));
    assert!(report.is_clean(), "{report}");
}
