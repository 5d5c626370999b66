//! The limits of a service.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use uuid::Uuid;

use crate::Rate;
use crate::class::{Class, Classes, RateTable, UnknownClass};
use crate::gcra::Quota;
use crate::limited::{Limited, Scope};
use crate::memory::{Ask, Full, Memory};
use crate::shared::{BadAddress, Shared};
use crate::subject::{Key, Subject};

/// Counts the warnings about a caller, each of which takes a minute to be forgotten.
const WARNINGS: u16 = u16::MAX;
const MINUTE: u64 = Duration::from_secs(60).as_nanos() as u64;
const WARNING: Quota = Quota { interval: MINUTE, tolerance: MINUTE };
/// Of a call: two of the caller's, two of the address's.
const MOST_ASKS: usize = 4;

/// One limit: so much of a class in a scope.
#[derive(Clone, Copy, Debug)]
struct Rule {
    class: &'static str,
    scope: Scope,
    quota: Quota,
}

/// What an RPC is counted in.
pub struct Rpc {
    name: &'static str,
    per_person: [Option<u16>; 2],
    per_address: [Option<u16>; 2],
    per_account: Option<u16>,
    denied: [Counter; 3],
}

/// Says what the meters of limits are.
fn describe() {
    describe_gauge!("nova_rate_limiter_keys", "Callers, addresses and accounts that are counted at present");
    describe_counter!(
        "nova_rate_limited_total",
        "Calls refused because there were too many, by RPC and by whose they were"
    );
    describe_counter!(
        "nova_rate_limiter_redis_fallback_total",
        "Calls decided by this process alone because Redis was away or slow"
    );
}

/// Decides which calls are taken. Shared by everything in a process that serves the same service.
pub struct Limiter {
    service: &'static str,
    clock: Clock,
    rules: Vec<Rule>,
    /// Numbers of the limits that every call is counted in: a person's, an address's.
    calls: [Option<u16>; 2],
    rpcs: HashMap<&'static str, Arc<Rpc>>,
    memory: Memory,
    shared: Option<Arc<Shared>>,
    keys: Gauge,
}

impl Limiter {
    /// Limits for the RPCs of `service` (its full name), in the memory of this process, for about `max_keys` callers,
    /// addresses and accounts.
    ///
    /// # Errors
    /// [`UnknownClass`] if a row of the table names a class that is not among `classes`.
    pub fn new(
        service: &'static str,
        table: RateTable,
        classes: &Classes,
        max_keys: usize,
        clock: Clock,
    ) -> Result<Self, UnknownClass> {
        describe();
        let mut limiter = Self {
            service,
            clock,
            rules: vec![],
            calls: [None; 2],
            rpcs: HashMap::new(),
            memory: Memory::new(max_keys),
            shared: None,
            keys: gauge!("nova_rate_limiter_keys", "service" => service),
        };
        let calls = limiter.add(&classes.calls);
        limiter.calls = [calls[0], calls[1]];
        let mut numbers = HashMap::from([(classes.calls.name, [None; 3])]);
        for class in &classes.special {
            numbers.insert(class.name, limiter.add(class));
        }
        for &(rpc, class) in table {
            let own = *numbers.get(class).ok_or(UnknownClass { rpc, class })?;
            limiter.rpcs.insert(rpc, Arc::new(limiter.counted(rpc, own)));
        }
        Ok(limiter)
    }

    /// Takes every call.
    pub fn off() -> Self {
        let classes = Classes { calls: Class::new("calls"), special: vec![] };
        Self::new("", &[], &classes, 1, Clock::system()).expect("an empty table has no unknown class")
    }

    /// The same with limits that replicas share; begins to connect.
    ///
    /// # Errors
    /// [`BadAddress`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn with_redis(self, url: &str) -> Result<Self, BadAddress> {
        let names = self.rules.iter().map(|rule| format!("{}:{}", rule.class, rule.scope));
        Ok(Self { shared: Some(Shared::new(url, self.service, names)?), ..self })
    }

    /// Waits until Redis has answered once, if there is one.
    pub async fn connected(&self) {
        if let Some(shared) = &self.shared {
            shared.connected().await;
        }
    }

    /// What an RPC is counted in; one that is in no table, in what every call is.
    pub fn rpc(&self, name: &'static str) -> Arc<Rpc> {
        self.rpcs.get(name).cloned().unwrap_or_else(|| Arc::new(self.counted(name, [None; 3])))
    }

    /// Takes a call from a person, or from nobody that is known, at an address; or counts it nowhere.
    ///
    /// # Errors
    /// [`Limited`] if the person or the address has had enough.
    pub async fn admit(&self, rpc: &Rpc, person: Option<Uuid>, address: IpAddr) -> Result<(), Limited> {
        let person = person.map(Subject::person);
        let address = Subject::address(address);
        let of_person = rpc.per_person.iter().flatten().filter_map(|limit| Some((*limit, person?)));
        let of_address = rpc.per_address.iter().flatten().map(|limit| (*limit, address));
        self.decide(rpc, of_person.chain(of_address)).await
    }

    /// Takes a call that names an account, known by the SHA-256 of what it is named by, whether there is such an account or
    /// not.
    ///
    /// # Errors
    /// [`Limited`] if there have been enough for this account.
    pub async fn admit_account(&self, rpc: &'static str, account: &[u8; 32]) -> Result<(), Limited> {
        let Some(rpc) = self.rpcs.get(rpc) else { return Ok(()) };
        self.decide(rpc, rpc.per_account.map(|limit| (limit, Subject::hash(account))).into_iter()).await
    }

    /// Writes the gauge, and forgets what has come to its end.
    pub fn record_metrics(&self) {
        self.keys.set(self.memory.count(self.now()) as f64);
    }

    async fn decide(&self, rpc: &Rpc, buckets: impl Iterator<Item = (u16, Subject)>) -> Result<(), Limited> {
        let mut asks =
            [Ask { key: Key { limit: WARNINGS, subject: Subject::address(IpAddr::from([0; 4])) }, quota: WARNING };
                MOST_ASKS];
        let mut count = 0;
        for (slot, (limit, subject)) in asks.iter_mut().zip(buckets) {
            *slot = Ask { key: Key { limit, subject }, quota: self.rules[usize::from(limit)].quota };
            count += 1;
        }
        let asks = &asks[..count];
        if asks.is_empty() {
            return Ok(());
        }
        let decided = match &self.shared {
            None => self.memory.admit(asks, self.now()),
            Some(shared) => self.ask(shared, asks).await,
        };
        decided.map_err(|full| self.refuse(rpc, &asks[full.index], full.wait))
    }

    /// Asks Redis, and remembers what it says: nobody can empty a bucket, so who is refused is not asked about again before
    /// the time, and when Redis goes away the memory knows what everybody has had.
    async fn ask(&self, shared: &Shared, asks: &[Ask]) -> Result<(), Full> {
        self.memory.peek(asks, self.now())?;
        let answer = shared.ask(asks).await;
        let now = self.now();
        let Some(answer) = answer else { return self.memory.admit(asks, now) };
        for (ask, fill) in asks.iter().zip(&answer.fill) {
            match answer.full {
                Some(_) => self.memory.raise(ask.key, now.saturating_add(*fill), now),
                None => self.memory.take(ask, now.saturating_add(*fill), now),
            }
        }
        answer.full.map_or(Ok(()), Err)
    }

    fn refuse(&self, rpc: &Rpc, ask: &Ask, wait: u64) -> Limited {
        let Rule { class, scope, .. } = self.rules[usize::from(ask.key.limit)];
        rpc.denied[scope as usize].increment(1);
        let warning = Ask { key: Key { limit: WARNINGS, ..ask.key }, quota: WARNING };
        if self.memory.admit(&[warning], self.now()).is_ok() {
            // The account is not told: it may be known by an e-mail.
            let who = match scope {
                Scope::Caller => ask.key.subject.as_person().to_string(),
                Scope::Address => ask.key.subject.as_address().to_string(),
                Scope::Account => "an account".to_owned(),
            };
            let (service, method) = (self.service, rpc.name);
            tracing::warn!(service, method, limit = class, %scope, %who, "{method} is limited: too many {class} of {who}");
        }
        Limited { limit: class, scope, wait: Duration::from_nanos(wait) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The numbers of a class's limits: a person's, an address's, an account's.
    fn add(&mut self, class: &Class) -> [Option<u16>; 3] {
        let scopes = [
            (class.per_person, Scope::Caller),
            (class.per_address, Scope::Address),
            (class.per_account, Scope::Account),
        ];
        scopes.map(|(rate, scope): (Rate, Scope)| {
            let quota = rate.quota()?;
            self.rules.push(Rule { class: class.name, scope, quota });
            u16::try_from(self.rules.len() - 1).ok()
        })
    }

    fn counted(&self, name: &'static str, own: [Option<u16>; 3]) -> Rpc {
        let denied = |scope: Scope| counter!("nova_rate_limited_total", "service" => self.service, "method" => name, "scope" => scope.name());
        Rpc {
            name,
            per_person: [self.calls[0], own[0]],
            per_address: [self.calls[1], own[1]],
            per_account: own[2],
            denied: [Scope::Caller, Scope::Address, Scope::Account].map(denied),
        }
    }
}
