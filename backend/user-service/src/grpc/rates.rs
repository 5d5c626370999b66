//! Which RPC is counted as what; how many are taken is in `[user.rate_limits]`.

use limits::RateTable;

/// One row for each RPC. Calls of Nova's own services are not limited.
pub const RATES: RateTable = &[
    ("GetUserProfile", "calls"),
    ("GetUserProfilesByIds", "batch"),
    ("UpdateUserProfile", "calls"),
    ("GetUserSettings", "calls"),
    ("UpdateUserSettings", "calls"),
    ("FollowUser", "relations"),
    ("UnfollowUser", "relations"),
    ("BlockUser", "relations"),
    ("UnblockUser", "relations"),
    ("GetUserFollowers", "calls"),
    ("GetUserFollowing", "calls"),
    ("CheckUserRelationship", "calls"),
    ("SearchUsers", "search"),
    ("ListBlockedUsers", "calls"),
    ("ListFollowRequests", "calls"),
    ("RespondToFollowRequest", "relations"),
    ("EnsureProfile", "calls"),
    ("DeleteProfile", "calls"),
    ("CheckContact", "calls"),
    ("ExportUser", "calls"),
];
