//! The queue of mails and the worker that sends them.
//!
//! The queue is in memory: a mail that is lost with the process is asked for again by the person who waits for it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ids::UserId;
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Letter;
use crate::app::{App, Overloaded};
use crate::config::Mail;
use crate::model::Email;
use crate::model::audit::Origin;

/// Mails that are sent at once.
const AT_ONCE: usize = 4;
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);
/// Waits before the second and the third try.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// A mail to be written and sent. Whom it goes to is found out by the worker, not while the caller waits.
#[derive(Debug)]
pub enum Job {
    /// To who has this e-mail, if anyone.
    PasswordReset {
        /// The e-mail as it was asked for.
        email: Email,
        /// Where the call came from that asked.
        origin: Origin,
    },
    /// To a person whose e-mail is not verified.
    EmailVerification {
        /// The person.
        user: UserId,
    },
}

impl Job {
    /// The same for jobs that ask for the same mail.
    fn key(&self) -> String {
        match self {
            Self::PasswordReset { email, .. } => format!("reset {}", email.folded()),
            Self::EmailVerification { user } => format!("verify {user}"),
        }
    }
}

/// Keys of the jobs that wait.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<HashSet<String>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where mails are put.
pub struct MailQueue {
    jobs: mpsc::Sender<Job>,
    waiting: Waiting,
}

impl MailQueue {
    /// Adds a mail, unless the same one waits already: who asks a thousand times for one must not fill the queue.
    ///
    /// # Errors
    /// [`Overloaded`] at once if too many wait.
    pub fn push(&self, job: Job) -> Result<(), Overloaded> {
        let key = job.key();
        let mut waiting = self.waiting.lock();
        if !waiting.contains(&key) {
            self.jobs.try_send(job).map_err(|_| Overloaded)?;
            waiting.insert(key);
        }
        Ok(())
    }
}

/// How mails leave.
enum Mailer {
    /// They are shown in the log, token and all: for a try-out, and for who reads the log anyway.
    Log,
    /// They go to a mail server.
    Smtp { transport: Box<AsyncSmtpTransport<Tokio1Executor>>, from: Box<Mailbox> },
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the mail can't be written")]
    Message(#[from] lettre::error::Error),
    #[error("the address is none")]
    Address(#[from] lettre::address::AddressError),
    #[error("the mail server refused or did not answer")]
    Smtp(#[from] lettre::transport::smtp::Error),
}

/// A mail server by its address.
///
/// # Errors
/// If the address can't be read.
pub fn transport(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    Ok(AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?.timeout(Some(SMTP_TIMEOUT)).build())
}

/// The worker's end of the queue.
pub struct Outbox {
    jobs: mpsc::Receiver<Job>,
    waiting: Waiting,
    mailer: Mailer,
}

impl Outbox {
    /// A queue and its worker.
    ///
    /// # Errors
    /// If the mail server's address or the sender can't be read.
    pub fn try_new(config: &Mail) -> anyhow::Result<(MailQueue, Self)> {
        let mailer = match config.smtp_url.expose() {
            "" => Mailer::Log,
            url => Mailer::Smtp { transport: Box::new(transport(url)?), from: Box::new(config.from.parse()?) },
        };
        let (sender, jobs) = mpsc::channel(config.max_waiting);
        let waiting = Waiting::default();
        Ok((MailQueue { jobs: sender, waiting: waiting.clone() }, Self { jobs, waiting, mailer }))
    }

    /// Sends mails until the process stops; those that wait then are still tried once.
    pub async fn run(self, app: Arc<App>, stop: CancellationToken) {
        let Self { mut jobs, waiting, mailer } = self;
        let mailer = Arc::new(mailer);
        let mut sending = JoinSet::new();
        loop {
            let job = tokio::select! {
                job = jobs.recv() => job,
                () = stop.cancelled() => {
                    jobs.close();
                    jobs.try_recv().ok()
                }
            };
            let Some(job) = job else { break };
            waiting.lock().remove(&job.key());
            if sending.len() >= AT_ONCE {
                sending.join_next().await;
            }
            let (app, mailer, stop) = (Arc::clone(&app), Arc::clone(&mailer), stop.clone());
            sending.spawn(async move { deliver(&app, &mailer, &job, &stop).await });
        }
        while sending.join_next().await.is_some() {}
    }
}

async fn deliver(app: &App, mailer: &Mailer, job: &Job, stop: &CancellationToken) {
    let mut waits = RETRY_AFTER.into_iter();
    let mut written = None;
    loop {
        let failure = match try_deliver(app, mailer, job, &mut written).await {
            Ok(()) => return,
            Err(failure) => failure,
        };
        let Some(wait) = waits.next().filter(|_| !stop.is_cancelled()) else {
            app.metrics().mail_given_up();
            tracing::error!("a mail was given up: {failure:#}");
            return;
        };
        app.metrics().mail_repeated();
        tracing::warn!("a mail could not be sent, trying again in {wait:?}: {failure:#}");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// A mail that was written is sent again as it is: its token is good.
async fn try_deliver(app: &App, mailer: &Mailer, job: &Job, written: &mut Option<Letter>) -> anyhow::Result<()> {
    if written.is_none() {
        *written = app.letter(job).await?;
    }
    if let Some(letter) = written {
        mailer.send(letter).await?;
        app.metrics().mail_sent();
    }
    Ok(())
}

impl Mailer {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        match self {
            Self::Log => {
                let Letter { to, subject, body } = letter;
                tracing::info!("mail to {to}: {subject}\n\n{body}");
            }
            Self::Smtp { transport, from } => {
                let to = Mailbox::new(None, letter.to.parse()?);
                let message = Message::builder().from(from.as_ref().clone()).to(to).subject(letter.subject);
                transport.send(message.body(letter.body.clone())?).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_mail_waits_once() {
        let config = Mail { max_waiting: 2, ..Mail::default() };
        let (queue, mut outbox) = Outbox::try_new(&config).expect("valid");
        let reset = |email: &str| {
            let email = Email::parse(email).expect("an e-mail");
            Job::PasswordReset { email, origin: Origin::default() }
        };
        for email in ["alice@example.org", "ALICE@example.org", "bob@example.org", "alice@example.org"] {
            assert_eq!(queue.push(reset(email)), Ok(()));
        }
        assert_eq!(queue.push(reset("carol@example.org")), Err(Overloaded));
        assert!(
            matches!(outbox.jobs.try_recv(), Ok(Job::PasswordReset { email, .. }) if email.as_str() == "alice@example.org")
        );
        assert!(
            matches!(outbox.jobs.try_recv(), Ok(Job::PasswordReset { email, .. }) if email.as_str() == "bob@example.org")
        );
        assert!(outbox.jobs.try_recv().is_err());
    }
}
