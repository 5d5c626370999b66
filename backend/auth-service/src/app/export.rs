//! ExportAccount: what is held on a person, here and in the other services, one record after the other.
//!
//! A task of its own reads, a page or a record at a time, and writes into a channel with few places: who reads slowly is waited
//! for, all the way to the other services' databases, and who leaves ends the task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use authn::{Caller, Denied};
use errors::{Class, Classify};
use futures::stream::{BoxStream, TryStreamExt};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use protos::messaging::v1 as messaging;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::user::v1 as users;
use protos::user::v1::user_service_client::UserServiceClient;
use rpc::PeerChannel;
use tokio::sync::mpsc;
use tonic::Status;
use tracing::{Instrument, instrument};

use super::App;
use crate::model::User;
use crate::model::audit::{Entry, Event, Kind};
use crate::storage::audit_log::{self, Filter};
use crate::storage::export::{self, Credentials, Grant, KeptSession, MailToken};
use crate::storage::users as accounts;

/// Records that wait for who reads the stream.
const QUEUE: usize = 16;
/// A service that says nothing for so long in the middle of an export is given up; it reads a page in milliseconds.
const SILENCE: Duration = Duration::from_secs(30);

/// One thing that is held on a person.
pub enum Record {
    /// The account.
    Account(Box<User>),
    /// How they prove who they are.
    Credentials(Credentials),
    /// A role that they were given.
    Role(Grant),
    /// A mail with a token that was sent to them.
    MailToken(MailToken),
    /// A session.
    Session(KeptSession),
    /// A security event, as they may see it.
    AuditEvent(Box<Entry>),
    /// What another service holds, as it wrote it.
    Held(Held),
    /// That this was all: how many records of each kind there were.
    End(BTreeMap<String, u64>),
}

/// A record of another service.
pub struct Held {
    /// Which service.
    pub service: &'static str,
    /// What it is.
    pub kind: String,
    /// JSON.
    pub record: String,
}

impl Record {
    /// What it is.
    pub fn kind(&self) -> &str {
        match self {
            Self::Account(_) => "account",
            Self::Credentials(_) => "credentials",
            Self::Role(_) => "role",
            Self::MailToken(_) => "mail_token",
            Self::Session(_) => "session",
            Self::AuditEvent(_) => "audit_event",
            Self::Held(held) => &held.kind,
            Self::End(_) => "end",
        }
    }
}

/// Where the records come out; after a failure there is no more.
pub type Outlet = mpsc::Receiver<Result<Record, Error>>;

/// Why there is no export, or why it ends early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No live account of this id.
    #[error("user {0} not found")]
    NotFound(UserId),
    /// Another person's account.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// One of the other services does not answer, or fails.
    #[error("the {0} service does not answer")]
    Silent(&'static str),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(id) => Class::not_found("user", id, Reason::UserNotFound),
            Self::Denied(error) => error.class(),
            Self::Silent(_) => Class::unavailable(),
            Self::Pg(error) => error.class(),
        }
    }
}

/// The services that hold something on people too.
#[derive(Clone)]
pub struct Holders {
    users: UserServiceClient<PeerChannel>,
    messaging: MessagingServiceClient<PeerChannel>,
}

/// Kind and JSON of each record.
type Records = BoxStream<'static, Result<(String, String), Status>>;

impl Holders {
    /// The user service and the messaging service behind these channels.
    pub fn new(users: PeerChannel, messaging: PeerChannel) -> Self {
        let (users, messaging) = (users.for_streams(), messaging.for_streams());
        Self { users: UserServiceClient::new(users), messaging: MessagingServiceClient::new(messaging) }
    }

    async fn of_users(&self, user: UserId) -> Result<Records, Status> {
        let request = users::ExportUserRequest { user_id: user.to_string() };
        let records = self.users.clone().export_user(request).await?.into_inner();
        Ok(Box::pin(records.map_ok(|answer| (answer.kind, answer.record))))
    }

    async fn of_messaging(&self, user: UserId) -> Result<Records, Status> {
        let request = messaging::ExportUserRequest { user_id: user.to_string() };
        let records = self.messaging.clone().export_user(request).await?.into_inner();
        Ok(Box::pin(records.map_ok(|answer| (answer.kind, answer.record))))
    }
}

/// Why writing stops before its end.
enum Stop {
    /// Nobody reads any more.
    Left,
    Failed(Error),
}

impl From<pg::Error> for Stop {
    fn from(error: pg::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl App {
    /// Begins to export what is held on a person, and writes into the audit log that it was begun.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn export_account(self: &Arc<Self>, caller: &Caller, user: UserId) -> Result<Outlet, Error> {
        // What the services hold they have; nobody lends them a person's whole account.
        caller.person()?;
        caller.must_be(user)?;
        let account = accounts::find_user(&mut *self.pg.conn().await?, user).await?.ok_or(Error::NotFound(user))?;
        self.record([Event::by(caller, Kind::AccountExport).on(user)]).await?;
        let (out, outlet) = mpsc::channel(QUEUE);
        let export = Export { app: Arc::clone(self), user, out, counts: BTreeMap::new() };
        let run = export.run(account).in_current_span();
        match rpc::current() {
            Some(context) => drop(tokio::spawn(rpc::scope(context, run))),
            None => drop(tokio::spawn(run)),
        }
        Ok(outlet)
    }
}

struct Export {
    app: Arc<App>,
    user: UserId,
    out: mpsc::Sender<Result<Record, Error>>,
    counts: BTreeMap<String, u64>,
}

impl Export {
    async fn run(mut self, account: User) {
        if let Err(Stop::Failed(error)) = self.write(account).await {
            // Whoever has left needs no reason.
            let _ = self.out.send(Err(error)).await;
        }
    }

    async fn write(&mut self, account: User) -> Result<(), Stop> {
        self.tell(Record::Account(Box::new(account))).await?;
        self.write_credentials().await?;
        self.write_sessions().await?;
        self.write_events().await?;
        let holders = self.app.holders.clone();
        let records = holders.of_users(self.user).await;
        self.pass_on("user", records).await?;
        let records = holders.of_messaging(self.user).await;
        self.pass_on("messaging", records).await?;
        let counts = std::mem::take(&mut self.counts);
        self.tell(Record::End(counts)).await
    }

    async fn write_credentials(&mut self) -> Result<(), Stop> {
        let mut conn = self.app.pg.conn().await?;
        let credentials = export::find_credentials(&mut conn, self.user).await?;
        let grants = export::list_grants(&mut conn, self.user).await?;
        let mail_tokens = export::list_mail_tokens(&mut conn, self.user).await?;
        drop(conn);
        let credentials = credentials.into_iter().map(Record::Credentials);
        let records = credentials
            .chain(grants.into_iter().map(Record::Role))
            .chain(mail_tokens.into_iter().map(Record::MailToken));
        for record in records {
            self.tell(record).await?;
        }
        Ok(())
    }

    async fn write_sessions(&mut self) -> Result<(), Stop> {
        let mut after = None;
        loop {
            let mut conn = self.app.pg.conn().await?;
            let sessions = export::list_sessions(&mut conn, self.user, after, self.page()).await?;
            drop(conn);
            let Some(last) = sessions.last() else { return Ok(()) };
            after = Some(last.session.id);
            for session in sessions {
                self.tell(Record::Session(session)).await?;
            }
        }
    }

    /// What the person may see of the audit log, newest first; the same whoever asked for the export, for it is theirs.
    async fn write_events(&mut self) -> Result<(), Stop> {
        let filter = Filter {
            subject: Some(self.user),
            actor: None,
            kind: None,
            hidden: Kind::ALL.into_iter().filter(|kind| kind.is_for_admins()).collect(),
            since: None,
            until: None,
        };
        let mut before = None;
        loop {
            let mut tx = self.app.pg.begin().await?;
            let entries = audit_log::list_entries(&mut tx, &filter, before, self.page()).await?;
            tx.commit().await?;
            let Some(last) = entries.last() else { return Ok(()) };
            before = Some(last.id);
            for entry in entries {
                self.tell(Record::AuditEvent(Box::new(entry.for_subject(self.user)))).await?;
            }
        }
    }

    /// Passes on what another service holds.
    async fn pass_on(&mut self, service: &'static str, records: Result<Records, Status>) -> Result<(), Stop> {
        let silent = |cause: &dyn std::fmt::Display| {
            tracing::warn!(%cause, "an export was cut short by the {service} service");
            Stop::Failed(Error::Silent(service))
        };
        let mut records = records.map_err(|status| silent(&status))?;
        loop {
            let next = tokio::select! {
                () = self.out.closed() => return Err(Stop::Left),
                next = tokio::time::timeout(SILENCE, records.try_next()) => next,
            };
            match next.map_err(|silence| silent(&silence))?.map_err(|status| silent(&status))? {
                Some((kind, record)) => self.tell(Record::Held(Held { service, kind, record })).await?,
                None => return Ok(()),
            }
        }
    }

    fn page(&self) -> i64 {
        self.app.config.paging.max_limit.into()
    }

    async fn tell(&mut self, record: Record) -> Result<(), Stop> {
        *self.counts.entry(record.kind().to_owned()).or_default() += 1;
        self.out.send(Ok(record)).await.map_err(|_| Stop::Left)
    }
}
