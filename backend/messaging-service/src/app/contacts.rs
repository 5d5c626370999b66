//! Asks the user service who may write to whom, and remembers it for direct messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use errors::{Class, Classify};
use ids::UserId;
use protos::messaging::v1::ErrorReason as Reason;
use protos::user::v1::CheckContactRequest;
use protos::user::v1::contact::Verdict as Wire;
use protos::user::v1::user_service_client::UserServiceClient;
use rpc::PeerChannel;
use tonic::{Code, Status};

use super::contact_view::{ContactView, Pass, Unanswered, Unknown};
use crate::model::Verdict;

/// Ids in one question. The user service's own bounds of what clients ask are configurable; from services it takes at
/// least this many, however it is configured.
const IDS_A_QUESTION: usize = 1000;

/// The user service, as far as messaging needs it.
#[derive(Clone)]
pub struct Contacts {
    view: ContactView,
    users: UserServiceClient<PeerChannel>,
    timeout: Duration,
    /// Whether the last question was answered.
    answers: Arc<AtomicBool>,
}

/// Why somebody cannot be written to or added.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such person.
    #[error("user {0} not found")]
    NotFound(UserId),
    /// A block stands between the two.
    #[error("a block stands between the two users")]
    Blocked(UserId),
    /// They take no messages from the caller.
    #[error("the user does not take messages from the sender")]
    NotAllowed(UserId),
    /// Nobody answers.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

impl Classify for Refusal {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(user) => Class::not_found("user", user, Reason::UserNotFound).meta("user_id", user),
            Self::Blocked(user) => Class::precondition(Reason::UserBlocked).meta("user_id", user),
            Self::NotAllowed(user) => Class::precondition(Reason::MessagesNotAllowed).meta("user_id", user),
            Self::Unknown(Unknown) => Class::unavailable(),
        }
    }
}

impl Contacts {
    /// Contacts as the user service behind `users` knows them.
    pub fn new(view: ContactView, users: UserServiceClient<PeerChannel>, timeout: Duration) -> Self {
        Self { view, users, timeout, answers: Arc::new(AtomicBool::new(true)) }
    }

    /// What is remembered.
    pub fn view(&self) -> &ContactView {
        &self.view
    }

    /// Lets `sender` write to `recipient`, or says why not. The pass is checked again when the message's turn comes.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn pass(&self, sender: UserId, recipient: UserId) -> Result<Pass, Refusal> {
        let contacts = self.clone();
        let question = move || async move {
            let verdicts = contacts.ask(sender, &[recipient]).await?;
            verdicts.first().map(|(_, verdict)| *verdict).ok_or(Unanswered::Refused)
        };
        let pass = self.view.verdict(sender, recipient, question).await?;
        allowed(recipient, pass.verdict).map(|()| pass)
    }

    /// Lets `actor` add all of `others`, or says why not; asked anew each time.
    ///
    /// # Errors
    /// [`Refusal`] of the first who can't be added.
    pub async fn may_add(&self, actor: UserId, others: &[UserId]) -> Result<(), Refusal> {
        for some in others.chunks(IDS_A_QUESTION) {
            for (user, verdict) in self.ask(actor, some).await.map_err(|_| Unknown)? {
                allowed(user, verdict)?;
            }
        }
        Ok(())
    }

    /// One verdict for each of `others`, in their order.
    async fn ask(&self, actor: UserId, others: &[UserId]) -> Result<Vec<(UserId, Verdict)>, Unanswered> {
        let request = CheckContactRequest {
            actor_id: actor.to_string(),
            user_ids: others.iter().map(UserId::to_string).collect(),
        };
        let mut users = self.users.clone();
        let call = users.check_contact(rpc::idempotent(request));
        let answer = match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return Err(self.unanswered(&status)),
            Err(_) => return Err(self.unanswered(&Status::deadline_exceeded("no answer in time"))),
        };
        if !self.answers.swap(true, Ordering::Relaxed) {
            tracing::info!("the user service says again who may write to whom");
        }
        let mut verdicts = Vec::with_capacity(others.len());
        for user in others {
            let id = user.to_string();
            let contact = answer.contacts.iter().find(|contact| contact.user_id == id).ok_or(Unanswered::Refused)?;
            let verdict = match contact.verdict() {
                Wire::Allowed => Verdict::Allowed,
                Wire::NotFound => Verdict::NotFound,
                Wire::BlockedByActor | Wire::BlockedByUser => Verdict::Blocked,
                Wire::NotAllowed => Verdict::NotAllowed,
                Wire::Unspecified => return Err(Unanswered::Refused),
            };
            verdicts.push((*user, verdict));
        }
        Ok(verdicts)
    }

    /// Counts each question, and tells of the first of a row.
    fn unanswered(&self, status: &Status) -> Unanswered {
        metrics::counter!("nova_contact_questions_unanswered_total").increment(1);
        if self.answers.swap(false, Ordering::Relaxed) {
            let message = status.message();
            tracing::warn!(status.code = ?status.code(), "the user service does not say who may write to whom: {message}");
        }
        if is_unreachable(status) { Unanswered::Unreachable } else { Unanswered::Refused }
    }
}

/// Whether nobody is there; otherwise somebody has answered, though not what was asked.
fn is_unreachable(status: &Status) -> bool {
    let is_local = std::error::Error::source(status).is_some(); // the connection broke: no status came from the peer
    is_local || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

fn allowed(user: UserId, verdict: Verdict) -> Result<(), Refusal> {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::NotFound => Err(Refusal::NotFound(user)),
        Verdict::Blocked => Err(Refusal::Blocked(user)),
        Verdict::NotAllowed => Err(Refusal::NotAllowed(user)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_cannot_be_reached_counts_as_unreachable() {
        let broken = Status::from_error(Box::new(std::io::Error::other("connection reset")));
        for status in [Status::unavailable("x"), Status::deadline_exceeded("x"), broken] {
            assert!(is_unreachable(&status), "{status:?}");
        }
        let answers = [Code::Unauthenticated, Code::ResourceExhausted, Code::Internal, Code::PermissionDenied];
        for code in answers {
            assert!(!is_unreachable(&Status::new(code, "x")), "{code:?}");
        }
    }
}
