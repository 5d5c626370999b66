//! Seals what is written and opens what is read: the only place that knows contents in both forms (docs/adr/0012).
//!
//! A text is sealed with the key of its author and its conversation; what else it is bound to – its message, version, author and
//! conversation – makes it useless in any other place. People's keys lie in a database of their own. Keys are remembered for a
//! minute; one that was destroyed here is gone at once, one that another replica destroyed within that minute.

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
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::model::{Content, Kept, Message};
use crate::storage::keys;
use crate::storage::user_keys::{self, UserKey};

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
    /// Where people's keys are.
    keys_pg: Pool,
    clock: Clock,
    known: moka::sync::Cache<Author, Known>,
    destroyed: moka::sync::Cache<UserId, ()>,
    meter: Meter,
}

impl Vault {
    /// A vault under the root key of the database behind `pg`; people's keys are behind `keys_pg`.
    pub fn new(root: RootKey, pg: Pool, keys_pg: Pool, clock: Clock) -> Self {
        let known = moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        let destroyed = moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR * 2).build();
        Self { root, pg, keys_pg, clock, known, destroyed, meter: Meter::new("content_keys") }
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
        loop {
            let found = self.find(&[author]).await?;
            match found.into_iter().next() {
                Some((_, known)) => return known.key(),
                None => self.make_missing(user, conversation).await?,
            }
        }
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.keys_pg.record_metrics();
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
            known.extend(self.find(&unknown).await?);
        }
        for message in &mut sealed {
            let key = known.get(&(message.sender, message.conversation));
            message.content = Some(opened(message, key));
        }
        Ok(())
    }

    /// Destroys a person's key: from now on nothing of theirs is opened or sealed here, and within a minute nowhere else.
    ///
    /// # Errors
    /// If the database of keys fails; then it may have happened or not.
    pub async fn destroy(&self, user: UserId) -> Result<(), pg::Error> {
        user_keys::destroy(&mut *self.keys_pg.conn().await?, user, self.clock.now()).await?;
        self.destroyed.insert(user, ());
        Ok(())
    }

    /// Takes over people's keys from where an earlier release kept them.
    ///
    /// # Errors
    /// If a database fails.
    pub async fn move_keys(&self) -> Result<u64, pg::Error> {
        user_keys::move_here(&self.pg, &self.keys_pg).await
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

    /// The keys of `authors`, remembered from now on; those that are not complete are left out.
    async fn find(&self, authors: &[Author]) -> Result<Vec<(Author, Known)>, Error> {
        let (mut users, mut conversations): (Vec<_>, Vec<_>) = authors.iter().copied().unzip();
        users.sort_unstable();
        users.dedup();
        conversations.sort_unstable();
        conversations.dedup();
        let of_users = async { user_keys::find(&mut *self.keys_pg.conn().await?, &users).await };
        let of_conversations = async { keys::find(&mut *self.pg.conn().await?, &conversations).await };
        let (of_users, of_conversations) = tokio::try_join!(of_users, of_conversations)?;
        let of_users: HashMap<_, _> = of_users.into_iter().collect();
        let of_conversations: HashMap<_, _> = of_conversations.into_iter().collect();
        let mut found = vec![];
        for author in authors {
            let known = match (of_users.get(&author.0), of_conversations.get(&author.1)) {
                (Some(UserKey::Destroyed), _) => Known::Destroyed,
                (Some(UserKey::Wrapped(of_user)), Some(of_conversation)) => {
                    Known::Key(Arc::new(self.unwrap(author, of_user, of_conversation)?))
                }
                _ => continue,
            };
            self.known.insert(*author, known.clone());
            found.push((*author, known));
        }
        Ok(found)
    }

    fn unwrap(&self, author: &Author, of_user: &[u8], of_conversation: &[u8]) -> Result<ContentKey, Error> {
        let open = |context: Vec<u8>, wrapped: &[u8]| -> Result<Zeroizing<[u8; 32]>, Error> {
            let fault = |error| Error::Key(author.0, error);
            let opened = self.root.open_sealed(&context, wrapped).map_err(fault)?;
            let key: [u8; 32] = opened.as_slice().try_into().map_err(|_| fault(sealing::Error::Open))?;
            Ok(Zeroizing::new(key))
        };
        let user = open(user_context(author.0), of_user)?;
        let conversation = open(conversation_context(author.1), of_conversation)?;
        Ok(ContentKey::derive(&user, &conversation))
    }

    /// Two who do this at once make one key: the first that is stored.
    async fn make_missing(&self, user: UserId, conversation: ConversationId) -> Result<(), Error> {
        let wrap =
            |context: Vec<u8>| self.root.seal(&context, random().as_slice()).map_err(|error| Error::Key(user, error));
        let now = self.clock.now();
        let (of_user, of_conversation) = (wrap(user_context(user))?, wrap(conversation_context(conversation))?);
        user_keys::insert(&mut *self.keys_pg.conn().await?, user, &of_user, now).await?;
        keys::insert(&mut *self.pg.conn().await?, conversation, &of_conversation, now).await?;
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

/// Whether a person's wrapped key is one under this root key.
pub fn opens(root: &RootKey, user: UserId, wrapped: &[u8]) -> bool {
    root.open_sealed(&user_context(user), wrapped).is_ok()
}

fn user_context(user: UserId) -> Vec<u8> {
    [b"nova: key of user ".as_slice(), user.uuid().as_bytes()].concat()
}

fn conversation_context(conversation: ConversationId) -> Vec<u8> {
    [b"nova: key of conversation ".as_slice(), conversation.uuid().as_bytes()].concat()
}
