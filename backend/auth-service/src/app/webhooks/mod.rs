//! Webhooks: administrators say where events go to, a consumer of the bus writes deliveries down, a worker sends them.

mod courier;
mod deliveries;
mod envelope;
mod feed;
mod hooks;

use authn::Denied;
use errors::{Class, Classify};
use ids::{DeliveryId, WebhookId};
use pg::page::PageError;
use protos::auth::v1::ErrorReason as Reason;

pub use courier::Courier;
pub use deliveries::Shown;
pub use feed::{Feed, Wishes};
pub use hooks::{Change, Registration};

/// Why a webhook or a delivery is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No webhook of this id.
    #[error("webhook {0} not found")]
    NotFound(WebhookId),
    /// No delivery of this id.
    #[error("delivery {0} not found")]
    DeliveryNotFound(DeliveryId),
    /// Nothing is sent to it.
    #[error("webhook {0} is disabled, enable it first")]
    Disabled(WebhookId),
    /// There are as many as there may be.
    #[error("there are {0} webhooks already, delete one first")]
    LimitReached(usize),
    /// The webhook has another version.
    #[error("the webhook has version {0} by now")]
    VersionConflict(i64),
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The cipher.
    #[error("the secret of a webhook can't be sealed")]
    Sealed(#[from] sealing::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(id) => Class::not_found("webhook", id, Reason::WebhookNotFound),
            Self::DeliveryNotFound(id) => Class::not_found("delivery", id, Reason::WebhookDeliveryNotFound),
            Self::Disabled(_) => Class::precondition(Reason::WebhookDisabled),
            Self::LimitReached(_) => Class::precondition(Reason::WebhookLimitReached),
            Self::VersionConflict(version) => Class::version_conflict(*version),
            Self::Denied(error) => error.class(),
            Self::Page(error) => error.class(),
            Self::Sealed(_) => Class::internal(),
            Self::Pg(error) => error.class(),
        }
    }
}

/// What a webhook's secret is bound to.
fn context(id: WebhookId) -> Vec<u8> {
    format!("webhook secret {id}").into_bytes()
}
