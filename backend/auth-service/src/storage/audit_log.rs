//! Tables `audit_log` and `audit_chains`: adding rows, and paging through them.
//!
//! The end of a chain is the last lock of a transaction: a writer that waited for anything else while it held one could wait
//! for a writer that waits for it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ids::UserId;
use pg::Corrupt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::audit::{Entry, Kind};
use crate::model::audit_chain::{Mac, Place};

/// Where a chain ends.
pub struct End {
    /// Number of its newest row; 0 if it has none.
    pub seq: i64,
    /// MAC of that row.
    pub mac: Mac,
}

/// Keeps others from adding to a chain until the transaction ends, and tells where it ends.
pub async fn lock_end(conn: &mut PgConnection, chain: i16) -> Result<End, pg::Error> {
    let row = sqlx::query!("SELECT seq, mac FROM audit_chains WHERE chain = $1 FOR UPDATE", chain)
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| corrupt("seq", chain, "the row is missing"))?;
    Ok(End { seq: row.seq, mac: mac_of(chain, &row.mac)? })
}

/// Adds a row to the end of its chain. Lock the end first.
pub async fn insert_entry(conn: &mut PgConnection, entry: &Entry, place: Place, mac: &Mac) -> Result<(), pg::Error> {
    let details = serde_json::to_string(&entry.details).expect("texts by name are JSON");
    sqlx::query!(
        r#"WITH chain_end AS (UPDATE audit_chains SET seq = $3, mac = $15 WHERE chain = $2)
           INSERT INTO audit_log (id, chain, seq, at, kind, outcome, actor_type, actor, user_id, session_id, address,
                                  user_agent, request_id, details, mac)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::inet, $12, $13, $14::text::jsonb, $15)"#,
        entry.id,
        place.chain,
        place.seq,
        entry.at,
        entry.kind,
        entry.outcome,
        entry.actor_type,
        entry.actor,
        entry.subject.map(UserId::uuid),
        entry.session.map(ids::SessionId::uuid),
        entry.address.map(|address| address.to_string()),
        entry.user_agent,
        entry.request_id,
        details,
        mac.as_slice(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which rows of the log to list.
#[derive(Debug)]
pub struct Filter {
    /// Only of this person.
    pub subject: Option<UserId>,
    /// Only what this person or service did.
    pub actor: Option<String>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Not these kinds.
    pub hidden: Vec<Kind>,
    /// Only at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only before this time.
    pub until: Option<DateTime<Utc>>,
}

pub(super) struct Row {
    pub id: Uuid,
    pub chain: i16,
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub kind: String,
    pub outcome: String,
    pub actor_type: String,
    pub actor: String,
    pub user_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub address: Option<String>,
    pub user_agent: String,
    pub request_id: String,
    pub details: String,
    pub mac: Vec<u8>,
}

impl Row {
    /// The row's meaning; the column that has none is named.
    pub fn read(self) -> Result<Entry, Corrupt> {
        let fault = |column, fault| Corrupt { table: "audit_log", column, row: self.id.to_string(), fault };
        let address = self.address.map(|text| text.parse()).transpose();
        let details: Result<BTreeMap<String, String>, _> = serde_json::from_str(&self.details);
        Ok(Entry {
            id: self.id,
            at: self.at,
            kind: self.kind,
            outcome: self.outcome,
            actor_type: self.actor_type,
            actor: self.actor,
            subject: self.user_id.map(UserId::from),
            session: self.session_id.map(Into::into),
            address: address.map_err(|error: std::net::AddrParseError| fault("address", error.to_string()))?,
            user_agent: self.user_agent,
            request_id: self.request_id,
            details: details.map_err(|error| fault("details", error.to_string()))?,
        })
    }
}

/// Rows that match, newest first, from the one before `before` on. For a transaction of its own.
pub async fn list_entries(
    conn: &mut PgConnection,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Entry>, pg::Error> {
    // One plan for all filters would walk the whole log for who has few rows.
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *conn).await?;
    let hidden: Vec<String> = filter.hidden.iter().map(|kind| kind.name().to_owned()).collect();
    // Ids are in the order of time, so that of the bounds too is found in the index.
    let oldest = filter.since.map_or(Uuid::nil(), first_id_of);
    let newest = filter.until.map_or(Uuid::max(), |until| first_id_of(until + chrono::TimeDelta::milliseconds(1)));
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, chain, seq, at, kind, outcome, actor_type, actor, user_id, session_id, host(address) AS address,
                  user_agent, request_id, details::text AS "details!", mac
           FROM audit_log
           WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR actor = $2)
             AND ($3::text IS NULL OR kind = $3) AND kind <> ALL($4::text[])
             AND id >= $5 AND id < $6
             AND ($7::timestamptz IS NULL OR at >= $7) AND ($8::timestamptz IS NULL OR at < $8)
           ORDER BY id DESC LIMIT $9"#,
        filter.subject.map(UserId::uuid),
        filter.actor,
        filter.kind.map(Kind::name),
        &hidden,
        oldest,
        before.map_or(newest, |before| before.min(newest)),
        filter.since,
        filter.until,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

/// The smallest UUIDv7 of a time's millisecond (RFC 9562).
fn first_id_of(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(millis) << 80)
}

/// A MAC that a chain's row holds.
pub(super) fn mac_of(chain: i16, bytes: &[u8]) -> Result<Mac, Corrupt> {
    Mac::from_slice(bytes).ok_or_else(|| corrupt("mac", chain, "it has not the length of a MAC"))
}

fn corrupt(column: &'static str, chain: i16, fault: &str) -> Corrupt {
    Corrupt { table: "audit_chains", column, row: chain.to_string(), fault: fault.to_owned() }
}
