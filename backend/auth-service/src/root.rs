//! The key that this database's secrets are sealed with.

use sealing::{MasterKey, MasterKeys, RootKey, RootKeyError};
use sqlx::PgConnection;

use crate::storage::signing_keys;

/// What the root key is bound to.
pub const DATABASE: &str = "nova_auth";

/// Reads the root key, or makes it. A release before there were root keys has sealed with the master key itself: where it has
/// sealed anything, that is what the root key is.
///
/// # Errors
/// [`RootKeyError`].
pub async fn root_key(conn: &mut PgConnection, masters: &MasterKeys) -> Result<MasterKey, RootKeyError> {
    let sealed_before = signing_keys::anything_is_sealed(conn).await?;
    let first = sealed_before.then(|| masters.current().clone());
    Ok(RootKey::open(conn, masters, DATABASE, first.as_ref()).await?.into_key())
}
