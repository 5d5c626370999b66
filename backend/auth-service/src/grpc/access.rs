//! Which kind of caller may call which RPC. Whose data they may touch is decided in `app`.

use authn::{Access, AccessTable};

/// One row for each RPC.
pub const ACCESS: AccessTable = &[
    ("Register", Access::Public),
    ("Login", Access::Public),
    ("RefreshToken", Access::Public),
    // The app checks the token: one of a session that has ended is accepted, so that a log-out can be repeated.
    ("Logout", Access::Public),
    ("ListSessions", Access::Caller),
    ("RevokeSession", Access::Caller),
    ("RevokeAllSessions", Access::Caller),
    ("ChangePassword", Access::Caller),
    ("RequestPasswordReset", Access::Public),
    ("ResetPassword", Access::Public),
    ("SendEmailVerification", Access::Caller),
    ("VerifyEmail", Access::Public),
    ("BeginTotpEnrollment", Access::Caller),
    ("ConfirmTotp", Access::Caller),
    ("DisableTotp", Access::Caller),
    ("DeleteAccount", Access::Caller),
    ("IssueServiceToken", Access::Public),
    ("VerifyToken", Access::Service),
    ("GetUser", Access::Caller),
    ("GetUsersByIds", Access::ServiceOrAdmin),
    ("GetUserByEmail", Access::ServiceOrAdmin),
    ("CheckUserExists", Access::ServiceOrAdmin),
    ("ListUsers", Access::Admin),
    ("CheckPermission", Access::Caller),
    ("GetUserPermissions", Access::Caller),
    ("GrantRole", Access::Admin),
    ("RevokeRole", Access::Admin),
    ("RecordFailedLogin", Access::Service),
    ("GetTokenState", Access::Service),
];
