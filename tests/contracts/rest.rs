//! Which RPCs have a REST path, and which: the table of the contract.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{MethodDescriptor, Value};

use crate::descriptors::{POOL, services};

/// Service, RPC, verb, path. A path may say `me` where the proto has a parameter.
const PATHS: &[(&str, &str, &str, &str)] = &[
    ("AuthService", "Register", "post", "/api/v1/auth/register"),
    ("AuthService", "Login", "post", "/api/v1/auth/login"),
    ("AuthService", "RefreshToken", "post", "/api/v1/auth/refresh"),
    ("AuthService", "Logout", "post", "/api/v1/auth/logout"),
    ("AuthService", "ListSessions", "get", "/api/v1/auth/sessions"),
    ("AuthService", "RevokeSession", "delete", "/api/v1/auth/sessions/{session_id}"),
    ("AuthService", "RevokeAllSessions", "delete", "/api/v1/auth/sessions"),
    ("AuthService", "ChangePassword", "post", "/api/v1/auth/password"),
    ("AuthService", "RequestPasswordReset", "post", "/api/v1/auth/password-reset"),
    ("AuthService", "ResetPassword", "post", "/api/v1/auth/password-reset/confirm"),
    ("AuthService", "SendEmailVerification", "post", "/api/v1/auth/email-verification"),
    ("AuthService", "VerifyEmail", "post", "/api/v1/auth/email-verification/confirm"),
    ("AuthService", "BeginTotpEnrollment", "post", "/api/v1/auth/totp"),
    ("AuthService", "ConfirmTotp", "post", "/api/v1/auth/totp/confirm"),
    ("AuthService", "DisableTotp", "post", "/api/v1/auth/totp/disable"),
    ("AuthService", "DeleteAccount", "delete", "/api/v1/auth/account"),
    ("AuthService", "ExportAccount", "get", "/api/v1/auth/account/export"),
    ("AuthService", "IssueServiceToken", "post", "/api/v1/auth/service-token"),
    ("AuthService", "ListUsers", "get", "/api/v1/admin/users"),
    ("AuthService", "ListAuditEvents", "get", "/api/v1/admin/audit"),
    ("AuthService", "GrantRole", "post", "/api/v1/admin/users/{user_id}/roles"),
    ("AuthService", "RevokeRole", "delete", "/api/v1/admin/users/{user_id}/roles/{role}"),
    ("AuthService", "CreateWebhook", "post", "/api/v1/admin/webhooks"),
    ("AuthService", "ListWebhooks", "get", "/api/v1/admin/webhooks"),
    ("AuthService", "GetWebhook", "get", "/api/v1/admin/webhooks/{webhook_id}"),
    ("AuthService", "UpdateWebhook", "patch", "/api/v1/admin/webhooks/{webhook_id}"),
    ("AuthService", "DeleteWebhook", "delete", "/api/v1/admin/webhooks/{webhook_id}"),
    ("AuthService", "RotateWebhookSecret", "post", "/api/v1/admin/webhooks/{webhook_id}/secret"),
    ("AuthService", "SendTestEvent", "post", "/api/v1/admin/webhooks/{webhook_id}/test"),
    ("AuthService", "ListWebhookDeliveries", "get", "/api/v1/admin/webhook-deliveries"),
    ("AuthService", "GetWebhookDelivery", "get", "/api/v1/admin/webhook-deliveries/{delivery_id}"),
    ("AuthService", "ReplayWebhookDelivery", "post", "/api/v1/admin/webhook-deliveries/{delivery_id}/replay"),
    ("AuthService", "ReplayWebhookDeliveries", "post", "/api/v1/admin/webhooks/{webhook_id}/replay"),
    ("UserService", "GetUserProfile", "get", "/api/v1/users/{user_id}"),
    ("UserService", "GetUserProfilesByIds", "post", "/api/v1/users/batch"),
    ("UserService", "UpdateUserProfile", "patch", "/api/v1/users/{user_id}"),
    ("UserService", "GetUserSettings", "get", "/api/v1/users/{user_id}/settings"),
    ("UserService", "UpdateUserSettings", "patch", "/api/v1/users/{user_id}/settings"),
    ("UserService", "FollowUser", "put", "/api/v1/users/{followee_id}/follow"),
    ("UserService", "UnfollowUser", "delete", "/api/v1/users/{followee_id}/follow"),
    ("UserService", "BlockUser", "put", "/api/v1/users/{blocked_id}/block"),
    ("UserService", "UnblockUser", "delete", "/api/v1/users/{blocked_id}/block"),
    ("UserService", "GetUserFollowers", "get", "/api/v1/users/{user_id}/followers"),
    ("UserService", "GetUserFollowing", "get", "/api/v1/users/{user_id}/following"),
    ("UserService", "CheckUserRelationship", "get", "/api/v1/users/{user_id_1}/relationship/{user_id_2}"),
    ("UserService", "SearchUsers", "get", "/api/v1/users/search"),
    ("UserService", "ListBlockedUsers", "get", "/api/v1/users/me/blocked"),
    ("UserService", "ListFollowRequests", "get", "/api/v1/users/me/follow-requests"),
    ("UserService", "RespondToFollowRequest", "post", "/api/v1/users/me/follow-requests/{follower_id}"),
    ("MessagingService", "GetMessages", "get", "/api/v1/conversations/{conversation_id}/messages"),
    ("MessagingService", "GetMessage", "get", "/api/v1/messages/{message_id}"),
    ("MessagingService", "GetConversation", "get", "/api/v1/conversations/{conversation_id}"),
    ("MessagingService", "GetConversationMembers", "get", "/api/v1/conversations/{conversation_id}/members"),
    ("MessagingService", "SendMessage", "post", "/api/v1/conversations/{conversation_id}/messages"),
    ("MessagingService", "UpdateMessage", "patch", "/api/v1/messages/{message_id}"),
    ("MessagingService", "DeleteMessage", "delete", "/api/v1/messages/{message_id}"),
    ("MessagingService", "MarkAsRead", "post", "/api/v1/messages/{message_id}/read"),
    ("MessagingService", "GetUnreadCount", "get", "/api/v1/users/me/unread"),
    ("MessagingService", "ListConversations", "get", "/api/v1/conversations"),
    ("MessagingService", "CreateConversation", "post", "/api/v1/conversations"),
    ("MessagingService", "UpdateConversation", "patch", "/api/v1/conversations/{conversation_id}"),
    ("MessagingService", "AddMembers", "post", "/api/v1/conversations/{conversation_id}/members"),
    ("MessagingService", "RemoveMember", "delete", "/api/v1/conversations/{conversation_id}/members/{user_id}"),
    ("MessagingService", "UpdateMemberRole", "patch", "/api/v1/conversations/{conversation_id}/members/{user_id}"),
    ("MessagingService", "StreamEvents", "get", "/api/v1/events"),
    ("MessagingService", "SendTyping", "post", "/api/v1/conversations/{conversation_id}/typing"),
    ("MessagingService", "GetStreamStats", "get", "/api/v1/admin/streams"),
];

/// The `google.api.http` rules of a method as (verb, path), the additional ones too, and its body.
pub fn rules(method: &MethodDescriptor) -> Vec<(String, String, String)> {
    let http = POOL.get_extension_by_name("google.api.http").expect("the annotations are among the descriptors");
    let options = method.options();
    if !options.has_extension(&http) {
        return vec![];
    }
    let mut rules = vec![];
    let mut waiting = vec![options.get_extension(&http).into_owned()];
    while let Some(Value::Message(rule)) = waiting.pop() {
        for verb in ["get", "put", "post", "delete", "patch"] {
            if rule.has_field_by_name(verb)
                && let Some(Value::String(path)) = rule.get_field_by_name(verb).as_deref()
            {
                let body = rule.get_field_by_name("body").and_then(|b| b.as_str().map(str::to_owned));
                rules.push((verb.to_owned(), path.clone(), body.unwrap_or_default()));
            }
        }
        if let Some(Value::List(more)) = rule.get_field_by_name("additional_bindings").as_deref() {
            waiting.extend(more.iter().cloned());
        }
    }
    rules
}

/// Whether the proto's path serves the contract's: `me` may stand for any parameter.
fn serves(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let same = |(t, p): (&&str, &&str)| t == p || (*p == "me" && t.starts_with('{'));
    template.len() == path.len() && template.iter().zip(&path).all(same)
}

#[test]
fn every_rpc_has_exactly_the_path_of_the_contract() {
    let mut wanted: BTreeMap<String, (&str, &str)> =
        PATHS.iter().map(|(service, rpc, verb, path)| (format!("{service}.{rpc}"), (*verb, *path))).collect();
    for service in services() {
        for method in service.methods() {
            let rules = rules(&method);
            match wanted.remove(&format!("{}.{}", service.name(), method.name())) {
                Some((verb, path)) => {
                    let served = rules.iter().any(|(v, template, _)| v == verb && serves(template, path));
                    assert!(served, "{} must be {verb} {path}, not {rules:?}", method.full_name());
                }
                None => assert!(rules.is_empty(), "{} is not in the contract's table: {rules:?}", method.full_name()),
            }
        }
    }
    assert!(wanted.is_empty(), "no such RPCs: {wanted:?}");
}

#[test]
fn no_path_is_ambiguous_and_its_parameters_are_fields() {
    let mut taken = BTreeSet::new();
    for method in services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        for (verb, path, body) in rules(&method) {
            let shape: Vec<&str> = path.split('/').map(|s| if s.starts_with('{') { "{}" } else { s }).collect();
            assert!(taken.insert((verb.clone(), shape.join("/"))), "{verb} {path} is served twice");
            for parameter in path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')) {
                let field = method.input().get_field_by_name(parameter);
                assert!(field.is_some(), "{}: {parameter} is no field of the request", method.full_name());
            }
            if verb == "get" {
                assert!(body.is_empty(), "{verb} {path} has a body");
            }
        }
    }
}
