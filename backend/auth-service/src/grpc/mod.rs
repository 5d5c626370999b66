//! The wire: decode, call, encode.

mod access;
mod convert;
mod export;
mod origin;
mod rates;
mod server;
mod webhooks;

pub use access::{ACCESS, RULES};
pub use origin::with_origin;
pub use rates::RATES;
pub use server::Server;

use authn::{Caller, Denied};
use errors::{Invalid, into_status, status_of};
use tonic::{Request, Response, Status};

use crate::DOMAIN;
use crate::app;

/// What every method returns.
type Reply<T> = Result<Response<T>, Status>;

into_status!(app::AccountError, DOMAIN);
into_status!(app::AuditError, DOMAIN);
into_status!(app::ExportError, DOMAIN);
into_status!(app::LoginError, DOMAIN);
into_status!(app::MailTokenError, DOMAIN);
into_status!(app::PasswordChangeError, DOMAIN);
into_status!(app::QueryError, DOMAIN);
into_status!(app::RefreshError, DOMAIN);
into_status!(app::RegisterError, DOMAIN);
into_status!(app::RoleChangeError, DOMAIN);
into_status!(app::SessionError, DOMAIN);
into_status!(app::TokenError, DOMAIN);
into_status!(app::TotpError, DOMAIN);
into_status!(app::WebhookError, DOMAIN);

/// The status of a request with fields out of bounds.
fn invalid(violations: impl Into<Invalid>) -> Status {
    status_of(DOMAIN, &violations.into())
}

/// The caller that the guard found.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    Caller::of(request).map_err(|denied: Denied| status_of(DOMAIN, &denied))
}

/// The access token of a call that the guard let pass without one.
fn bearer<T>(request: &Request<T>) -> Option<&str> {
    let value = request.metadata().get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
