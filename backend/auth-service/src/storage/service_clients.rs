//! Table `service_clients`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::model::TokenHash;

/// Makes the table hold these clients and no others; rows that are right already are left alone. Replicas that start at
/// once take turns.
pub async fn replace_clients(
    tx: &mut PgConnection,
    clients: &[(&str, TokenHash)],
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    let ids: Vec<String> = clients.iter().map(|(id, _)| (*id).to_owned()).collect();
    let hashes: Vec<Vec<u8>> = clients.iter().map(|(_, hash)| hash.as_slice().to_vec()).collect();
    sqlx::query!("LOCK TABLE service_clients IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM service_clients WHERE client_id <> ALL($1)", &ids).execute(&mut *tx).await?;
    sqlx::query!(
        r#"INSERT INTO service_clients AS c (client_id, secret_hash, created_at, updated_at)
           SELECT client_id, secret_hash, $3, $3 FROM unnest($1::text[], $2::bytea[]) AS n (client_id, secret_hash)
           ON CONFLICT (client_id) DO UPDATE SET secret_hash = excluded.secret_hash, updated_at = $3
           WHERE c.secret_hash <> excluded.secret_hash"#,
        &ids,
        &hashes,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Reads the hash of a client's secret.
pub async fn find_secret_hash(conn: &mut PgConnection, client_id: &str) -> Result<Option<Vec<u8>>, pg::Error> {
    let hash = sqlx::query_scalar!("SELECT secret_hash FROM service_clients WHERE client_id = $1", client_id)
        .fetch_optional(conn)
        .await?;
    Ok(hash)
}
