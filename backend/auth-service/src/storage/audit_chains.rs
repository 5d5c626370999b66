//! Tables `audit_key` and `audit_chains`: the key of the MACs, walking the chains, and cutting off what is too old.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::audit_log::{Row, mac_of};
use crate::model::audit::Entry;
use crate::model::audit_chain::{Mac, Place};

/// Stores the sealed key if there is none yet; replicas that start at once agree.
pub async fn insert_key(conn: &mut PgConnection, key_sealed: &[u8], now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        "INSERT INTO audit_key (id, key_sealed, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
        key_sealed,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads the sealed key.
pub async fn find_key(conn: &mut PgConnection) -> Result<Option<Vec<u8>>, pg::Error> {
    Ok(sqlx::query_scalar!("SELECT key_sealed FROM audit_key").fetch_optional(conn).await?)
}

/// A chain as its row describes it.
pub struct Chain {
    /// Its newest row.
    pub end: Place,
    /// MAC of that row; nothing if it has not the length of one.
    pub mac: Option<Mac>,
    /// Number of the newest row that was cut off; 0 if none was.
    pub floor_seq: i64,
    /// MAC of that row.
    pub floor_mac: Option<Mac>,
    /// What shows that the service cut it off.
    pub floor_seal: Option<Mac>,
}

/// Every chain.
pub async fn list_chains(conn: &mut PgConnection) -> Result<Vec<Chain>, pg::Error> {
    let rows =
        sqlx::query!("SELECT chain, seq, mac, floor_seq, floor_mac, floor_seal FROM audit_chains ORDER BY chain")
            .fetch_all(conn)
            .await?;
    let chains = rows.into_iter().map(|row| Chain {
        end: Place { chain: row.chain, seq: row.seq },
        mac: Mac::from_slice(&row.mac),
        floor_seq: row.floor_seq,
        floor_mac: Mac::from_slice(&row.floor_mac),
        floor_seal: row.floor_seal.as_deref().and_then(Mac::from_slice),
    });
    Ok(chains.collect())
}

/// A row with its place and its MAC.
pub struct Link {
    /// Where it is.
    pub place: Place,
    /// Its MAC; nothing if it has not the length of one.
    pub mac: Option<Mac>,
    /// What it says; nothing if that can't be read.
    pub entry: Option<Entry>,
}

/// The rows of a chain after a number, in order.
pub async fn walk(conn: &mut PgConnection, after: Place, limit: i64) -> Result<Vec<Link>, pg::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, chain, seq, at, kind, outcome, actor_type, actor, user_id, session_id, host(address) AS address,
                  user_agent, request_id, details::text AS "details!", mac
           FROM audit_log WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3"#,
        after.chain,
        after.seq,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let links = rows.into_iter().map(|row| Link {
        place: Place { chain: row.chain, seq: row.seq },
        mac: Mac::from_slice(&row.mac),
        entry: row.read().ok(),
    });
    Ok(links.collect())
}

/// The newest row of those at the beginning of a chain, at most `batch` of them, that are all older than a time. Keeps others
/// from changing the chain until the transaction ends.
pub async fn find_expired(
    conn: &mut PgConnection,
    chain: i16,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<Option<(Place, Mac)>, pg::Error> {
    sqlx::query!("SELECT FROM audit_chains WHERE chain = $1 FOR UPDATE", chain).execute(&mut *conn).await?;
    let row = sqlx::query!(
        r#"WITH oldest AS (SELECT seq, at, mac FROM audit_log WHERE chain = $1 ORDER BY seq LIMIT $3)
           SELECT seq, mac FROM oldest
           WHERE seq < ALL (SELECT seq FROM oldest WHERE at > $2)
           ORDER BY seq DESC LIMIT 1"#,
        chain,
        before,
        batch,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((Place { chain, seq: row.seq }, mac_of(chain, &row.mac)?))).transpose()
}

/// Cuts a chain off up to a place. Returns how many rows went.
pub async fn cut_off(conn: &mut PgConnection, place: Place, mac: &Mac, seal: &Mac) -> Result<u64, pg::Error> {
    // First, for the table lets go of nothing that is above the floor.
    sqlx::query!(
        "UPDATE audit_chains SET floor_seq = $2, floor_mac = $3, floor_seal = $4 WHERE chain = $1",
        place.chain,
        place.seq,
        mac.as_slice(),
        seal.as_slice(),
    )
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query!("DELETE FROM audit_log WHERE chain = $1 AND seq <= $2", place.chain, place.seq)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}
