//! Attempts to prove who one is: one after another for each name, counted before they are tried.
//!
//! Counting first bounds what parallel guesses can try; taking turns keeps parallel log-ins of the owner, each counted as
//! failed until it is proven right, from locking them out. Names that nobody has go through all of it too.
//!
//! Log-ins are counted twice: for the name that was typed, and for the account. What is told is the first, so that locking a
//! name says nothing of an e-mail; what bounds the guesses at one password is the second. An account that is locked through
//! another of its names answers as if the password were wrong, and does not look at it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use errors::{Class, Classify, common};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::App;
use super::hasher::{HashError, Overloaded, Slot, Waiter};
use crate::model::{LoginName, TokenHash};
use crate::storage::{credentials, login_failures};

/// Enough that two accounts seldom wait for one another.
const STRIPES: usize = 256;

/// Whom somebody claims to be.
#[derive(Clone, Copy)]
pub enum Target {
    /// The person who is logged in already.
    Own(UserId),
    /// Whoever has the name that was typed.
    Typed {
        /// Hash of the name.
        name: TokenHash,
        /// Whose it is, if anyone's.
        account: Option<UserId>,
    },
}

impl Target {
    /// Who logs in as `name`.
    pub fn typed(name: &LoginName, account: Option<UserId>) -> Self {
        Self::Typed { name: TokenHash::of(name.as_str().as_bytes()), account }
    }

    /// Hash of the name that was typed.
    pub fn name(&self) -> Option<&TokenHash> {
        match self {
            Self::Own(_) => None,
            Self::Typed { name, .. } => Some(name),
        }
    }

    fn account(&self) -> Option<UserId> {
        match *self {
            Self::Own(user) => Some(user),
            Self::Typed { account, .. } => account,
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
    _turn: OwnedMutexGuard<()>,
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
            Target::Own(user) => self.hasher.hash_one(user),
            // Not by account: that one name waits for the other would tell that they are one person's.
            Target::Typed { name, .. } => self.hasher.hash_one(name.as_slice()),
        };
        let stripe = &self.stripes[usize::try_from(hash % STRIPES as u64).expect("less than the number of stripes")];
        let _waiter = Waiter::try_new(&stripe.waiting, self.max_waiting)?;
        Ok(Arc::clone(&stripe.turn).lock_owned().await)
    }
}

impl App {
    /// Waits for the turn, then counts an attempt. Who is right takes it back by [`credentials::clear_attempts`].
    pub(super) async fn attempt(&self, target: Target) -> Result<Attempt, Error> {
        let turn = self.turns.take(&target).await?;
        // Before counting: an attempt that is refused for want of a slot has not failed.
        let slot = self.hasher.slot().await?;
        let now = self.clock.now();
        let mut conn = self.pg.conn().await?;
        if let Some(name) = target.name() {
            let standing = login_failures::count_attempt(&mut conn, name, &self.lockout, now).await?;
            if !standing.admitted {
                return Err(Error::Locked { wait: standing.wait(now) });
            }
        }
        let counted = match target.account() {
            Some(user) => credentials::count_attempt(&mut conn, user, &self.lockout, now).await?,
            None => None,
        };
        let password_hash = match (counted, target.name()) {
            (Some((standing, hash)), _) if standing.admitted => Some(hash),
            (Some((standing, _)), None) => return Err(Error::Locked { wait: standing.wait(now) }),
            (_, Some(name)) => {
                // As much work as counting for an account.
                let decoy = TokenHash::of(&[b"no account ", name.as_slice()].concat());
                login_failures::count_attempt(&mut conn, &decoy, &self.lockout, now).await?;
                None
            }
            // Deleted a moment ago.
            (None, None) => None,
        };
        Ok(Attempt { slot, password_hash, _turn: turn })
    }

    /// Takes back an attempt that was no wrong guess.
    pub(super) async fn refund(&self, target: &Target) -> Result<(), pg::Error> {
        let mut conn = self.pg.conn().await?;
        if let Some(name) = target.name() {
            login_failures::refund_attempt(&mut conn, name).await?;
        }
        if let Some(user) = target.account() {
            credentials::refund_attempt(&mut conn, user).await?;
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
        let alice = Target::Own(UserId::from(uuid::Uuid::from_u128(1)));
        let first = turns.take(&alice).await.expect("free");
        let mut second = Box::pin(turns.take(&alice));
        assert!(futures::poll!(&mut second).is_pending());
        assert!(turns.take(&alice).await.is_err(), "the queue is full");
        drop(first);
        assert!(second.await.is_ok());
        assert!(turns.take(&alice).await.is_ok());
    }
}
