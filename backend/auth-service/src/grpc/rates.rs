//! Which RPC is counted as what; how many are taken is in `[auth.rate_limits]`.

use limits::RateTable;

/// One row for each RPC. Calls of Nova's own services are not limited.
pub const RATES: RateTable = &[
    ("Register", "register"),
    ("Login", "login"),
    ("RefreshToken", "refresh"),
    ("Logout", "calls"),
    ("ListSessions", "calls"),
    ("RevokeSession", "calls"),
    ("RevokeAllSessions", "calls"),
    ("ChangePassword", "secret"),
    ("RequestPasswordReset", "reset"),
    ("ResetPassword", "mail_token"),
    ("SendEmailVerification", "verification"),
    ("VerifyEmail", "mail_token"),
    ("BeginTotpEnrollment", "secret"),
    ("ConfirmTotp", "secret"),
    ("DisableTotp", "secret"),
    ("DeleteAccount", "secret"),
    ("ExportAccount", "export"),
    // A client's secret is far too long to be guessed, and a stranger must not be able to use up the services' share.
    ("IssueServiceToken", "calls"),
    ("VerifyToken", "calls"),
    ("GetUser", "calls"),
    ("GetUsersByIds", "calls"),
    ("GetUserByEmail", "calls"),
    ("CheckUserExists", "calls"),
    ("ListUsers", "search"),
    ("ListAuditEvents", "search"),
    ("CheckPermission", "calls"),
    ("GetUserPermissions", "calls"),
    ("GrantRole", "calls"),
    ("RevokeRole", "calls"),
    ("RecordFailedLogin", "calls"),
    ("GetTokenState", "calls"),
];
