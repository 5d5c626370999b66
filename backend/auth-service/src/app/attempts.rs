//! Attempts to prove who one is: one after another for each name, counted before they are tried.
//!
//! Counting first bounds what parallel guesses can try; taking turns keeps parallel log-ins of the owner, each counted as
//! failed until it is proven right, from locking them out. Names that nobody has go through all of it too.
//!
//! Log-ins are counted twice: for the name that was typed, and for the account. What is told is the first, so that locking a
//! name says nothing of an e-mail; what bounds the guesses at one password is the second. An account that is locked through
//! another of its names answers as if the password were wrong, and does not look at it.
//!
//! What somebody who is logged in tries is counted for their session, passwords and codes apart: strangers who guess at the
//! log-in can't keep its owner from changing the password, and a stolen session is no way to guess.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use authn::Caller;
use errors::{Class, Classify, common};
use ids::UserId;
use limits::Limited;
use protos::auth::v1::ErrorReason as Reason;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::App;
use super::audit::Tried;
use super::hasher::{HashError, Overloaded, Slot, Waiter};
use crate::model::audit::Event;
use crate::model::{LoginName, TokenHash};
use crate::storage::{credentials, login_failures};

/// Enough that two accounts seldom wait for one another.
const STRIPES: usize = 256;

/// Whom somebody claims to be.
#[derive(Clone, Copy)]
pub enum Target {
    /// The person who is logged in already.
    Own {
        /// Who.
        user: UserId,
        /// What the session's failures are counted by.
        counter: TokenHash,
        /// What they are to prove themselves by.
        proof: OwnProof,
    },
    /// Whoever has the name that was typed.
    Typed {
        /// Hash of the name.
        name: TokenHash,
        /// Whose it is, if anyone's.
        account: Option<UserId>,
    },
}

/// What somebody who is logged in proves themselves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnProof {
    /// Their password.
    Password,
    /// A code of the second factor.
    Code,
}

impl Target {
    /// A person, `user`, who is logged in as `caller`.
    pub fn own(caller: &Caller, user: UserId, proof: OwnProof) -> Self {
        let session = caller.session_id().map(|session| session.to_string()).unwrap_or_default();
        // No name that can be typed has blanks.
        let counter = TokenHash::of(format!("own {proof:?} of {user} in {session}").as_bytes());
        Self::Own { user, counter, proof }
    }

    /// Who logs in as `name`.
    pub fn typed(name: &LoginName, account: Option<UserId>) -> Self {
        Self::Typed { name: TokenHash::of(name.as_str().as_bytes()), account }
    }

    /// Hash of the name that was typed.
    pub fn name(&self) -> Option<&TokenHash> {
        match self {
            Self::Own { .. } => None,
            Self::Typed { name, .. } => Some(name),
        }
    }

    /// What failures are counted by.
    pub fn counter(&self) -> &TokenHash {
        match self {
            Self::Own { counter, .. } => counter,
            Self::Typed { name, .. } => name,
        }
    }

    /// What the log counts refusals by: the same for a name, whether anybody has it or not.
    pub fn aim(&self) -> (Option<UserId>, Option<&[u8]>) {
        match self {
            Self::Own { user, .. } => (Some(*user), None),
            Self::Typed { name, .. } => (None, Some(name.as_slice())),
        }
    }
}

/// Why an attempt is not even tried, or fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is the same for names that nobody has.
    #[error("the name or the password is wrong")]
    InvalidCredentials,
    /// Too many failures in a row.
    #[error("log-in is locked after too many failed attempts")]
    Locked {
        /// How long still.
        wait: Duration,
    },
    /// Too many tries in a short time, right ones among them.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// Too many attempts wait.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// A hash could not be computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::InvalidCredentials => Class::unauthenticated(Reason::InvalidCredentials),
            Self::Locked { wait } => Class::limited(Reason::AccountLocked, *wait),
            Self::Limited(limited) => limited.class(),
            Self::Overloaded(_) => Class::limited(common::OVERLOADED, Duration::from_secs(1)),
            Self::Hash(_) => Class::internal(),
            Self::Pg(error) => error.class(),
        }
    }
}

/// An attempt that was counted and may be tried. While it lives, no other one with the same name is tried.
pub struct Attempt {
    /// The right to hash.
    pub slot: Slot,
    /// Hash of the account's password; nothing if there is no account or nothing may be compared with it.
    pub password_hash: Option<String>,
    /// What the log is told of it.
    pub(super) tried: Tried,
    /// Held until it is over.
    pub(super) turn: OwnedMutexGuard<()>,
}

/// Takes turns.
pub struct Turns {
    stripes: Vec<Stripe>,
    hasher: RandomState,
    max_waiting: usize,
}

#[derive(Default)]
struct Stripe {
    turn: Arc<Mutex<()>>,
    waiting: AtomicUsize,
}

impl Turns {
    /// Turns with queues of at most `max_waiting`.
    pub fn new(max_waiting: usize) -> Self {
        Self {
            stripes: std::iter::repeat_with(Stripe::default).take(STRIPES).collect(),
            hasher: RandomState::new(),
            max_waiting,
        }
    }

    async fn take(&self, target: &Target) -> Result<OwnedMutexGuard<()>, Overloaded> {
        let hash = match target {
            Target::Own { user, .. } => self.hasher.hash_one(user),
            // Not by account: that one name waits for the other would tell that they are one person's.
            Target::Typed { name, .. } => self.hasher.hash_one(name.as_slice()),
        };
        let stripe = &self.stripes[usize::try_from(hash % STRIPES as u64).expect("less than the number of stripes")];
        let _waiter = Waiter::try_new(&stripe.waiting, self.max_waiting)?;
        Ok(Arc::clone(&stripe.turn).lock_owned().await)
    }
}

impl App {
    /// Waits for the turn, then counts an attempt at what `event` names; the log is told if it comes to nothing. Who is right
    /// takes it back by [`credentials::clear_attempts`] or [`login_failures::forget`].
    pub(super) async fn attempt(&self, target: Target, event: Event) -> Result<Attempt, Error> {
        let known = self.own_hash(&target).await?;
        let turn = self.turns.take(&target).await?;
        // Before counting: an attempt that is refused for want of a slot has not failed.
        let slot = self.hasher.slot().await?;
        let mut tried = Tried::new(&self.audit, event);
        // Changed while this one waited: it is not tried, so it is no guess. Of ten changes at once nine end here.
        let counted = match self.own_hash(&target).await? {
            hash if hash != known => Err(Error::InvalidCredentials),
            hash => self.count(&target, hash, &mut tried).await,
        };
        match counted {
            Ok(password_hash) => Ok(Attempt { slot, password_hash, tried, turn }),
            Err(error) => {
                match error {
                    Error::Locked { .. } => tried.failed(target.aim(), Reason::AccountLocked).await?,
                    Error::InvalidCredentials => tried.failed(target.aim(), Reason::InvalidCredentials).await?,
                    _ => drop(tried),
                }
                Err(error)
            }
        }
    }

    /// The hash that a person's own password is to be compared with.
    async fn own_hash(&self, target: &Target) -> Result<Option<String>, pg::Error> {
        match target {
            Target::Own { user, proof: OwnProof::Password, .. } => {
                credentials::find_password_hash(&mut *self.pg.conn().await?, *user).await
            }
            Target::Own { .. } | Target::Typed { .. } => Ok(None),
        }
    }

    async fn count(
        &self,
        target: &Target,
        own_hash: Option<String>,
        tried: &mut Tried,
    ) -> Result<Option<String>, Error> {
        let now = self.clock.now();
        let mut conn = self.pg.conn().await?;
        let standing = login_failures::count_attempt(&mut conn, target.counter(), &self.lockout, now).await?;
        if !standing.admitted {
            return Err(Error::Locked { wait: standing.wait(now) });
        }
        let Target::Typed { name, account } = target else {
            tried.locks_until(standing.locked_until);
            return Ok(own_hash);
        };
        let counted = match account {
            Some(user) => credentials::count_attempt(&mut conn, *user, &self.lockout, now).await?,
            None => None,
        };
        match counted {
            Some((standing, hash)) if standing.admitted => {
                tried.locks_until(standing.locked_until);
                Ok(Some(hash))
            }
            _ => {
                // As much work as counting for an account.
                let decoy = TokenHash::of(&[b"no account ", name.as_slice()].concat());
                let standing = login_failures::count_attempt(&mut conn, &decoy, &self.lockout, now).await?;
                tried.locks_until(standing.locked_until.filter(|_| standing.admitted));
                Ok(None)
            }
        }
    }

    /// Takes back an attempt that was no wrong guess.
    pub(super) async fn refund(&self, target: &Target) -> Result<(), pg::Error> {
        let mut conn = self.pg.conn().await?;
        login_failures::refund_attempt(&mut conn, target.counter()).await?;
        if let Target::Typed { account: Some(user), .. } = target {
            credentials::refund_attempt(&mut conn, *user).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_name_takes_turns_and_its_queue_is_bounded() {
        let turns = Turns::new(1);
        let alice = Target::typed(&LoginName::parse("alice").expect("a name"), None);
        let first = turns.take(&alice).await.expect("free");
        let mut second = Box::pin(turns.take(&alice));
        assert!(futures::poll!(&mut second).is_pending());
        assert!(turns.take(&alice).await.is_err(), "the queue is full");
        drop(first);
        assert!(second.await.is_ok());
        assert!(turns.take(&alice).await.is_ok());
    }
}
