//! Who is told of a conversation: memberships as the log has them, for the conversations in which something is going on.
//!
//! A membership that was read from the database may be newer than the place in the log; so each is a span of event numbers,
//! and applying an event that is contained in it already changes nothing.

use std::collections::HashMap;

use ids::{ConversationId, UserId};

use crate::model::{EventKind, LoggedEvent};
use crate::storage::event_log::Span;

/// Memberships that are remembered, about 32 bytes each; what one step of the follower needs may go beyond.
const REMEMBERED_SPANS: usize = 500_000;

/// See the module.
#[derive(Default)]
pub struct Audience {
    conversations: HashMap<ConversationId, Vec<Span>>,
    spans: usize,
}

impl Audience {
    /// Whose members have to be looked up first.
    pub fn unknown(&self, conversations: impl Iterator<Item = ConversationId>) -> Vec<ConversationId> {
        let mut unknown: Vec<_> = conversations.filter(|id| !self.conversations.contains_key(id)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Forgets everything if that has become too much.
    pub fn make_room(&mut self) {
        if self.spans > REMEMBERED_SPANS {
            self.forget();
        }
    }

    /// Learns the members of conversations, whatever was known of them before.
    pub fn learn(&mut self, conversations: &[ConversationId], spans: Vec<(ConversationId, Span)>) {
        for id in conversations {
            self.spans -= self.conversations.insert(*id, vec![]).map_or(0, |before| before.len());
        }
        for (id, span) in spans {
            self.conversations.entry(id).or_default().push(span);
            self.spans += 1;
        }
    }

    /// Forgets everything: what is next is looked up anew.
    pub fn forget(&mut self) {
        self.conversations.clear();
        self.spans = 0;
    }

    /// Follows an event, and tells who has to be told of it. Its conversation must be known.
    pub fn of(&mut self, event: &LoggedEvent) -> Vec<UserId> {
        let Some(spans) = self.conversations.get_mut(&event.at.conversation) else { return vec![] };
        let no = event.at.event_no;
        match (event.kind, event.subject) {
            (EventKind::MemberAdded, Some(user)) if !spans.iter().any(|s| s.user == user && s.to >= no) => {
                spans.push(Span { user, from: no, to: i64::MAX });
                self.spans += 1;
            }
            (EventKind::MemberRemoved, Some(user)) => {
                spans.iter_mut().filter(|s| s.user == user && s.from < no && s.to > no).for_each(|s| s.to = no);
            }
            _ => {}
        }
        let alone = event.subject.filter(|_| event.kind == EventKind::MessagesReadAlone);
        let told = |s: &&Span| s.from <= no && no <= s.to && alone.is_none_or(|reader| reader == s.user);
        let users = spans.iter().filter(told).map(|s| s.user).collect();
        let before = spans.len();
        spans.retain(|s| s.to > no);
        self.spans -= before - spans.len();
        users
    }

    /// Who is a member now.
    pub fn members(&self, conversation: ConversationId) -> impl Iterator<Item = UserId> {
        let spans = self.conversations.get(&conversation).map_or(&[][..], Vec::as_slice);
        spans.iter().filter(|s| s.to == i64::MAX).map(|s| s.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;
    use chrono::DateTime;
    use uuid::Uuid;

    fn id(n: u128) -> ConversationId {
        Uuid::from_u128(n).into()
    }

    fn user(n: u128) -> UserId {
        Uuid::from_u128(n).into()
    }

    fn event(event_no: i64, kind: EventKind, subject: Option<UserId>) -> LoggedEvent {
        LoggedEvent {
            at: Position { order: event_no, conversation: id(1), event_no },
            kind,
            created_at: DateTime::UNIX_EPOCH,
            actor: user(9),
            subject,
            sequence: None,
            version: None,
            trace: None,
        }
    }

    fn knowing(spans: &[(u128, i64, i64)]) -> Audience {
        let mut audience = Audience::default();
        let spans = spans.iter().map(|&(n, from, to)| (id(1), Span { user: user(n), from, to })).collect();
        audience.learn(&[id(1)], spans);
        audience
    }

    #[test]
    fn a_member_is_told_from_the_event_that_adds_them_to_the_one_that_removes_them() {
        let mut audience = knowing(&[(1, 0, i64::MAX)]);
        let mut told = |no, kind, subject| audience.of(&event(no, kind, subject));
        assert_eq!(told(1, EventKind::MessageSent, None), [user(1)]);
        assert_eq!(told(2, EventKind::MemberAdded, Some(user(2))), [user(1), user(2)]);
        assert_eq!(told(3, EventKind::MessageSent, None), [user(1), user(2)]);
        assert_eq!(told(4, EventKind::MemberRemoved, Some(user(2))), [user(1), user(2)]);
        assert_eq!(told(5, EventKind::MessageSent, None), [user(1)]);
        assert_eq!(told(6, EventKind::MemberAdded, Some(user(2))), [user(1), user(2)]);
    }

    #[test]
    fn what_was_read_ahead_of_the_log_counts_from_its_own_event_on() {
        // 2 was added by event 4, 3 was removed by event 5: both stand in the database already.
        let mut audience = knowing(&[(1, 0, i64::MAX), (2, 4, i64::MAX), (3, 0, 5)]);
        let mut told = |no, kind, subject| audience.of(&event(no, kind, subject));
        assert_eq!(told(3, EventKind::MessageSent, None), [user(1), user(3)]);
        assert_eq!(told(4, EventKind::MemberAdded, Some(user(2))), [user(1), user(2), user(3)]);
        assert_eq!(told(5, EventKind::MemberRemoved, Some(user(3))), [user(1), user(2), user(3)]);
        assert_eq!(told(6, EventKind::MessageSent, None), [user(1), user(2)]);
        assert_eq!(audience.members(id(1)).collect::<Vec<_>>(), [user(1), user(2)]);
    }

    #[test]
    fn a_marker_of_a_large_group_is_told_to_its_reader_alone() {
        let mut audience = knowing(&[(1, 0, i64::MAX), (2, 0, i64::MAX)]);
        assert_eq!(audience.of(&event(1, EventKind::MessagesReadAlone, Some(user(2)))), [user(2)]);
        assert_eq!(audience.of(&event(2, EventKind::MessagesRead, Some(user(2)))), [user(1), user(2)]);
    }

    #[test]
    fn what_is_counted_is_what_is_kept() {
        let mut audience = knowing(&[(1, 0, i64::MAX), (2, 0, i64::MAX)]);
        audience.of(&event(1, EventKind::MemberRemoved, Some(user(2))));
        audience.learn(&[id(1), id(2)], vec![(id(2), Span { user: user(1), from: 0, to: i64::MAX })]);
        assert_eq!(audience.spans, 1);
        assert_eq!(audience.unknown([id(3), id(1), id(3)].into_iter()), [id(3)]);
        audience.forget();
        assert_eq!((audience.spans, audience.unknown([id(1)].into_iter())), (0, vec![id(1)]));
    }
}
