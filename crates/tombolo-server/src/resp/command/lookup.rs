//! From a command's name to its entry in the table: no allocation, one probe or two.

use super::spec::{COMMANDS, Spec};

/// No name is longer than this.
const NAME_LIMIT: usize = 16;
const SLOTS: usize = 256;
const EMPTY: u8 = u8::MAX;
/// Where each command is in [`COMMANDS`]: open addressing, computed when this is compiled.
const INDEX: [u8; SLOTS] = index();

/// The entry of a command written in any case, and its number.
pub(crate) fn find(name: &[u8]) -> Option<(u16, &'static Spec)> {
    if name.len() > NAME_LIMIT {
        return None;
    }
    let mut slot = slot_of(fold(name));
    while INDEX[slot] != EMPTY {
        let position = INDEX[slot];
        let spec = &COMMANDS[usize::from(position)];
        if spec.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some((u16::from(position), spec));
        }
        slot = (slot + 1) % SLOTS;
    }
    None
}

/// The entry of a subcommand, and its number.
pub(crate) fn find_subcommand(
    number: u16,
    spec: &'static Spec,
    name: &[u8],
) -> Option<(u16, &'static Spec)> {
    let position = spec
        .subcommands
        .iter()
        .position(|sub| sub.own_name().as_bytes().eq_ignore_ascii_case(name))?;
    Some((number | (position as u16 + 1) << 8, &spec.subcommands[position]))
}

/// The entry that has a number given out by the two functions above.
pub(crate) fn by_number(number: u16) -> Option<&'static Spec> {
    let [subcommand, command] = number.to_be_bytes().map(usize::from);
    let spec = COMMANDS.get(command)?;
    match subcommand {
        0 => Some(spec),
        place => spec.subcommands.get(place - 1),
    }
}

/// The name in lower case as one number.
const fn fold(name: &[u8]) -> u128 {
    let mut folded = 0;
    let mut i = 0;
    while i < name.len() {
        folded = folded << 8 | name[i].to_ascii_lowercase() as u128;
        i += 1;
    }
    folded
}

const fn slot_of(folded: u128) -> usize {
    let mixed = (folded as u64 ^ (folded >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as usize
}

const fn index() -> [u8; SLOTS] {
    assert!(COMMANDS.len() < SLOTS / 2, "the index is too small for quick look-ups");
    let mut index = [EMPTY; SLOTS];
    let mut i = 0;
    while i < COMMANDS.len() {
        assert!(COMMANDS[i].name.len() <= NAME_LIMIT);
        let mut slot = slot_of(fold(COMMANDS[i].name.as_bytes()));
        while index[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = i as u8;
        i += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, by_number, find, find_subcommand};

    #[test]
    fn every_command_is_found_in_any_case() {
        for spec in COMMANDS {
            for name in [spec.name.to_owned(), spec.name.to_ascii_uppercase()] {
                let (number, found) = find(name.as_bytes()).unwrap();
                assert_eq!(found.name, spec.name);
                assert_eq!(by_number(number).unwrap().name, spec.name);
            }
            let (number, _) = find(spec.name.as_bytes()).unwrap();
            for sub in spec.subcommands {
                let name = sub.own_name().to_ascii_uppercase();
                let (number, found) = find_subcommand(number, spec, name.as_bytes()).unwrap();
                assert_eq!(found.name, sub.name);
                assert_eq!(by_number(number).unwrap().name, sub.name);
            }
        }
    }

    #[test]
    fn others_are_not_found() {
        for name in ["", "ge", "gett", "lpush", "a name that is far too long to be a command"] {
            assert!(find(name.as_bytes()).is_none(), "{name}");
        }
        assert!(by_number(u16::MAX).is_none());
    }
}
