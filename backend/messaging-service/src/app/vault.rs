//! Seals what is written and opens what is read: the only place that knows contents in both forms (docs/adr/0012).
//!
//! A text is sealed with the key of its author and its conversation; what else it is bound to – its message, version, author and
//! conversation – makes it useless in any other place. Keys are remembered for a minute; one that was destroyed here is gone at
//! once, one that another replica destroyed within that minute.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cache::Meter;
use clock::Clock;
use errors::{Class, Classify};
use ids::{ConversationId, MessageId, UserId};
use pg::Pool;
use protos::messaging::v1::ErrorReason as Reason;
use sealing::{ContentKey, RootKey};
use sqlx::PgConnection;
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::model::{Content, Kept, Message};
use crate::storage::keys::{self, UserKey, WrappedKeys};

const REMEMBERED: u64 = 100_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Texts of an earlier release that are sealed in one go.
const AT_ONCE: i64 = 100;
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// Whose words, and where.
type Author = (UserId, ConversationId);

/// Why something is not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The author's key has been destroyed with their account.
    #[error("the account is deleted")]
    Destroyed,
    /// A key can't be unwrapped, or the cipher failed.
    #[error("a key of {0} can't be used")]
    Key(UserId, #[source] sealing::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Destroyed => Class::unauthenticated(Reason::TokenRevoked),
            Self::Key(..) => Class::internal(),
            Self::Pg(error) => error.class(),
        }
    }
}

#[derive(Clone)]
enum Known {
    Key(Arc<ContentKey>),
    Destroyed,
}

/// See the module.
pub struct Vault {
    root: RootKey,
    pg: Pool,
    clock: Clock,
    known: moka::sync::Cache<Author, Known>,
    destroyed: moka::sync::Cache<UserId, ()>,
    meter: Meter,
}

impl Vault {
    /// A vault under the database's root key.
    pub fn new(root: RootKey, pg: Pool, clock: Clock) -> Self {
        let known = moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        let destroyed = moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR * 2).build();
        Self { root, pg, clock, known, destroyed, meter: Meter::new("content_keys") }
    }

    /// The key for what `author` writes; made if it is their first word there.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn key_for(&self, user: UserId, conversation: ConversationId) -> Result<Arc<ContentKey>, Error> {
        let author = (user, conversation);
        if let Some(known) = self.recall(&author) {
            return known.key();
        }
        let mut conn = self.pg.conn().await?;
        loop {
            let found = keys::find(&mut conn, &[author]).await?;
            if let Some(known) = found.first().map(|keys| self.unwrap(keys)).transpose()?.flatten() {
                drop(conn);
                self.known.insert(author, known.clone());
                return known.key();
            }
            for keys in &found {
                self.make_missing(&mut conn, keys).await?;
            }
        }
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.known.run_pending_tasks();
        self.meter.entries(self.known.entry_count());
    }

    /// Whether the author's key is at hand, which only somebody who was a member a minute ago has made so.
    pub fn knows(&self, user: UserId, conversation: ConversationId) -> bool {
        self.known.contains_key(&(user, conversation))
    }

    /// A text as it is written.
    ///
    /// # Errors
    /// If the cipher fails.
    pub fn seal(
        &self,
        key: &ContentKey,
        content: &Content,
        of: (MessageId, ConversationId, UserId, i64),
    ) -> Result<Kept, Error> {
        let fault = |error| Error::Key(of.2, error);
        Ok(match content {
            Content::Text(text) => Kept::Sealed(key.seal(&context(of), text.as_bytes()).map_err(fault)?),
            Content::Encrypted(encrypted) => Kept::Encrypted(encrypted.clone()),
            // Nobody sends what nobody can read.
            Content::Sealed(_) | Content::Erased => return Err(fault(sealing::Error::Seal)),
        })
    }

    /// Opens what is sealed among messages. One that can't be opened is shown as erased, and logged if its author's key is there:
    /// others on the same page are no worse for it. Holds no connection while it waits for one.
    ///
    /// # Errors
    /// If keys can't be read.
    pub async fn open(&self, messages: Vec<&mut Message>) -> Result<(), Error> {
        let mut sealed: Vec<_> =
            messages.into_iter().filter(|m| matches!(m.content, Some(Content::Sealed(_)))).collect();
        if sealed.is_empty() {
            return Ok(());
        }
        let mut known: HashMap<Author, Known> = HashMap::new();
        let mut unknown = vec![];
        for message in &sealed {
            let author = (message.sender, message.conversation);
            if known.contains_key(&author) {
                continue;
            }
            match self.recall(&author) {
                Some(key) => drop(known.insert(author, key)),
                None => unknown.push(author),
            }
        }
        if !unknown.is_empty() {
            unknown.sort_unstable();
            unknown.dedup();
            let mut conn = self.pg.conn().await?;
            let found = keys::find(&mut conn, &unknown).await?;
            drop(conn);
            for keys in &found {
                if let Some(key) = self.unwrap(keys)? {
                    let author = (keys.user, keys.conversation);
                    self.known.insert(author, key.clone());
                    known.insert(author, key);
                }
            }
        }
        for message in &mut sealed {
            let key = known.get(&(message.sender, message.conversation));
            message.content = Some(opened(message, key));
        }
        Ok(())
    }

    /// Forgets a person's keys: from now on nothing of theirs is opened or sealed here.
    pub fn forget(&self, user: UserId) {
        self.destroyed.insert(user, ());
    }

    /// Seals the texts of an earlier release that lie in clear, and ends when there are none.
    pub async fn seal_the_old(self: Arc<Self>) {
        let mut sealed = 0;
        loop {
            match self.seal_some().await {
                Ok(0) => break,
                Ok(some) => sealed += some,
                Err(error) => {
                    tracing::warn!("texts of an earlier release can't be sealed right now: {error}");
                    sleep(FAILURE_PAUSE).await;
                }
            }
        }
        if sealed > 0 {
            tracing::info!("{sealed} texts of an earlier release were sealed");
        }
    }

    async fn seal_some(&self) -> Result<usize, Error> {
        let mut conn = self.pg.conn().await?;
        let texts = keys::unsealed(&mut conn, AT_ONCE).await?;
        drop(conn);
        for text in &texts {
            let key = match self.key_for(text.sender, text.conversation).await {
                Ok(key) => key,
                // The author is gone: nobody is to read it any more.
                Err(Error::Destroyed) => Arc::new(ContentKey::derive(&random(), &random())),
                Err(error) => return Err(error),
            };
            let of = (text.id, text.conversation, text.sender, text.version);
            let sealed = key.seal(&context(of), text.text.as_bytes()).map_err(|e| Error::Key(text.sender, e))?;
            let mut conn = self.pg.conn().await?;
            keys::seal(&mut conn, text, &sealed).await?;
        }
        Ok(texts.len())
    }

    fn recall(&self, author: &Author) -> Option<Known> {
        let known =
            if self.destroyed.contains_key(&author.0) { Some(Known::Destroyed) } else { self.known.get(author) };
        if known.is_some() {
            self.meter.hit()
        } else {
            self.meter.miss()
        }
        known
    }

    /// What keys make; nothing if one is missing.
    fn unwrap(&self, keys: &WrappedKeys) -> Result<Option<Known>, Error> {
        let UserKey::Wrapped(of_user) = &keys.of_user else {
            return Ok(matches!(keys.of_user, UserKey::Destroyed).then_some(Known::Destroyed));
        };
        let Some(of_conversation) = &keys.of_conversation else { return Ok(None) };
        let open = |context: Vec<u8>, wrapped: &[u8]| -> Result<Zeroizing<[u8; 32]>, Error> {
            let fault = |error| Error::Key(keys.user, error);
            let opened = self.root.open_sealed(&context, wrapped).map_err(fault)?;
            let key: [u8; 32] = opened.as_slice().try_into().map_err(|_| fault(sealing::Error::Open))?;
            Ok(Zeroizing::new(key))
        };
        let user = open(user_context(keys.user), of_user)?;
        let conversation = open(conversation_context(keys.conversation), of_conversation)?;
        Ok(Some(Known::Key(Arc::new(ContentKey::derive(&user, &conversation)))))
    }

    /// Two who do this at once make one key: the first that is stored.
    async fn make_missing(&self, conn: &mut PgConnection, keys: &WrappedKeys) -> Result<(), Error> {
        let wrap = |context: Vec<u8>| {
            self.root.seal(&context, random().as_slice()).map_err(|error| Error::Key(keys.user, error))
        };
        let now = self.clock.now();
        if matches!(keys.of_user, UserKey::Missing) {
            keys::insert_user_key(conn, keys.user, &wrap(user_context(keys.user))?, now).await?;
        }
        if keys.of_conversation.is_none() {
            let wrapped = wrap(conversation_context(keys.conversation))?;
            keys::insert_conversation_key(conn, keys.conversation, &wrapped, now).await?;
        }
        Ok(())
    }
}

impl Known {
    fn key(self) -> Result<Arc<ContentKey>, Error> {
        match self {
            Self::Key(key) => Ok(key),
            Self::Destroyed => Err(Error::Destroyed),
        }
    }
}

fn opened(message: &mut Message, key: Option<&Known>) -> Content {
    let Some(Content::Sealed(sealed)) = message.content.take() else { return Content::Erased };
    let of = (message.id, message.conversation, message.sender, message.version);
    match key {
        Some(Known::Destroyed) => Content::Erased,
        Some(Known::Key(key)) => {
            let text = key.open(&context(of), sealed).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.map_or_else(|| lost(message), Content::Text)
        }
        None => lost(message),
    }
}

/// A message that should be readable and is not: it was damaged, moved, or its keys are missing.
fn lost(message: &Message) -> Content {
    tracing::error!(message.id = %message.id, "message {} can't be opened, it is shown as erased", message.id);
    Content::Erased
}

fn random() -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(key.as_mut_slice()).expect("the system's random source does not fail");
    key
}

fn context((id, conversation, sender, version): (MessageId, ConversationId, UserId, i64)) -> Vec<u8> {
    let mut context = Vec::with_capacity(80);
    context.extend_from_slice(b"nova: message ");
    for part in [id.uuid(), conversation.uuid(), sender.uuid()] {
        context.extend_from_slice(part.as_bytes());
    }
    context.extend_from_slice(&version.to_be_bytes());
    context
}

fn user_context(user: UserId) -> Vec<u8> {
    [b"nova: key of user ".as_slice(), user.uuid().as_bytes()].concat()
}

fn conversation_context(conversation: ConversationId) -> Vec<u8> {
    [b"nova: key of conversation ".as_slice(), conversation.uuid().as_bytes()].concat()
}
