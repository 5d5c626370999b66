//! Proves the audit log against its MACs: for `nova admin verify-audit`, and again and again in a running service.

use std::fmt;

use sealing::MasterKeys;
use sqlx::{Connection, PgConnection};

use crate::app::audit::KeyError;
use crate::model::audit_chain::{AuditKey, CHAINS, Checkpoint, Mac, ORIGIN, Place};
use crate::root::root_key;
use crate::storage::audit_chains::{self, Chain, Link};

/// Rows that are read at once.
const BATCH: i64 = 1_000;
/// One snapshot, so that what is written meanwhile is no fault.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Faults that are told of; where there are so many, more say nothing new.
const MOST_FAULTS: usize = 100;

/// Something in the log that the service did not write so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row was changed, or put there by somebody else.
    Changed(Place),
    /// Rows are missing, from the first to the last.
    Missing(Place, Place),
    /// The note of where the chain ends is missing or does not agree with its newest row.
    End(i16),
    /// Rows were cut off the beginning of a chain by somebody else.
    Floor(i16),
    /// A chain does not hold what it held at the checkpoint.
    Checkpoint(Place),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(place) => write!(f, "row {} of chain {} was changed", place.seq, place.chain),
            Self::Missing(first, last) => {
                write!(f, "rows {} to {} of chain {} are missing", first.seq, last.seq, first.chain)
            }
            Self::End(chain) => write!(f, "the end of chain {chain} is not where its note says"),
            Self::Floor(chain) => write!(f, "rows at the beginning of chain {chain} were removed by hand"),
            Self::Checkpoint(place) => {
                write!(f, "row {} of chain {} is not the one that was there at the checkpoint", place.seq, place.chain)
            }
        }
    }
}

/// What the log looks like.
#[derive(Debug)]
pub struct Report {
    /// Rows that were checked.
    pub rows: u64,
    /// What is wrong, at most 100 faults.
    pub faults: Vec<Fault>,
    /// To be kept elsewhere, and given next time.
    pub checkpoint: Checkpoint,
}

/// Walks every row of the log. With an earlier checkpoint it also shows whether the newest rows of that time are still there.
///
/// # Errors
/// If the key can't be opened or the database fails.
pub async fn verify_audit(
    conn: &mut PgConnection,
    masters: &MasterKeys,
    since: Option<&Checkpoint>,
) -> Result<Report, KeyError> {
    let master = root_key(conn, masters).await?;
    let mut tx = conn.begin_with(SNAPSHOT).await.map_err(pg::Error::from)?;
    let sealed = audit_chains::find_key(&mut tx).await?.ok_or(KeyError::Missing)?;
    let key = AuditKey::open(&master, &sealed)?;
    Ok(verify_chains(&mut tx, &key, since).await?)
}

/// The same with the key at hand, in a snapshot of its own.
pub(crate) async fn verify_with(
    conn: &mut PgConnection,
    key: &AuditKey,
    since: Option<&Checkpoint>,
) -> Result<Report, pg::Error> {
    let mut tx = conn.begin_with(SNAPSHOT).await.map_err(pg::Error::from)?;
    verify_chains(&mut tx, key, since).await
}

async fn verify_chains(tx: &mut PgConnection, key: &AuditKey, since: Option<&Checkpoint>) -> Result<Report, pg::Error> {
    let chains = audit_chains::list_chains(tx).await?;
    let mut walk = Walk { key, faults: vec![], rows: 0 };
    let mut ends = vec![];
    for number in 0..CHAINS {
        let noted = since.and_then(|checkpoint| checkpoint.0.iter().find(|(place, _)| place.chain == number)).copied();
        let end = match chains.iter().find(|chain| chain.end.chain == number) {
            Some(chain) => walk.chain(tx, chain, noted).await?,
            None => {
                walk.fault(Fault::End(number));
                (Place { chain: number, seq: 0 }, ORIGIN)
            }
        };
        ends.push(end);
    }
    Ok(Report { rows: walk.rows, faults: walk.faults, checkpoint: Checkpoint(ends) })
}

struct Walk<'a> {
    key: &'a AuditKey,
    faults: Vec<Fault>,
    rows: u64,
}

impl Walk<'_> {
    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }

    /// Walks one chain; returns where it ends.
    async fn chain(
        &mut self,
        conn: &mut PgConnection,
        chain: &Chain,
        noted: Option<(Place, Mac)>,
    ) -> Result<(Place, Mac), pg::Error> {
        let mut place = Place { seq: chain.floor_seq, ..chain.end };
        // What the row before the next one had; nothing where that can't be known.
        let mut before = self.floor(place, chain);
        let mut is_noted = noted.is_none_or(|(noted, _)| noted.seq <= place.seq);
        loop {
            let rows = audit_chains::walk(conn, place, BATCH).await?;
            if rows.is_empty() {
                break;
            }
            for Link { place: here, mac, entry } in rows {
                if here.seq != place.seq + 1 {
                    self.fault(Fault::Missing(
                        Place { seq: place.seq + 1, ..here },
                        Place { seq: here.seq - 1, ..here },
                    ));
                    before = None;
                }
                self.rows += 1;
                let is_right = match (&before, &entry, &mac) {
                    (Some(before), Some(entry), Some(mac)) => self.key.mac(here, before, entry) == *mac,
                    // After a gap nobody can tell; that there is one has been told.
                    (None, Some(_), Some(_)) => true,
                    (_, None, _) | (_, _, None) => false,
                };
                if !is_right {
                    self.fault(Fault::Changed(here));
                }
                is_noted |= noted.is_some_and(|(noted, at_note)| noted == here && Some(at_note) == mac);
                (place, before) = (here, mac);
            }
        }
        if place.seq != chain.end.seq || before != chain.mac {
            if place.seq < chain.end.seq {
                self.fault(Fault::Missing(Place { seq: place.seq + 1, ..place }, chain.end));
            } else {
                self.fault(Fault::End(place.chain));
            }
        }
        if let (false, Some((noted, _))) = (is_noted, noted) {
            self.fault(Fault::Checkpoint(noted));
        }
        Ok((place, before.unwrap_or(ORIGIN)))
    }

    /// The MAC before the first row: that of the newest one that was cut off, if it was the service that did it.
    fn floor(&mut self, floor: Place, chain: &Chain) -> Option<Mac> {
        if floor.seq == 0 {
            if chain.floor_mac != Some(ORIGIN) {
                self.fault(Fault::Floor(floor.chain));
            }
            return Some(ORIGIN);
        }
        let is_ours = chain.floor_mac.is_some_and(|mac| chain.floor_seal == Some(self.key.floor_seal(floor, &mac)));
        if !is_ours {
            self.fault(Fault::Floor(floor.chain));
        }
        chain.floor_mac
    }
}
