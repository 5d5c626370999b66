//! Argon2id off the async threads, no more at once than the machine can take, with a bounded queue before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PasswordHashing;
use crate::model::Password;
use crate::model::opaque::random_bytes;

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many calls are waiting for the same, try again in a moment")]
pub struct Overloaded;

/// A hash could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Argon2 refused its parameters or ran out of memory.
    #[error("a password can't be hashed")]
    Argon2(#[source] argon2::password_hash::Error),
    /// A stored hash is no PHC string.
    #[error("a stored password hash can't be read")]
    Stored(#[source] argon2::password_hash::Error),
    /// The thread that hashed it panicked.
    #[error("hashing a password was cut off")]
    CutOff(#[source] tokio::task::JoinError),
}

/// What comparing a password with a hash brought out.
#[derive(Debug)]
pub struct Verdict {
    /// Whether it is the right one.
    pub is_right: bool,
    /// A hash with today's parameters, if the stored one has others and the password is right.
    pub newer_hash: Option<String>,
}

/// Hashes and compares passwords.
pub struct Hasher {
    argon2: Argon2<'static>,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    most: usize,
    meters: Meters,
    /// Compared with where there is no account, so that it takes the same time. No password has it.
    dummy: Arc<str>,
}

struct Meters {
    busy: Gauge,
    waiting: Gauge,
    refused: Counter,
    wait: Histogram,
}

impl Meters {
    fn register(most: usize, most_waiting: usize) -> Self {
        describe_gauge!("nova_password_hashing_busy", "Passwords that are being hashed");
        describe_gauge!("nova_password_hashing_busy_max", "Most passwords that are hashed at once");
        describe_gauge!("nova_password_hashing_waiting", "Calls that wait to hash a password");
        describe_gauge!("nova_password_hashing_waiting_max", "Most calls that may wait to hash a password");
        describe_counter!(
            "nova_password_hashing_refused_total",
            "Calls refused because too many waited to hash a password"
        );
        describe_histogram!("nova_password_hashing_wait_seconds", "How long calls waited to hash a password");
        gauge!("nova_password_hashing_busy_max").set(most as f64);
        gauge!("nova_password_hashing_waiting_max").set(most_waiting as f64);
        Self {
            busy: gauge!("nova_password_hashing_busy"),
            waiting: gauge!("nova_password_hashing_waiting"),
            refused: counter!("nova_password_hashing_refused_total"),
            wait: histogram!("nova_password_hashing_wait_seconds"),
        }
    }
}

/// The right to hash; one of a few.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Hasher {
    /// A hasher with the configured cost.
    ///
    /// # Errors
    /// If the parameters are out of bounds.
    pub fn try_new(config: &PasswordHashing) -> Result<Self, argon2::Error> {
        let params = Params::new(config.memory_kib, config.iterations, config.parallelism, None)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let cores = || std::thread::available_parallelism().map_or(2, usize::from);
        let slots = if config.max_concurrent == 0 { cores() } else { config.max_concurrent };
        // Not hashed: that would take a while at every start, and any hash of these parameters costs the same to compare.
        let salt = "c2FsdHNhbHRzYWx0c2FsdA";
        let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let (m, t, p) = (config.memory_kib, config.iterations, config.parallelism);
        let dummy = format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}");
        Ok(Self {
            argon2,
            slots: Arc::new(Semaphore::new(slots)),
            waiting: AtomicUsize::new(0),
            max_waiting: config.max_waiting,
            most: slots,
            meters: Meters::register(slots, config.max_waiting),
            dummy: dummy.into(),
        })
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.meters.busy.set((self.most - self.slots.available_permits()) as f64);
        self.meters.waiting.set(self.waiting.load(Ordering::Relaxed) as f64);
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// [`Overloaded`] at once if too many wait already.
    pub async fn slot(&self) -> Result<Slot, Overloaded> {
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            self.meters.wait.record(Duration::ZERO);
            return Ok(Slot { _permit: permit });
        }
        let begun = Instant::now();
        let waiter = Waiter::try_new(&self.waiting, self.max_waiting);
        let _waiter = waiter.inspect_err(|_| self.meters.refused.increment(1))?;
        let permit = Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed");
        self.meters.wait.record(begun.elapsed());
        Ok(Slot { _permit: permit })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`HashError`] if Argon2 fails.
    pub async fn hash(&self, slot: Slot, password: Password) -> Result<String, HashError> {
        let argon2 = self.argon2.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            hash(&argon2, &password)
        });
        hashing.await.map_err(HashError::CutOff)?
    }

    /// Compares a password with a stored hash; without one, with a dummy, which takes as long and is never right.
    ///
    /// Hands the slot back for what follows.
    ///
    /// # Errors
    /// [`HashError`] if the stored hash is damaged or Argon2 fails.
    pub async fn verify(
        &self,
        slot: Slot,
        password: Password,
        stored: Option<String>,
    ) -> Result<(Verdict, Slot), HashError> {
        let argon2 = self.argon2.clone();
        let dummy = Arc::clone(&self.dummy);
        let comparing = tokio::task::spawn_blocking(move || {
            let verdict = match stored {
                Some(stored) => verify(&argon2, &password, &stored)?,
                None => Verdict { is_right: false, ..verify(&argon2, &password, &dummy)? },
            };
            Ok((verdict, slot))
        });
        comparing.await.map_err(HashError::CutOff)?
    }
}

fn hash(argon2: &Argon2<'_>, password: &Password) -> Result<String, HashError> {
    let salt = random_bytes::<16>();
    let hash = argon2.hash_password_with_salt(password.expose(), &salt).map_err(HashError::Argon2)?;
    Ok(hash.to_string())
}

fn verify(argon2: &Argon2<'_>, password: &Password, stored: &str) -> Result<Verdict, HashError> {
    let parsed = PasswordHash::new(stored).map_err(|e| HashError::Stored(e.into()))?;
    match argon2.verify_password(password.expose(), &parsed) {
        Ok(()) => {
            let newer_hash = if is_current(argon2, &parsed) { None } else { Some(hash(argon2, password)?) };
            Ok(Verdict { is_right: true, newer_hash })
        }
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict { is_right: false, newer_hash: None }),
        Err(error) => Err(HashError::Argon2(error)),
    }
}

/// Whether a hash was made with today's parameters.
fn is_current(argon2: &Argon2<'_>, hash: &PasswordHash) -> bool {
    let (ours, theirs) = (argon2.params(), Params::try_from(hash));
    hash.algorithm.as_str() == "argon2id"
        && hash.version == Some(Version::V0x13.into())
        && theirs.is_ok_and(|theirs| {
            (theirs.m_cost(), theirs.t_cost(), theirs.p_cost()) == (ours.m_cost(), ours.t_cost(), ours.p_cost())
        })
}

/// A place in a bounded queue, given back when dropped.
pub(super) struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    pub(super) fn try_new(waiting: &'a AtomicUsize, max: usize) -> Result<Self, Overloaded> {
        if waiting.fetch_add(1, Ordering::Relaxed) < max {
            Ok(Self(waiting))
        } else {
            waiting.fetch_sub(1, Ordering::Relaxed);
            Err(Overloaded)
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(iterations: u32) -> Hasher {
        let config = PasswordHashing {
            memory_kib: 1024,
            iterations,
            max_concurrent: 1,
            max_waiting: 1,
            ..PasswordHashing::default()
        };
        Hasher::try_new(&config).expect("parameters")
    }

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).expect("valid")
    }

    #[tokio::test]
    async fn a_password_is_right_for_its_own_hash_only() {
        let hasher = hasher(1);
        let hash = hasher.hash(hasher.slot().await.expect("free"), password("correct horse")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=1024,t=1,p=1$"), "{hash}");
        let compare = async |text: &str, stored: Option<String>| {
            let slot = hasher.slot().await.expect("free");
            hasher.verify(slot, password(text), stored).await.expect("compared").0
        };
        let right = compare("correct horse", Some(hash.clone())).await;
        assert!(right.is_right && right.newer_hash.is_none());
        assert!(!compare("wrong", Some(hash)).await.is_right);
        assert!(!compare("correct horse", None).await.is_right);
    }

    #[tokio::test]
    async fn a_hash_of_older_parameters_is_made_anew() {
        let (old, new) = (hasher(1), hasher(2));
        let hash = old.hash(old.slot().await.expect("free"), password("correct horse")).await.expect("hashed");
        let slot = new.slot().await.expect("free");
        let (verdict, slot) = new.verify(slot, password("correct horse"), Some(hash)).await.expect("compared");
        let newer = verdict.newer_hash.expect("made anew");
        assert!(verdict.is_right && newer.contains("t=2"));
        let (verdict, _) = new.verify(slot, password("correct horse"), Some(newer)).await.expect("compared");
        assert!(verdict.is_right && verdict.newer_hash.is_none());
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let hasher = hasher(1);
        let held = hasher.slot().await.expect("free");
        let mut waiting = Box::pin(hasher.slot());
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(hasher.slot().await.err(), Some(Overloaded));
        drop(held);
        assert!(waiting.await.is_ok());
    }
}
