//! Joining, leaving and roles.

use protos::messaging::v1 as pb;
use protos::messaging::v1::member::Role;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Person, World};

async fn roles(reader: &Person, id: &str, people: &[&Person]) -> Vec<Option<Role>> {
    let members = reader.members(id).await.unwrap();
    let role = |p: &&Person| members.iter().find(|m| m.user_id == p.id.to_string()).map(pb::Member::role);
    people.iter().map(role).collect()
}

#[tokio::test]
async fn who_joins_sees_the_history_and_has_nothing_unread() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let group = alice.group("g", &[]).await.unwrap();
    for n in 0..3 {
        alice.send(&group.id, &n.to_string()).await.unwrap();
    }
    world.tick();
    let reply = alice.add(&group.id, &[&bob]).await.unwrap();
    let conversation = reply.conversation.unwrap();
    assert_eq!((conversation.member_count, conversation.version), (2, 2));
    assert_eq!(reply.added_user_ids, [bob.id.to_string()]);
    assert_eq!(bob.history(&group.id).await.unwrap().len(), 3);
    assert_eq!(bob.unread(None).await.unwrap(), 0);
    alice.send(&group.id, "new").await.unwrap();
    assert_eq!(bob.unread(None).await.unwrap(), 1);
    let again = alice.add(&group.id, &[&bob, &alice]).await.unwrap();
    assert_eq!((again.added_user_ids.len(), again.conversation.unwrap().version), (0, 2), "idempotent");
    assert_eq!(bob.unread(None).await.unwrap(), 1, "and nothing is reset");
}

#[tokio::test]
async fn who_comes_back_has_nothing_unread_and_no_old_role() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let group = alice.group("g", &[&bob]).await.unwrap();
    alice.set_role(&group.id, &bob, Role::Admin).await.unwrap();
    alice.send(&group.id, "unread").await.unwrap();
    bob.send(&group.id, "own").await.unwrap();
    bob.remove(&group.id, &bob).await.unwrap();
    let missed = alice.send(&group.id, "missed").await.unwrap();
    assert_reason(&bob.message(&missed.id).await.unwrap_err(), Code::NotFound, "MESSAGE_NOT_FOUND");
    world.tick();
    alice.add(&group.id, &[&bob]).await.unwrap();
    assert_eq!(bob.unread(Some(&group.id)).await.unwrap(), 0);
    assert_eq!(roles(&bob, &group.id, &[&bob]).await, [Some(Role::Member)]);
    let bobs = bob.members(&group.id).await.unwrap().into_iter().find(|m| m.user_id == bob.id.to_string()).unwrap();
    assert_eq!((bobs.last_read_sequence, bobs.joined_at.as_str()), (3, "2026-06-01T12:00:00.001000Z"));
}

#[tokio::test]
async fn roles_rule_who_adds_and_who_removes() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, admin, other_admin, member, guest] = world.people(&service);
    let group = owner.group("g", &[&admin, &other_admin, &member]).await.unwrap();
    owner.set_role(&group.id, &admin, Role::Admin).await.unwrap();
    owner.set_role(&group.id, &other_admin, Role::Admin).await.unwrap();
    for (remover, removed) in [(&admin, &owner), (&admin, &other_admin), (&member, &admin), (&member, &owner)] {
        let status = remover.remove(&group.id, removed).await.unwrap_err();
        assert_reason(&status, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    assert_reason(&member.add(&group.id, &[&guest]).await.unwrap_err(), Code::PermissionDenied, "ROLE_REQUIRED");
    let stranger = admin.remove(&group.id, &guest).await.unwrap_err();
    assert_reason(&stranger, Code::NotFound, "MEMBER_NOT_FOUND");
    admin.add(&group.id, &[&guest]).await.unwrap();
    admin.remove(&group.id, &guest).await.unwrap();
    admin.remove(&group.id, &guest).await.unwrap(); // a repeat
    admin.remove(&group.id, &member).await.unwrap();
    owner.remove(&group.id, &other_admin).await.unwrap();
    assert_eq!(owner.conversation(&group.id).await.unwrap().conversation.unwrap().member_count, 2);
    guest.remove(&group.id, &guest).await.unwrap(); // leaving what one has been removed from
    let never = world.person(&service);
    let gone = never.remove(&group.id, &never).await.unwrap_err();
    assert_reason(&gone, Code::NotFound, "CONVERSATION_NOT_FOUND");
    let gone = guest.remove(&group.id, &member).await.unwrap_err();
    assert_reason(&gone, Code::NotFound, "CONVERSATION_NOT_FOUND");
}

#[tokio::test]
async fn leaving_again_changes_nothing_and_succeeds() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let group = alice.group("g", &[&bob]).await.unwrap();
    alice.remove(&group.id, &alice).await.unwrap();
    alice.remove(&group.id, &alice).await.unwrap();
    let left = bob.conversation(&group.id).await.unwrap().conversation.unwrap();
    assert_eq!((left.member_count, left.version), (1, 2));
    assert_eq!(roles(&bob, &group.id, &[&bob]).await, [Some(Role::Owner)]);
    bob.remove(&group.id, &bob).await.unwrap();
    bob.remove(&group.id, &bob).await.unwrap(); // the group has ended
    assert!(crate::admin::reconcile(&world).await.is_clean());
}

#[tokio::test]
async fn an_owner_who_leaves_hands_the_group_on() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, oldest, admin, late] = world.people(&service);
    let group = owner.group("g", &[&oldest]).await.unwrap();
    for person in [&admin, &late] {
        world.tick();
        owner.add(&group.id, &[person]).await.unwrap();
    }
    owner.set_role(&group.id, &admin, Role::Admin).await.unwrap();
    owner.remove(&group.id, &owner).await.unwrap();
    let everybody = [&oldest, &admin, &late];
    let (own, member) = (Some(Role::Owner), Some(Role::Member));
    assert_eq!(roles(&late, &group.id, &everybody).await, [member, own, member], "the administrator comes first");
    admin.remove(&group.id, &admin).await.unwrap();
    assert_eq!(roles(&late, &group.id, &everybody).await, [own, None, member], "then who has been in longest");
    oldest.remove(&group.id, &oldest).await.unwrap();
    late.remove(&group.id, &late).await.unwrap();
    let ended = late.conversation(&group.id).await.unwrap_err();
    assert_reason(&ended, Code::NotFound, "CONVERSATION_NOT_FOUND");
    let mut db = world.database.connect().await;
    let deleted: bool = sqlx::query_scalar("SELECT deleted_at IS NOT NULL AND member_count = 0 FROM conversations")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert!(deleted, "a group that nobody is left in ends");
}

#[tokio::test]
async fn only_the_owner_gives_roles() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, admin, member, stranger] = world.people(&service);
    let group = owner.group("g", &[&admin, &member]).await.unwrap();
    let given = owner.set_role(&group.id, &admin, Role::Admin).await.unwrap();
    assert_eq!((given.user_id.clone(), given.role()), (admin.id.to_string(), Role::Admin));
    assert_eq!(owner.set_role(&group.id, &admin, Role::Admin).await.unwrap(), given, "idempotent");
    assert_eq!(owner.conversation(&group.id).await.unwrap().conversation.unwrap().version, 2);
    for (giver, to) in [(&admin, &member), (&admin, &admin), (&member, &member)] {
        let status = giver.set_role(&group.id, to, Role::Admin).await.unwrap_err();
        assert_reason(&status, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let unknown = owner.set_role(&group.id, &stranger, Role::Admin).await.unwrap_err();
    assert_reason(&unknown, Code::NotFound, "MEMBER_NOT_FOUND");
    let stays = owner.set_role(&group.id, &owner, Role::Member).await.unwrap_err();
    assert_reason(&stays, Code::InvalidArgument, "INVALID_ARGUMENT");
    owner.set_role(&group.id, &owner, Role::Owner).await.unwrap();
    owner.set_role(&group.id, &member, Role::Owner).await.unwrap();
    let now = roles(&admin, &group.id, &[&owner, &admin, &member]).await;
    assert_eq!(now, [Some(Role::Admin), Some(Role::Admin), Some(Role::Owner)]);
}

#[tokio::test]
async fn a_direct_conversation_keeps_its_two_people() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    for status in [
        alice.add(&chat.id, &[&carol]).await.map(drop).unwrap_err(),
        alice.remove(&chat.id, &alice).await.unwrap_err(),
        alice.remove(&chat.id, &bob).await.unwrap_err(),
        alice.set_role(&chat.id, &bob, Role::Admin).await.map(drop).unwrap_err(),
    ] {
        assert_reason(&status, Code::FailedPrecondition, "DIRECT_CONVERSATION_FIXED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_stay_right_while_everybody_comes_and_goes() {
    let world = World::with(|config| config.limits.group_members = 6).await;
    let service = world.start().await;
    let owner = world.person(&service);
    let people: [Person; 8] = world.people(&service);
    let group = owner.group("g", &[]).await.unwrap();
    let id = group.id.as_str();
    for _ in 0..6 {
        let adds = people.iter().map(|p| async { owner.add(id, &[p]).await.map(drop) });
        let leaves = people.iter().map(|p| p.remove(id, p));
        let (adds, _) = tokio::join!(futures::future::join_all(adds), futures::future::join_all(leaves));
        for refused in adds.into_iter().filter_map(Result::err) {
            assert_reason(&refused, Code::FailedPrecondition, "CONVERSATION_FULL");
        }
        let now = owner.conversation(id).await.unwrap().conversation.unwrap();
        assert!(now.member_count <= 6);
        assert_eq!(owner.members(id).await.unwrap().len(), usize::try_from(now.member_count).unwrap());
    }
    let report = crate::admin::reconcile(&world).await;
    assert!(report.is_clean(), "{report}");
}
