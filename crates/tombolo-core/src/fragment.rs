//! The fragments of a table: each is a table of its own to everything below the node, named after
//! the one that users know. The first has its very name.

use crate::id::{TableId, mix};
use alloc::format;
use alloc::string::String;

/// Stands between the name of a table and the number of a fragment. Users' names have no control
/// characters, so that no table of theirs is called like a fragment.
const SEPARATOR: char = '\u{1}';

/// The name of a fragment of the table called `base`; that of fragment 0 is the table's own.
pub fn fragment_name(base: &str, fragment: u16) -> String {
    match fragment {
        0 => base.into(),
        _ => format!("{base}{SEPARATOR}{fragment}"),
    }
}

/// The table and the number of the fragment that is called `name`, which is a table's own name
/// unless [`fragment_name`] wrote it.
pub(crate) fn split(name: &str) -> (&str, u16) {
    let fragment = name.rsplit_once(SEPARATOR).and_then(|(base, number)| {
        let fragment: u16 = number.parse().ok()?;
        // Of the ways to write a number only one is a name.
        (fragment > 0 && fragment_name(base, fragment) == name).then_some((base, fragment))
    });
    fragment.unwrap_or((name, 0))
}

/// The fragment of `of` that a key lies in, the same on every node.
///
/// It says nothing of [`part_of`](crate::part_of) the same key: the parts of one fragment are as
/// even as those of a whole table.
pub fn fragment_of(key: &[u8], of: u16) -> u16 {
    let hash = key.chunks(8).fold(key.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    });
    ((u128::from(hash) * u128::from(of)) >> 64) as u16
}

impl TableId {
    /// The id of a fragment of the table called `base`; that of fragment 0 is the table's own.
    pub fn of_fragment(base: &str, fragment: u16) -> TableId {
        TableId::of(&fragment_name(base, fragment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fragments_are_read_as_they_are_written() {
        for fragment in [0, 1, 9, 10, 63] {
            assert_eq!(split(&fragment_name("carts", fragment)), ("carts", fragment));
        }
        assert_eq!(TableId::of_fragment("carts", 0), TableId::of("carts"));
        for name in ["", "carts", "carts\u{1}", "carts\u{1}0", "carts\u{1}01", "carts\u{1}+1"] {
            assert_eq!(split(name), (name, 0));
        }
    }

    #[test]
    fn keys_are_spread_evenly_and_stay_where_they_are() {
        // Golden: another place for a key would be another protocol.
        let places: [u16; 4] =
            [b"".as_slice(), b"a", b"user:1", b"user:10001"].map(|key| fragment_of(key, 64));
        assert_eq!(places, [0, 44, 37, 12]);
        for of in [1, 3, 8] {
            let mut counts = [0u32; 8];
            for number in 0..8_000 {
                counts[usize::from(fragment_of(format!("key:{number}").as_bytes(), of))] += 1;
            }
            let even = 8_000 / u32::from(of);
            for (fragment, count) in counts.into_iter().enumerate() {
                let used = fragment < usize::from(of);
                assert!(if used { count.abs_diff(even) < even / 5 } else { count == 0 });
            }
        }
    }
}
