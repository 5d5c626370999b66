//! Reading the audit log.

use authn::{Caller, Denied};
use chrono::{DateTime, Utc};
use errors::{Class, Classify};
use ids::UserId;
use pg::page::{Binding, Page, PageError};
use tracing::instrument;
use uuid::Uuid;

use super::App;
use crate::model::audit::{Entry, Event, Kind};
use crate::storage::audit_log::{self, Filter};

/// Which events to list.
pub struct Wanted {
    /// Of whom; nobody for everything, which is an administrator's business.
    pub subject: Option<UserId>,
    /// Only what this person or service did.
    pub actor: Option<String>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only before this time.
    pub until: Option<DateTime<Utc>>,
}

/// Why the log is not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another person's events.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Denied(error) => error.class(),
            Self::Page(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// A page of the log, newest first, and the token of the next one. A person sees what concerns them, an administrator
    /// everything; services see nothing.
    #[instrument(skip_all)]
    pub async fn list_audit_events(
        &self,
        caller: &Caller,
        wanted: Wanted,
        limit: i32,
        page_token: &str,
    ) -> Result<(Vec<Entry>, String), Error> {
        let own = wanted.subject.filter(|subject| caller.user_id() == Some(*subject));
        if own.is_none() {
            caller.must_be_admin()?;
        }
        let sees_all = caller.is_admin();
        // Who looks at what others did would find them by it.
        if !sees_all && wanted.actor.as_deref().is_some_and(|actor| own.is_none_or(|own| actor != own.to_string())) {
            return Err(Denied::NotYours.into());
        }
        let text = |time: Option<DateTime<Utc>>| time.map(clock::rfc3339).unwrap_or_default();
        let binding = Binding::new("ListAuditEvents")
            .arg(wanted.subject.map(|user| user.to_string()).unwrap_or_default())
            .arg(wanted.actor.as_deref().unwrap_or_default())
            .arg(wanted.kind.map_or("", Kind::name))
            .arg(text(wanted.since))
            .arg(text(wanted.until))
            .arg(sees_all);
        let page: Page<Uuid> = Page::parse(self.config.paging.limits(), limit, 0, page_token, binding)?;
        let filter = Filter {
            subject: wanted.subject,
            actor: wanted.actor,
            kind: wanted.kind,
            hidden: if sees_all { vec![] } else { Kind::ALL.into_iter().filter(|kind| kind.is_for_admins()).collect() },
            since: wanted.since,
            until: wanted.until,
        };
        let mut tx = self.pg.begin().await?;
        let rows = audit_log::list_entries(&mut tx, &filter, page.after().copied(), page.fetch()).await?;
        tx.commit().await?;
        let (entries, next_page_token) = page.finish(rows, |entry| entry.id);
        match own {
            Some(own) if !sees_all => {
                Ok((entries.into_iter().map(|entry| entry.for_subject(own)).collect(), next_page_token))
            }
            Some(_) => Ok((entries, next_page_token)),
            None => {
                let read =
                    Event::by(caller, Kind::AdminRead).with("rpc", "ListAuditEvents").with("count", entries.len());
                self.record([filter.subject.map_or(read.clone(), |subject| read.on(subject))]).await?;
                Ok((entries, next_page_token))
            }
        }
    }
}
