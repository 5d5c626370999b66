//! Who may do what: one row for each RPC. `tests/authorization` tries every cell of it.

use authn::Access::{Caller, Service};
use authn::Verdict::{self, Done, LeftOut, Refused};
use authn::{AccessTable, RELATIONS, Rule, access_of, rule};
use tonic::Code::{FailedPrecondition, InvalidArgument, NotFound, PermissionDenied};

type Row = [Verdict; RELATIONS];

const NO: Verdict = Verdict::NOT_YOURS;
const GONE: Verdict = Refused(NotFound, "USER_NOT_FOUND");
const BLOCK: Verdict = Refused(FailedPrecondition, "USER_BLOCKED");
const PRIVATE: Verdict = Refused(PermissionDenied, "LIST_PRIVATE");
/// Nobody follows, blocks or asks about themself.
const MYSELF: Verdict = Refused(InvalidArgument, "INVALID_ARGUMENT");

// Stranger, former member, blocked by, blocking, member, group administrator; the person; a service, an administrator.
const SELF: Row = [NO, NO, NO, NO, NO, NO, Done, Done, Done];
const SERVICE: Row = [NO, NO, NO, NO, NO, NO, NO, Done, NO];
const SHOWN: Row = [Done, Done, GONE, Done, Done, Done, Done, Done, Done];
const PRIVATE_LIST: Row = [PRIVATE, PRIVATE, GONE, PRIVATE, PRIVATE, PRIVATE, Done, Done, Done];
const AMONG_OTHERS: Row = [Done, Done, LeftOut, LeftOut, Done, Done, Done, Done, Done];
const FOLLOWED: Row = [Done, Done, BLOCK, BLOCK, Done, Done, MYSELF, Done, Done];
const TO_OTHERS: Row = [Done, Done, Done, Done, Done, Done, MYSELF, Done, Done];

/// One row for each RPC.
pub const RULES: &[Rule] = &[
    rule(
        "GetUserProfile",
        Caller,
        &[("", SHOWN), ("the e-mail", [LeftOut, LeftOut, GONE, LeftOut, LeftOut, LeftOut, Done, Done, Done])],
    ),
    rule(
        "GetUserProfilesByIds",
        Caller,
        &[
            ("", [Done, Done, LeftOut, Done, Done, Done, Done, Done, Done]),
            ("the e-mail", [LeftOut, LeftOut, LeftOut, LeftOut, LeftOut, LeftOut, Done, Done, Done]),
        ],
    ),
    rule("UpdateUserProfile", Caller, &[("", SELF)]),
    rule("GetUserSettings", Caller, &[("", SELF)]),
    rule("UpdateUserSettings", Caller, &[("", SELF)]),
    rule("FollowUser", Caller, &[("as the person", SELF), ("the person", FOLLOWED)]),
    rule("UnfollowUser", Caller, &[("as the person", SELF), ("the person", TO_OTHERS)]),
    rule("BlockUser", Caller, &[("as the person", SELF), ("the person", TO_OTHERS)]),
    rule("UnblockUser", Caller, &[("as the person", SELF), ("the person", TO_OTHERS)]),
    rule(
        "GetUserFollowers",
        Caller,
        &[("", SHOWN), ("of a private account", PRIVATE_LIST), ("the person among them", AMONG_OTHERS)],
    ),
    rule(
        "GetUserFollowing",
        Caller,
        &[("", SHOWN), ("of a private account", PRIVATE_LIST), ("the person among them", AMONG_OTHERS)],
    ),
    rule(
        "CheckUserRelationship",
        Caller,
        &[
            ("of two others", SELF),
            ("to the person", TO_OTHERS),
            // A block is shown to who made it and to services, not to who is blocked.
            ("a block", [LeftOut, LeftOut, LeftOut, Done, LeftOut, LeftOut, MYSELF, Done, Done]),
        ],
    ),
    rule("SearchUsers", Caller, &[("", AMONG_OTHERS)]),
    rule("ListBlockedUsers", Caller, &[("", SELF)]),
    rule("ListFollowRequests", Caller, &[("", SELF)]),
    rule("RespondToFollowRequest", Caller, &[("", SELF)]),
    rule("EnsureProfile", Service, &[("", SERVICE)]),
    rule("DeleteProfile", Service, &[("", SERVICE)]),
    rule("CheckContact", Service, &[("", SERVICE)]),
    rule("ExportUser", Service, &[("", SERVICE)]),
];

/// The guard's part of it.
pub const ACCESS: AccessTable = &access_of::<{ RULES.len() }>(RULES);
