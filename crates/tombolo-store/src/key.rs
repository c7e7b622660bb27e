//! Keys as the index holds them.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// How long a key may be that needs no memory of its own.
const INLINE: usize = 22;

/// A key. A short one lies in the index's own leaf: comparing it then needs one fetch from memory
/// less, and keeping it one allocation less. A long one is shared, because leaves are copied often.
#[derive(Clone)]
pub(crate) enum Key {
    Short { length: u8, bytes: [u8; INLINE] },
    Long(Arc<[u8]>),
}

impl Key {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Key::Short { length, bytes } => &bytes[..usize::from(*length)],
            Key::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Key {
    fn from(key: &[u8]) -> Key {
        if key.len() > INLINE {
            return Key::Long(key.into());
        }
        let mut bytes = [0; INLINE];
        bytes[..key.len()].copy_from_slice(key);
        Key::Short { length: key.len() as u8, bytes }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl Hash for Key {
    /// As `[u8]` hashes: the maps are asked for byte slices.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn short_and_long_keys_equal_and_hash_as_their_bytes() {
        let hasher = foldhash::fast::RandomState::default();
        for length in 0..40 {
            let bytes = vec![7; length];
            let key = Key::from(&bytes[..]);
            assert_eq!(key.as_bytes(), bytes);
            assert_eq!(hasher.hash_one(&key), hasher.hash_one(&bytes[..]));
            assert!(key != Key::from(&[7; 41][..length + 1]));
        }
        assert_eq!(size_of::<Key>(), 24);
    }
}
