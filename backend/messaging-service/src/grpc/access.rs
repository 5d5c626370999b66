//! Who may do what: one row for each RPC. `tests/authorization` tries every cell of it.

use authn::Access::{Admin, Caller, Service};
use authn::Verdict::{self, Done, LeftOut, Refused};
use authn::{AccessTable, RELATIONS, Rule, access_of, rule};
use tonic::Code::{FailedPrecondition, InvalidArgument, NotFound, PermissionDenied};

type Row = [Verdict; RELATIONS];

const NO: Verdict = Verdict::NOT_YOURS;
const GONE: Verdict = Refused(NotFound, "CONVERSATION_NOT_FOUND");
const NONE: Verdict = Refused(NotFound, "MESSAGE_NOT_FOUND");
const BLOCK: Verdict = Refused(FailedPrecondition, "USER_BLOCKED");
const FIXED: Verdict = Refused(FailedPrecondition, "DIRECT_CONVERSATION_FIXED");
const ROLE: Verdict = Refused(PermissionDenied, "ROLE_REQUIRED");
const OTHERS: Verdict = Refused(PermissionDenied, "NOT_THE_SENDER");
/// Nobody talks to themself alone.
const MYSELF: Verdict = Refused(InvalidArgument, "INVALID_ARGUMENT");

// Stranger, former member, blocked by and blocking (both in the direct conversation), member, group administrator; the person
// who owns the group; a service, an administrator: who is no member has no business in a conversation, whoever they are.
const SELF: Row = [NO, NO, NO, NO, NO, NO, Done, Done, Done];
const SERVICE: Row = [NO, NO, NO, NO, NO, NO, NO, Done, NO];
const ADMIN: Row = [NO, NO, NO, NO, NO, NO, NO, NO, Done];
const MEMBERS: Row = [GONE, GONE, Done, Done, Done, Done, Done, GONE, GONE];
const WRITES: Row = [GONE, GONE, BLOCK, BLOCK, Done, Done, Done, GONE, GONE];
const SEES_MESSAGE: Row = [NONE, NONE, Done, Done, Done, Done, Done, NONE, NONE];
const MANAGES: Row = [GONE, GONE, FIXED, FIXED, ROLE, Done, Done, GONE, GONE];
const OWNS: Row = [GONE, GONE, FIXED, FIXED, ROLE, ROLE, Done, GONE, GONE];

/// One row for each RPC.
pub const RULES: &[Rule] = &[
    rule("GetMessages", Caller, &[("", MEMBERS)]),
    rule("GetMessage", Caller, &[("", SEES_MESSAGE)]),
    rule("GetConversation", Caller, &[("", MEMBERS)]),
    rule("GetConversationMembers", Caller, &[("", MEMBERS)]),
    rule(
        "SendMessage",
        Caller,
        &[
            // A service has to say for whom.
            ("", [GONE, GONE, BLOCK, BLOCK, Done, Done, Done, NO, GONE]),
            ("as the person", [NO, NO, NO, NO, NO, NO, Done, Done, Done]),
        ],
    ),
    rule(
        "UpdateMessage",
        Caller,
        &[
            ("the person's", [NONE, NONE, OTHERS, OTHERS, OTHERS, OTHERS, Done, NONE, NONE]),
            ("one's own", [NONE, NONE, BLOCK, BLOCK, Done, Done, Done, NONE, NONE]),
        ],
    ),
    rule(
        "DeleteMessage",
        Caller,
        &[("the person's", [NONE, NONE, ROLE, ROLE, ROLE, Done, Done, NONE, NONE]), ("one's own", SEES_MESSAGE)],
    ),
    rule("MarkAsRead", Caller, &[("", [NONE, NONE, Done, Done, Done, Done, Done, NO, NONE]), ("as the person", SELF)]),
    rule(
        "GetUnreadCount",
        Caller,
        &[("of the person", SELF), ("in the conversation", [GONE, GONE, Done, Done, Done, Done, Done, NO, GONE])],
    ),
    rule(
        "ListConversations",
        Caller,
        &[
            ("of the person", SELF),
            // Whoever acts for somebody reads only what they are part of.
            ("what was said last", [NO, NO, NO, NO, NO, NO, Done, LeftOut, LeftOut]),
        ],
    ),
    rule(
        "CreateConversation",
        Caller,
        &[
            // The conversation that the two have already is found whatever has come between them.
            ("DIRECT", [Done, Done, Done, Done, Done, Done, MYSELF, NO, Done]),
            ("DIRECT, for the first time", [Done, Done, BLOCK, BLOCK, Done, Done, MYSELF, NO, Done]),
            ("GROUP", [Done, Done, BLOCK, BLOCK, Done, Done, Done, NO, Done]),
        ],
    ),
    rule("UpdateConversation", Caller, &[("", MANAGES)]),
    rule("AddMembers", Caller, &[("", MANAGES)]),
    rule(
        "RemoveMember",
        Caller,
        &[
            ("a member", MANAGES),
            ("the owner", [GONE, GONE, FIXED, FIXED, ROLE, ROLE, Done, GONE, GONE]),
            // Leaving may be repeated, after a removal too.
            ("oneself", [GONE, Done, FIXED, FIXED, Done, Done, Done, GONE, GONE]),
        ],
    ),
    rule("UpdateMemberRole", Caller, &[("", OWNS)]),
    rule(
        "StreamEvents",
        Caller,
        &[
            ("", [Done, Done, Done, Done, Done, Done, Done, NO, Done]),
            ("of the conversation", [GONE, GONE, Done, Done, Done, Done, Done, NO, GONE]),
        ],
    ),
    rule("SendTyping", Caller, &[("", WRITES)]),
    rule("GetStreamStats", Admin, &[("", ADMIN)]),
    rule("InvalidateContact", Service, &[("", SERVICE)]),
    rule("EraseUser", Service, &[("", SERVICE)]),
    rule("ExportUser", Service, &[("", SERVICE)]),
];

/// The guard's part of it.
pub const ACCESS: AccessTable = &access_of::<{ RULES.len() }>(RULES);
