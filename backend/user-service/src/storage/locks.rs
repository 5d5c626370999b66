//! Advisory locks, held until the transaction ends.

use ids::UserId;
use sqlx::PgConnection;

use crate::model::Pair;

/// Class of the locks on single users; locks on pairs are in the other key space of PostgreSQL (one `bigint`).
const USER: i32 = 0x75_73;

/// Lets changes between two users take turns, and keeps both from being deleted meanwhile.
pub async fn lock_pair(conn: &mut PgConnection, pair: Pair) -> Result<(), pg::Error> {
    let (low, high) = pair.ordered();
    let (one, two) = (user_key(low).min(user_key(high)), user_key(low).max(user_key(high)));
    // Evaluated from left to right; the keys are sorted, so that two callers that share a user can't wait for each other.
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock($1)::text AS pair,
                  pg_advisory_xact_lock_shared($2, $3)::text AS one, pg_advisory_xact_lock_shared($2, $4)::text AS two"#,
        pair_key(low, high),
        USER,
        one,
        two,
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Waits until no change between this user and another is under way, and keeps new ones waiting.
pub async fn lock_user(conn: &mut PgConnection, user: UserId) -> Result<(), pg::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1, $2)::text AS locked", USER, user_key(user)).fetch_one(conn).await?;
    Ok(())
}

/// Equal for equal pairs; two pairs with one key merely wait for each other.
fn pair_key(low: UserId, high: UserId) -> i64 {
    let fold = |id: UserId| {
        let (upper, lower) = id.uuid().as_u64_pair();
        upper ^ lower
    };
    (fold(low).rotate_left(1) ^ fold(high)).cast_signed()
}

/// The random end of a UUIDv7.
fn user_key(user: UserId) -> i32 {
    let bytes = user.uuid().into_bytes();
    i32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
}
