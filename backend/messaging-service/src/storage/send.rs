//! The write path: a batch of messages in one round trip and one commit (SQL function `send_messages_v3`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use ids::{ConversationId, MessageId, UserId};
use sqlx::PgConnection;
use traces::TraceContext;
use uuid::Uuid;

use super::message_row::{ContentColumns, content};
use crate::model::{ClientId, Content, Kept, Message};

/// A message that waits to be stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its id, if it is stored.
    pub id: MessageId,
    /// The conversation.
    pub conversation: ConversationId,
    /// Who sends it.
    pub sender: UserId,
    /// What it says.
    pub content: Content,
    /// The same as it is written.
    pub kept: Kept,
    /// The client's id with the hash of the content.
    pub client_id: Option<(ClientId, Vec<u8>)>,
    /// Where the send stands in its trace, if that is recorded.
    pub trace: Option<TraceContext>,
}

impl NewMessage {
    /// The message as it was stored.
    pub fn into_message(self, stored: Stored) -> Message {
        Message {
            id: stored.id,
            conversation: self.conversation,
            sender: self.sender,
            content: match stored.content {
                StoredContent::AsSent => Some(self.content),
                StoredContent::Now(content) => content,
            },
            sequence: stored.sequence,
            client_id: self.client_id.map(|(client_id, _)| client_id.into_string()),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            deleted_at: stored.deleted_at,
            version: stored.version,
        }
    }
}

/// What the database knows of a stored message that its sender does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id: on a retry, that of the first try.
    pub id: MessageId,
    /// Its place in the conversation.
    pub sequence: i64,
    /// When it was sent first.
    pub created_at: DateTime<Utc>,
    /// When it was last edited or deleted.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Its version.
    pub version: i64,
    /// What it says.
    pub content: StoredContent,
}

/// What a stored message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredContent {
    /// What has just been sent.
    AsSent,
    /// This, after edits or a deletion.
    Now(Option<Content>),
}

/// What became of one message of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored, now or by an earlier try.
    Stored(Box<Stored>),
    /// The client id was used with other content.
    Reused,
    /// No such conversation, or the sender is no member.
    NotFound,
    /// The locks were had later than the message could wait for them; it is not stored.
    TooLate,
}

/// Stores a batch; the answers are in the order of the messages. With a message goes how long it can wait for the locks of
/// the conversations, counted by the server from the statement's arrival.
///
/// # Errors
/// If the database fails; then nothing is stored, except that a lost connection leaves it open.
pub async fn send_messages(
    conn: &mut PgConnection,
    batch: &[(&NewMessage, Option<Duration>)],
    now: DateTime<Utc>,
) -> Result<Vec<Outcome>, pg::Error> {
    let mut args = Arguments::with_capacity(batch.len());
    batch.iter().for_each(|(message, valid_for)| args.push(message, *valid_for));
    let rows = sqlx::query!(
        r#"SELECT r_index AS "index!", r_outcome AS "outcome!", r_id AS id, r_sequence AS sequence, r_version AS version,
                  r_created_at AS created_at, r_updated_at AS updated_at, r_deleted_at AS deleted_at,
                  r_encryption_version AS encryption_version, r_content AS content, r_sealed AS sealed,
                  r_ciphertext AS ciphertext,
                  r_nonce AS nonce
           FROM send_messages_v3($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"#,
        &args.conversations,
        &args.senders,
        &args.ids,
        &args.client_ids as _,
        &args.sealeds as _,
        &args.ciphertexts as _,
        &args.nonces as _,
        &args.versions as _,
        &args.hashes as _,
        &args.valid_ms as _,
        args.traceparents() as _,
        now,
    )
    .fetch_all(conn)
    .await?;

    let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
    for row in rows {
        let fault = |fault| corrupt(row.index, fault);
        let slot = usize::try_from(row.index - 1).ok().and_then(|index| outcomes.get_mut(index));
        let slot = slot.ok_or_else(|| fault("the index is outside of the batch"))?;
        *slot = Some(match row.outcome {
            2 => Outcome::Reused,
            3 => Outcome::NotFound,
            4 => Outcome::TooLate,
            _ => {
                let (id, sequence) = row.id.zip(row.sequence).ok_or_else(|| fault("the answer has no id"))?;
                let id = id.into();
                Outcome::Stored(Box::new(match (row.version, row.created_at, row.updated_at) {
                    (Some(version), Some(created_at), Some(updated_at)) => Stored {
                        id,
                        sequence,
                        created_at,
                        updated_at,
                        deleted_at: row.deleted_at,
                        version,
                        content: StoredContent::Now(content(
                            row.content,
                            row.sealed,
                            row.ciphertext,
                            row.nonce,
                            row.encryption_version,
                        )),
                    },
                    _ => Stored {
                        id,
                        sequence,
                        created_at: now,
                        updated_at: now,
                        deleted_at: None,
                        version: 1,
                        content: StoredContent::AsSent,
                    },
                }))
            }
        });
    }
    let outcomes: Option<Vec<_>> = outcomes.into_iter().collect();
    Ok(outcomes.ok_or_else(|| corrupt(0, "an answer is missing"))?)
}

fn corrupt(index: i64, fault: &str) -> pg::Corrupt {
    pg::Corrupt { table: "messages", column: "send_messages_v3", row: index.to_string(), fault: fault.to_owned() }
}

/// The batch turned into one array a column.
struct Arguments<'a> {
    conversations: Vec<Uuid>,
    senders: Vec<Uuid>,
    ids: Vec<Uuid>,
    client_ids: Vec<Option<&'a str>>,
    sealeds: Vec<Option<&'a [u8]>>,
    ciphertexts: Vec<Option<&'a [u8]>>,
    nonces: Vec<Option<&'a [u8]>>,
    versions: Vec<Option<i32>>,
    hashes: Vec<Option<&'a [u8]>>,
    valid_ms: Vec<Option<i32>>,
    traces: Vec<Option<TraceContext>>,
}

impl<'a> Arguments<'a> {
    fn with_capacity(n: usize) -> Self {
        Self {
            conversations: Vec::with_capacity(n),
            senders: Vec::with_capacity(n),
            ids: Vec::with_capacity(n),
            client_ids: Vec::with_capacity(n),
            sealeds: Vec::with_capacity(n),
            ciphertexts: Vec::with_capacity(n),
            nonces: Vec::with_capacity(n),
            versions: Vec::with_capacity(n),
            hashes: Vec::with_capacity(n),
            valid_ms: Vec::with_capacity(n),
            traces: vec![],
        }
    }

    fn push(&mut self, message: &'a NewMessage, valid_for: Option<Duration>) {
        self.conversations.push(message.conversation.uuid());
        self.senders.push(message.sender.uuid());
        self.ids.push(message.id.uuid());
        self.client_ids.push(message.client_id.as_ref().map(|(id, _)| id.as_str()));
        self.hashes.push(message.client_id.as_ref().map(|(_, hash)| hash.as_slice()));
        let columns = ContentColumns::from(&message.kept);
        self.sealeds.push(columns.sealed);
        self.ciphertexts.push(columns.ciphertext);
        self.nonces.push(columns.nonce);
        self.versions.push(columns.version);
        self.valid_ms.push(valid_for.map(|left| i32::try_from(left.as_millis()).unwrap_or(i32::MAX)));
        if message.trace.is_some() {
            self.traces.resize(self.valid_ms.len() - 1, None);
            self.traces.push(message.trace);
        }
    }

    /// One for each message up to the last that is recorded; nothing if none is.
    fn traceparents(&self) -> Option<Vec<Option<String>>> {
        let text = |trace: &Option<TraceContext>| trace.map(|trace| trace.to_string());
        (!self.traces.is_empty()).then(|| self.traces.iter().map(text).collect())
    }
}
