//! The keys and values that every load uses.

/// How long a key is.
pub const KEY: usize = 16;
/// How long a value is.
pub const VALUE: usize = 100;
/// How many keys there are.
pub const KEYS: u64 = 1_000_000;

/// A key of 16 bytes.
pub type Key = [u8; KEY];
/// A value of 100 bytes.
pub type Value = [u8; VALUE];

/// The key number `number`. Neighbours share no prefix, and every number gives another key.
pub fn key(number: u64) -> Key {
    let mut key = [0; KEY];
    key[..8].copy_from_slice(&mix(number).to_le_bytes());
    key[8..].copy_from_slice(&mix(number ^ 0x5bd1_e995).to_le_bytes());
    key
}

/// A value that is another one for every `number`.
pub fn value(number: u64) -> Value {
    let mut value = [b'v'; VALUE];
    value[..8].copy_from_slice(&number.to_le_bytes());
    value
}

/// A record as text of the same lengths, for typed tables.
#[derive(Clone, Debug)]
pub struct Record {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Record {
    /// The key number `number` with the value number `content`.
    pub fn new(number: u64, content: u64) -> Record {
        let mut record = Record { key: String::new(), value: String::new() };
        record.set(number, content);
        record
    }

    /// Becomes another one, in the same memory.
    pub fn set(&mut self, number: u64, content: u64) {
        self.key.clear();
        push_hex(&mut self.key, mix(number));
        self.value.clear();
        push_hex(&mut self.value, content);
        self.value.push_str(FILLING);
    }
}

const FILLING: &str =
    "------------------------------------------------------------------------------------";

fn push_hex(text: &mut String, number: u64) {
    let digit = |place: usize| b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15];
    let digits: [u8; 16] = std::array::from_fn(digit);
    text.push_str(std::str::from_utf8(&digits).expect("digits are ASCII"));
}

/// Numbers in pseudo-random order: the same in every run, and another row for every `seed`.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A row of numbers of its own.
    pub fn new(seed: u64) -> Dice {
        Dice(mix(seed))
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // The high half of the product is spread over the range, without a division.
        ((u128::from(mix(self.0)) * u128::from(limit)) >> 64) as u64
    }
}

/// The finalizer of SplitMix64: a bijection that leaves no pattern of its input.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn records_have_the_lengths_of_keys_and_values() {
        let mut record = Record::new(1, 2);
        let first = record.clone();
        record.set(2, 3);
        assert_ne!((&first.key, &first.value), (&record.key, &record.value));
        assert_eq!((record.key.len(), record.value.len()), (KEY, VALUE));
    }

    #[test]
    fn keys_differ_and_dice_cover_their_range() {
        assert_eq!((0..10_000).map(key).collect::<BTreeSet<Key>>().len(), 10_000);
        let mut dice = Dice::new(1);
        let thrown: BTreeSet<u64> = (0..1_000).map(|_| dice.below(10)).collect();
        assert_eq!(thrown, (0..10).collect());
    }
}
