//! Which RPC is counted as what; how many are taken is in `[messaging.rate_limits]`.

use limits::RateTable;

/// One row for each RPC. Calls of Nova's own services are not limited.
pub const RATES: RateTable = &[
    ("GetMessages", "calls"),
    ("GetMessage", "calls"),
    ("GetConversation", "calls"),
    ("GetConversationMembers", "calls"),
    ("SendMessage", "send"),
    ("UpdateMessage", "send"),
    ("DeleteMessage", "send"),
    ("MarkAsRead", "calls"),
    ("GetUnreadCount", "calls"),
    ("ListConversations", "calls"),
    ("CreateConversation", "invite"),
    ("UpdateConversation", "calls"),
    ("AddMembers", "invite"),
    ("RemoveMember", "calls"),
    ("UpdateMemberRole", "calls"),
    ("StreamEvents", "stream"),
    ("SendTyping", "typing"),
    ("GetStreamStats", "calls"),
    ("InvalidateContact", "calls"),
    ("EraseUser", "calls"),
    ("ExportUser", "calls"),
];
