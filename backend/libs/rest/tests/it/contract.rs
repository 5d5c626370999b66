//! Every path of the contract reaches its RPC.

use http::Method;
use serde_json::{Value, json};

use crate::fake::Fake;

/// Verb, path, RPC, and the request that the RPC gets for an empty body.
fn calls() -> Vec<(Method, &'static str, &'static str, Value)> {
    let (get, post, put, patch, delete) = (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    vec![
        (post.clone(), "/api/v1/auth/register", "Register", json!({})),
        (post.clone(), "/api/v1/auth/login", "Login", json!({})),
        (post.clone(), "/api/v1/auth/refresh", "RefreshToken", json!({})),
        (post.clone(), "/api/v1/auth/logout", "Logout", json!({})),
        (get.clone(), "/api/v1/auth/sessions?user_id=u&limit=5", "ListSessions", json!({ "user_id": "u", "limit": 5 })),
        (delete.clone(), "/api/v1/auth/sessions/s", "RevokeSession", json!({ "session_id": "s" })),
        (
            delete.clone(),
            "/api/v1/auth/sessions?keepCurrent=true",
            "RevokeAllSessions",
            json!({ "keep_current": true }),
        ),
        (post.clone(), "/api/v1/auth/password", "ChangePassword", json!({})),
        (post.clone(), "/api/v1/auth/password-reset", "RequestPasswordReset", json!({})),
        (post.clone(), "/api/v1/auth/password-reset/confirm", "ResetPassword", json!({})),
        (post.clone(), "/api/v1/auth/email-verification", "SendEmailVerification", json!({})),
        (post.clone(), "/api/v1/auth/email-verification/confirm", "VerifyEmail", json!({})),
        (post.clone(), "/api/v1/auth/totp", "BeginTotpEnrollment", json!({})),
        (post.clone(), "/api/v1/auth/totp/confirm", "ConfirmTotp", json!({})),
        (post.clone(), "/api/v1/auth/totp/disable", "DisableTotp", json!({})),
        (delete.clone(), "/api/v1/auth/account", "DeleteAccount", json!({})),
        (post.clone(), "/api/v1/auth/service-token", "IssueServiceToken", json!({})),
        (get.clone(), "/api/v1/admin/users?search=a", "ListUsers", json!({ "search": "a" })),
        (post.clone(), "/api/v1/admin/users/u/roles", "GrantRole", json!({ "user_id": "u" })),
        (delete.clone(), "/api/v1/admin/users/u/roles/admin", "RevokeRole", json!({ "user_id": "u", "role": "admin" })),
        (get.clone(), "/api/v1/users/u", "GetUserProfile", json!({ "user_id": "u" })),
        (get.clone(), "/api/v1/users/me", "GetUserProfile", json!({ "user_id": "me" })),
        (post.clone(), "/api/v1/users/batch", "GetUserProfilesByIds", json!({})),
        (patch.clone(), "/api/v1/users/u", "UpdateUserProfile", json!({ "user_id": "u" })),
        (get.clone(), "/api/v1/users/me/settings", "GetUserSettings", json!({ "user_id": "me" })),
        (patch.clone(), "/api/v1/users/me/settings", "UpdateUserSettings", json!({ "user_id": "me" })),
        (put.clone(), "/api/v1/users/u/follow", "FollowUser", json!({ "followee_id": "u" })),
        (delete.clone(), "/api/v1/users/u/follow", "UnfollowUser", json!({ "followee_id": "u" })),
        (put.clone(), "/api/v1/users/u/block", "BlockUser", json!({ "blocked_id": "u" })),
        (delete.clone(), "/api/v1/users/u/block", "UnblockUser", json!({ "blocked_id": "u" })),
        (get.clone(), "/api/v1/users/u/followers?offset=3", "GetUserFollowers", json!({ "user_id": "u", "offset": 3 })),
        (get.clone(), "/api/v1/users/u/following", "GetUserFollowing", json!({ "user_id": "u" })),
        (
            get.clone(),
            "/api/v1/users/me/relationship/u",
            "CheckUserRelationship",
            json!({ "user_id_1": "me", "user_id_2": "u" }),
        ),
        (get.clone(), "/api/v1/users/search?query=a+b", "SearchUsers", json!({ "query": "a b" })),
        (get.clone(), "/api/v1/users/me/blocked", "ListBlockedUsers", json!({ "user_id": "me" })),
        (get.clone(), "/api/v1/users/me/follow-requests", "ListFollowRequests", json!({ "user_id": "me" })),
        (
            post.clone(),
            "/api/v1/users/me/follow-requests/u",
            "RespondToFollowRequest",
            json!({ "followee_id": "me", "follower_id": "u" }),
        ),
        (
            get.clone(),
            "/api/v1/conversations/c/messages?beforeSequence=9&includeDeleted=true",
            "GetMessages",
            json!({ "conversation_id": "c", "before_sequence": "9", "include_deleted": true }),
        ),
        (get.clone(), "/api/v1/messages/m", "GetMessage", json!({ "message_id": "m" })),
        (get.clone(), "/api/v1/conversations/c", "GetConversation", json!({ "conversation_id": "c" })),
        (get.clone(), "/api/v1/conversations/c/members", "GetConversationMembers", json!({ "conversation_id": "c" })),
        (post.clone(), "/api/v1/conversations/c/messages", "SendMessage", json!({ "conversation_id": "c" })),
        (patch.clone(), "/api/v1/messages/m", "UpdateMessage", json!({ "message_id": "m" })),
        (delete.clone(), "/api/v1/messages/m", "DeleteMessage", json!({ "message_id": "m" })),
        (post.clone(), "/api/v1/messages/m/read", "MarkAsRead", json!({ "message_id": "m" })),
        (get.clone(), "/api/v1/users/me/unread", "GetUnreadCount", json!({})),
        (get.clone(), "/api/v1/conversations", "ListConversations", json!({})),
        (get, "/api/v1/admin/streams", "GetStreamStats", json!({})),
        (post.clone(), "/api/v1/conversations/c/typing", "SendTyping", json!({ "conversation_id": "c" })),
        (post.clone(), "/api/v1/conversations", "CreateConversation", json!({})),
        (patch.clone(), "/api/v1/conversations/c", "UpdateConversation", json!({ "conversation_id": "c" })),
        (post, "/api/v1/conversations/c/members", "AddMembers", json!({ "conversation_id": "c" })),
        (
            delete,
            "/api/v1/conversations/c/members/u",
            "RemoveMember",
            json!({ "conversation_id": "c", "user_id": "u" }),
        ),
        (
            patch,
            "/api/v1/conversations/c/members/u",
            "UpdateMemberRole",
            json!({ "conversation_id": "c", "user_id": "u" }),
        ),
    ]
}

#[tokio::test]
async fn every_path_of_the_contract_reaches_its_rpc() {
    let nova = Fake::nova();
    for (verb, path, rpc, request) in calls() {
        nova.send(verb.clone(), path, &[], "").await.ok();
        let seen = nova.seen().remove(0);
        assert_eq!(seen.rpc.split('/').nth(1), Some(rpc), "{verb} {path}");
        assert_eq!(seen.request, request, "{verb} {path}");
    }
}

/// One port serves all three services, whose paths lie beside each other.
#[tokio::test]
async fn neighbours_of_other_services_do_not_hide_each_other() {
    let nova = Fake::nova();
    for (path, rpc) in [
        ("/api/v1/users/me/unread", "GetUnreadCount"),
        ("/api/v1/users/me/settings", "GetUserSettings"),
        ("/api/v1/users/me", "GetUserProfile"),
        ("/api/v1/users/search", "SearchUsers"),
        ("/api/v1/users/searches", "GetUserProfile"),
    ] {
        nova.get(path).await.ok();
        assert_eq!(nova.seen().remove(0).rpc.split('/').nth(1), Some(rpc), "{path}");
    }
}
