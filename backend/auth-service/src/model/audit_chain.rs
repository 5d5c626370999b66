//! What makes a change of the audit log by hand show: each row's MAC covers the row, its place, and the MAC before it.
//!
//! HMAC-SHA256 (RFC 2104) with a key that lies in the database only sealed, so that who may write to the tables can't make
//! a MAC that fits. What can't be seen from inside the database is that the newest rows of a chain went together with the
//! note of where it ends; a [`Checkpoint`] that is kept elsewhere shows it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealing::MasterKey;
use zeroize::Zeroizing;

use super::audit::Entry;
use super::opaque::random_bytes;

/// How many chains there are.
pub const CHAINS: i16 = 8;
/// What stands before the first row of a chain.
pub const ORIGIN: Mac = Mac([0; 32]);
/// Binds the sealed key to its row.
const CONTEXT: &[u8] = b"audit-key";

/// A message authentication code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac([u8; 32]);

impl Mac {
    /// Reads what a table holds; nothing for anything that has not 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, as SQL takes them.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// A place in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The chain.
    pub chain: i16,
    /// Number of the row, from 1 on.
    pub seq: i64,
}

/// Makes MACs.
#[derive(Clone)]
pub struct AuditKey(hmac::Key);

impl AuditKey {
    /// A new random key, sealed for the database.
    ///
    /// # Errors
    /// [`sealing::Error::Seal`] if the cipher fails.
    pub fn generate_sealed(master: &MasterKey) -> Result<Vec<u8>, sealing::Error> {
        master.seal(CONTEXT, Zeroizing::new(random_bytes::<32>()).as_slice())
    }

    /// Opens the stored key.
    ///
    /// # Errors
    /// [`sealing::Error::Open`] if the master key is another one.
    pub fn open(master: &MasterKey, sealed: &[u8]) -> Result<Self, sealing::Error> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &master.open(CONTEXT, sealed)?)))
    }

    /// The MAC of a row that follows one with the MAC `before`.
    pub fn mac(&self, place: Place, before: &Mac, entry: &Entry) -> Mac {
        let mut text = Text::new(b"row", place);
        text.field(before.as_slice());
        text.field(entry.id.as_bytes());
        text.field(&entry.at.timestamp_micros().to_le_bytes());
        for field in [&entry.kind, &entry.outcome, &entry.actor_type, &entry.actor] {
            text.field(field.as_bytes());
        }
        text.field_or_none(entry.subject.map(|id| id.uuid().into_bytes()));
        text.field_or_none(entry.session.map(|id| id.uuid().into_bytes()));
        match entry.address {
            None => text.none(),
            Some(IpAddr::V4(address)) => text.field(&address.octets()),
            Some(IpAddr::V6(address)) => text.field(&address.octets()),
        }
        text.field(entry.user_agent.as_bytes());
        text.field(entry.request_id.as_bytes());
        for (name, value) in &entry.details {
            text.field(name.as_bytes());
            text.field(value.as_bytes());
        }
        self.sign(&text)
    }

    /// The MAC over the note that the rows of a chain up to a place went because their time was over.
    pub fn floor_seal(&self, place: Place, mac: &Mac) -> Mac {
        let mut text = Text::new(b"floor", place);
        text.field(mac.as_slice());
        self.sign(&text)
    }

    fn sign(&self, text: &Text) -> Mac {
        let tag = hmac::sign(&self.0, &text.0);
        Mac(tag.as_ref().try_into().expect("an HMAC-SHA256 has 32 bytes"))
    }
}

/// What a MAC is made over: fields with their lengths, so that no two rows give the same text.
struct Text(Vec<u8>);

impl Text {
    fn new(purpose: &[u8], place: Place) -> Self {
        let mut text = Self(Vec::with_capacity(512));
        text.field(purpose);
        text.field(&place.chain.to_le_bytes());
        text.field(&place.seq.to_le_bytes());
        text
    }

    fn field(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("fields are short");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn none(&mut self) {
        self.0.extend_from_slice(&u32::MAX.to_le_bytes());
    }

    fn field_or_none(&mut self, bytes: Option<[u8; 16]>) {
        match bytes {
            Some(bytes) => self.field(&bytes),
            None => self.none(),
        }
    }
}

/// The ends of all chains at one moment, to be kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint(pub Vec<(Place, Mac)>);

const CHECKPOINT_ENTRY: usize = 8 + 32;

/// The text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is the text that an earlier verify-audit printed")]
pub struct CheckpointError;

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(self.0.len() * CHECKPOINT_ENTRY);
        for (place, mac) in &self.0 {
            bytes.extend_from_slice(&place.seq.to_be_bytes());
            bytes.extend_from_slice(mac.as_slice());
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| CheckpointError)?;
        let (entries, rest) = bytes.as_chunks::<CHECKPOINT_ENTRY>();
        if entries.len() != usize::try_from(CHAINS).expect("positive") || !rest.is_empty() {
            return Err(CheckpointError);
        }
        let ends = (0..CHAINS).zip(entries).map(|(chain, entry)| {
            let (seq, mac) = entry.split_first_chunk().expect("an entry is longer than a number");
            let place = Place { chain, seq: i64::from_be_bytes(*seq) };
            (place, Mac::from_slice(mac).expect("the rest of an entry is a MAC"))
        });
        Ok(Self(ends.collect()))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use ids::UserId;
    use uuid::Uuid;

    use super::*;
    use crate::model::audit::{Event, Kind, Origin};

    fn key() -> AuditKey {
        let master = MasterKey::from_base64(&MasterKey::generate_base64()).expect("valid");
        AuditKey::open(&master, &AuditKey::generate_sealed(&master).expect("sealed")).expect("opened")
    }

    #[test]
    fn a_mac_covers_every_field_and_the_place() {
        let key = key();
        let user = UserId::from(Uuid::from_u128(7));
        let origin = Origin::new("192.0.2.1".parse().ok(), "agent", "id".into());
        let now = DateTime::from_timestamp(1_000, 0).expect("valid");
        let entry = Entry::new(Event::of_person(Kind::Login, user).with("a", "b"), &origin, now);
        let place = Place { chain: 1, seq: 2 };
        let mac = key.mac(place, &ORIGIN, &entry);
        assert_eq!(mac, key.mac(place, &ORIGIN, &entry));
        let changes: [fn(&mut Entry); 12] = [
            |e| e.id = Uuid::from_u128(8),
            |e| e.at = DateTime::from_timestamp(1_001, 0).expect("valid"),
            |e| e.kind = "LOGOUT".into(),
            |e| e.outcome = "FAILURE".into(),
            |e| e.actor_type = "OPERATOR".into(),
            |e| e.actor.clear(),
            |e| e.subject = None,
            |e| e.session = Some(Uuid::from_u128(8).into()),
            |e| e.address = None,
            |e| e.user_agent = "agen".into(),
            |e| e.request_id = "tid".into(),
            |e| e.details = [("ab".to_owned(), String::new())].into(),
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut changed = entry.clone();
            change(&mut changed);
            assert_ne!(key.mac(place, &ORIGIN, &changed), mac, "field {i}");
        }
        assert_ne!(key.mac(Place { seq: 3, ..place }, &ORIGIN, &entry), mac);
        assert_ne!(key.mac(Place { chain: 2, ..place }, &ORIGIN, &entry), mac);
        assert_ne!(key.mac(place, &mac, &entry), mac);
    }

    #[test]
    fn a_checkpoint_survives_the_way_out_and_in() {
        let ends = (0..CHAINS).map(|chain| (Place { chain, seq: i64::from(chain) * 3 }, Mac([1; 32]))).collect();
        let checkpoint = Checkpoint(ends);
        assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
        assert_eq!("AAAA".parse::<Checkpoint>(), Err(CheckpointError));
        assert_eq!("not base64!".parse::<Checkpoint>(), Err(CheckpointError));
    }
}
