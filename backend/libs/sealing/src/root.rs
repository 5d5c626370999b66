//! The key that everything in one database is sealed with: table `root_keys`, one row.

use sqlx::PgConnection;
use zeroize::Zeroizing;

use crate::{Error, MasterKey, MasterKeys, random};

/// Seals what lies in one database. It is wiped from memory when dropped.
#[derive(Clone, Debug)]
pub struct RootKey(MasterKey);

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// It is wrapped by a master key that is not known.
    #[error("the keys of database {database} can't be opened: it was set up with another master key")]
    WrongMasterKey {
        /// Which.
        database: String,
    },
    /// The cipher failed.
    #[error(transparent)]
    Sealing(#[from] Error),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl RootKey {
    /// Reads the root key of `database`, or makes it. `first` is what it is made of, if not of chance: the master key itself,
    /// where a release before there were root keys has sealed something with that.
    ///
    /// # Errors
    /// [`RootKeyError`].
    pub async fn open(
        conn: &mut PgConnection,
        masters: &MasterKeys,
        database: &str,
        first: Option<&MasterKey>,
    ) -> Result<Self, RootKeyError> {
        let context = context(database);
        let wrapped = match read(conn).await? {
            Some(wrapped) => wrapped,
            None => {
                let key = first.map_or_else(random, |key| key.0.clone());
                let wrapped = masters.wrap(&context, &key)?;
                // Of replicas that start at once one is first.
                sqlx::query("INSERT INTO root_keys (id, wrapped) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
                    .bind(&wrapped)
                    .execute(&mut *conn)
                    .await?;
                read(conn).await?.unwrap_or(wrapped)
            }
        };
        let wrong = |_| RootKeyError::WrongMasterKey { database: database.to_owned() };
        Ok(Self(MasterKey(masters.unwrap(&context, &wrapped).map_err(wrong)?)))
    }

    /// Wraps the root key of `database` with the current master key; false if it is already. Who has the root key goes on.
    ///
    /// # Errors
    /// [`RootKeyError`].
    pub async fn wrap_anew(
        conn: &mut PgConnection,
        masters: &MasterKeys,
        database: &str,
    ) -> Result<bool, RootKeyError> {
        let Some(wrapped) = read(conn).await? else { return Ok(false) };
        if masters.is_current(&wrapped) {
            return Ok(false);
        }
        let context = context(database);
        let wrong = |_| RootKeyError::WrongMasterKey { database: database.to_owned() };
        let key = masters.unwrap(&context, &wrapped).map_err(wrong)?;
        // Only what was read is replaced: of two rotations at once one is told that it was too late.
        let done = sqlx::query("UPDATE root_keys SET wrapped = $1, wrapped_at = now() WHERE id = 1 AND wrapped = $2")
            .bind(masters.wrap(&context, &key)?)
            .bind(&wrapped)
            .execute(conn)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The root key that this key is, where there is no database to open one from: `fuzz/` runs the services without.
    pub fn from_key(key: MasterKey) -> Self {
        Self(key)
    }

    /// The key itself, for who seals other things with it than contents.
    pub fn into_key(self) -> MasterKey {
        self.0
    }

    /// Seals `plaintext`; the same `context` must be given to open it.
    ///
    /// # Errors
    /// [`Error::Seal`] if the cipher fails.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.seal(context, plaintext)
    }

    /// Opens what [`Self::seal`] made with the same context.
    ///
    /// # Errors
    /// [`Error::Open`] if it was damaged, moved or sealed with another key.
    pub fn open_sealed(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.0.open(context, sealed)
    }
}

fn context(database: &str) -> Vec<u8> {
    [b"nova: root key of ", database.as_bytes()].concat()
}

async fn read(conn: &mut PgConnection) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("SELECT wrapped FROM root_keys WHERE id = 1").fetch_optional(conn).await
}
