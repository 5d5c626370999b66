//! The master key, and those that came before it.

use zeroize::Zeroizing;

use crate::{Error, MasterKey};

const VERSION: u8 = 1;
const ID_BYTES: usize = 8;
/// A wrapped key: version, the master key's id, nonce, key, tag.
pub const WRAPPED_BYTES: usize = 1 + ID_BYTES + 12 + 32 + 16;

/// The master key that wraps, and others that what is stored may still be wrapped by.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    current: MasterKey,
    others: Vec<MasterKey>,
}

impl MasterKeys {
    /// Wraps with `current`; unwraps what `others` have wrapped, too.
    pub fn new(current: MasterKey, others: Vec<MasterKey>) -> Self {
        Self { current, others }
    }

    /// Reads keys of 32 bytes in base64.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else.
    pub fn from_base64<'a>(current: &str, others: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let others = others.into_iter().map(MasterKey::from_base64).collect::<Result<_, _>>()?;
        Ok(Self::new(MasterKey::from_base64(current)?, others))
    }

    /// All of them, the one that wraps first.
    pub fn into_all(self) -> Vec<MasterKey> {
        std::iter::once(self.current).chain(self.others).collect()
    }

    /// The key that wraps.
    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    /// Wraps a key; the same `context` must be given to unwrap it.
    ///
    /// # Errors
    /// [`Error::Seal`] if the cipher fails.
    pub fn wrap(&self, context: &[u8], key: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let mut wrapped = Vec::with_capacity(WRAPPED_BYTES);
        wrapped.push(VERSION);
        wrapped.extend_from_slice(&id(&self.current));
        wrapped.extend_from_slice(&self.current.seal(context, key)?);
        Ok(wrapped)
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// [`Error::Open`] if it is damaged, belongs elsewhere, or none of the keys has wrapped it.
    pub fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let (id_of_key, sealed) = parts(wrapped).ok_or(Error::Open)?;
        let mut keys = std::iter::once(&self.current).chain(&self.others);
        let master = keys.find(|key| id(key) == id_of_key).ok_or(Error::Open)?;
        let opened = master.open(context, sealed)?;
        let key: [u8; 32] = opened.as_slice().try_into().map_err(|_| Error::Open)?;
        Ok(Zeroizing::new(key))
    }

    /// The name of the key that has wrapped something, which tells nothing of the key; nothing if it is no wrapped key.
    pub fn wrapped_by(wrapped: &[u8]) -> Option<String> {
        parts(wrapped).map(|(id_of_key, _)| hex(id_of_key))
    }

    /// Whether the current key has wrapped it.
    pub fn is_current(&self, wrapped: &[u8]) -> bool {
        parts(wrapped).is_some_and(|(id_of_key, _)| id_of_key == id(&self.current))
    }
}

impl MasterKey {
    /// A name for the key, which tells nothing of it: the same that [`MasterKeys::wrapped_by`] gives for what it has wrapped.
    pub fn name(&self) -> String {
        hex(id(self))
    }
}

fn hex(id: [u8; ID_BYTES]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names a key without telling anything of it.
fn id(key: &MasterKey) -> [u8; ID_BYTES] {
    *key.derive(b"nova: id of this key").first_chunk().expect("a derived key is longer")
}

fn parts(wrapped: &[u8]) -> Option<([u8; ID_BYTES], &[u8])> {
    let (version, rest) = wrapped.split_first()?;
    let (id, sealed) = rest.split_first_chunk()?;
    (*version == VERSION && wrapped.len() == WRAPPED_BYTES).then_some((*id, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: &str, others: &[&str]) -> MasterKeys {
        MasterKeys::from_base64(current, others.iter().copied()).expect("keys")
    }

    #[test]
    fn a_wrapped_key_outlives_its_master_key_as_long_as_that_is_named() {
        let (old, new) = (MasterKey::generate_base64(), MasterKey::generate_base64());
        let wrapped = keys(&old, &[]).wrap(b"root", &[7; 32]).expect("wrapped");
        assert_eq!(wrapped.len(), WRAPPED_BYTES);
        assert_eq!(MasterKeys::wrapped_by(&wrapped), Some(MasterKey::from_base64(&old).expect("a key").name()));
        assert_eq!(MasterKeys::wrapped_by(b"no key"), None);
        let both = keys(&new, &[&old]);
        assert_eq!(both.unwrap(b"root", &wrapped).expect("unwrapped").as_slice(), [7; 32]);
        assert!(!both.is_current(&wrapped) && keys(&old, &[]).is_current(&wrapped));
        assert!(keys(&new, &[]).unwrap(b"root", &wrapped).is_err(), "unknown key");
        assert!(both.unwrap(b"another", &wrapped).is_err(), "another place");
        for at in 0..wrapped.len() {
            let mut damaged = wrapped.clone();
            damaged[at] ^= 1;
            assert!(both.unwrap(b"root", &damaged).is_err(), "byte {at}");
        }
        assert!(both.unwrap(b"root", &wrapped[..10]).is_err() && both.unwrap(b"root", b"").is_err());
    }
}
