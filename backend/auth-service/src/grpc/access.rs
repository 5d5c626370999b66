//! Who may do what: one row for each RPC. `tests/authorization` tries every cell of it.

use authn::Access::{Admin, Caller, Public, Service, ServiceOrAdmin};
use authn::Verdict::{self, Done, Refused};
use authn::{AccessTable, RELATIONS, Rule, access_of, rule};
use tonic::Code::{FailedPrecondition, NotFound};

type Row = [Verdict; RELATIONS];

const NO: Verdict = Verdict::NOT_YOURS;

// Stranger, former member, blocked by, blocking, member, group administrator; the person; a service, an administrator. To
// accounts it makes no difference how two people stand to each other.
const ANYONE: Row = [Done; RELATIONS];
const PEOPLE: Row = [Done, Done, Done, Done, Done, Done, Done, NO, Done];
const SELF: Row = [NO, NO, NO, NO, NO, NO, Done, NO, NO];
const SELF_OR_ADMIN: Row = [NO, NO, NO, NO, NO, NO, Done, NO, Done];
const SELF_SERVICE_OR_ADMIN: Row = [NO, NO, NO, NO, NO, NO, Done, Done, Done];
const SERVICE: Row = [NO, NO, NO, NO, NO, NO, NO, Done, NO];
const ADMIN: Row = [NO, NO, NO, NO, NO, NO, NO, NO, Done];
const SERVICE_OR_ADMIN: Row = [NO, NO, NO, NO, NO, NO, NO, Done, Done];
const NO_SESSION: Verdict = Refused(NotFound, "SESSION_NOT_FOUND");
const NOT_STARTED: Verdict = Refused(FailedPrecondition, "TOTP_NOT_STARTED");
const NOT_ENABLED: Verdict = Refused(FailedPrecondition, "TOTP_NOT_ENABLED");
/// Whether there is such a session is nobody else's business.
const SESSION: Row = [NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION, Done, Done, Done];
/// Let through as far as there is anything to confirm.
const CONFIRMS: Row =
    [NOT_STARTED, NOT_STARTED, NOT_STARTED, NOT_STARTED, NOT_STARTED, NOT_STARTED, NOT_STARTED, NO, NOT_STARTED];
/// Let through as far as there is anything to disable.
const DISABLES: Row =
    [NOT_ENABLED, NOT_ENABLED, NOT_ENABLED, NOT_ENABLED, NOT_ENABLED, NOT_ENABLED, NOT_ENABLED, NO, NOT_ENABLED];
/// It takes the token of a mail; no other right replaces it.
const WITHOUT_MAIL: Row = [Refused(FailedPrecondition, "ONE_TIME_TOKEN_INVALID"); RELATIONS];

/// One row for each RPC.
pub const RULES: &[Rule] = &[
    rule("Register", Public, &[("", ANYONE)]),
    rule("Login", Public, &[("", ANYONE)]),
    rule("RefreshToken", Public, &[("", ANYONE)]),
    // The app checks the token: one of a session that has ended is accepted, so that a log-out can be repeated.
    rule("Logout", Public, &[("", PEOPLE)]).wanting_token(),
    rule("ListSessions", Caller, &[("", SELF_SERVICE_OR_ADMIN)]),
    rule("RevokeSession", Caller, &[("", SESSION)]),
    rule("RevokeAllSessions", Caller, &[("", SELF_SERVICE_OR_ADMIN)]),
    rule("ChangePassword", Caller, &[("", SELF)]),
    rule("RequestPasswordReset", Public, &[("", ANYONE)]),
    rule("ResetPassword", Public, &[("", WITHOUT_MAIL)]),
    rule("SendEmailVerification", Caller, &[("", SELF)]),
    rule("VerifyEmail", Public, &[("", WITHOUT_MAIL)]),
    rule("BeginTotpEnrollment", Caller, &[("", PEOPLE)]),
    rule("ConfirmTotp", Caller, &[("", CONFIRMS)]),
    rule("DisableTotp", Caller, &[("", DISABLES)]),
    rule("DeleteAccount", Caller, &[("", SELF_OR_ADMIN)]),
    rule("ExportAccount", Caller, &[("", SELF_OR_ADMIN)]),
    rule("IssueServiceToken", Public, &[("", ANYONE)]),
    rule("VerifyToken", Service, &[("", SERVICE)]),
    rule("GetUser", Caller, &[("", SELF_SERVICE_OR_ADMIN)]),
    rule("GetUsersByIds", ServiceOrAdmin, &[("", SERVICE_OR_ADMIN)]),
    rule("GetUserByEmail", ServiceOrAdmin, &[("", SERVICE_OR_ADMIN)]),
    rule("CheckUserExists", ServiceOrAdmin, &[("", SERVICE_OR_ADMIN)]),
    rule("ListUsers", Admin, &[("", ADMIN)]),
    rule("CheckPermission", Caller, &[("", SELF_SERVICE_OR_ADMIN)]),
    rule("GetUserPermissions", Caller, &[("", SELF_SERVICE_OR_ADMIN)]),
    rule("GrantRole", Admin, &[("", ADMIN)]),
    rule("RevokeRole", Admin, &[("", ADMIN)]),
    rule("ListAuditEvents", Caller, &[("", SELF_OR_ADMIN)]),
    rule("RecordFailedLogin", Service, &[("", SERVICE)]),
    rule("GetTokenState", Service, &[("", SERVICE)]),
    rule("CreateWebhook", Admin, &[("", ADMIN)]),
    rule("ListWebhooks", Admin, &[("", ADMIN)]),
    rule("GetWebhook", Admin, &[("", ADMIN)]),
    rule("UpdateWebhook", Admin, &[("", ADMIN)]),
    rule("DeleteWebhook", Admin, &[("", ADMIN)]),
    rule("RotateWebhookSecret", Admin, &[("", ADMIN)]),
    rule("SendTestEvent", Admin, &[("", ADMIN)]),
    rule("ListWebhookDeliveries", Admin, &[("", ADMIN)]),
    rule("GetWebhookDelivery", Admin, &[("", ADMIN)]),
    rule("ReplayWebhookDelivery", Admin, &[("", ADMIN)]),
    rule("ReplayWebhookDeliveries", Admin, &[("", ADMIN)]),
];

/// The guard's part of it.
pub const ACCESS: AccessTable = &access_of::<{ RULES.len() }>(RULES);
