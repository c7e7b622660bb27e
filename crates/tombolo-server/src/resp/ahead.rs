//! Looking ahead over the commands of a pipeline.
//!
//! A lookup in a large table is mostly waiting for memory. What the next commands ask for is in
//! the buffer already, so their keys are fetched together before the first of them is executed:
//! the waiting overlaps. Nothing depends on what is found here; whatever is unusual ends the look.

use super::{number::parse_i64, parser::Span};

/// How many commands are looked at together: what they touch fits well into the first cache.
const COMMANDS: usize = 32;

/// The keys of the commands at the front of some input.
pub(crate) struct Ahead {
    keys: [Span; COMMANDS],
    count: usize,
}

impl Ahead {
    /// Looks at `input`, which begins with a command.
    pub(crate) fn of(input: &[u8]) -> Ahead {
        let mut ahead = Ahead { keys: [Span::new(0, 0); COMMANDS], count: 0 };
        let mut at = 0;
        while ahead.count < COMMANDS
            && let Some((key, end)) = command(input, at)
        {
            ahead.keys[ahead.count] = key;
            ahead.count += 1;
            at = end;
        }
        ahead
    }

    /// The word after the name of each command: the key, if the command has one.
    pub(crate) fn keys<'a>(&self, input: &'a [u8]) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.keys[..self.count].iter().map(move |key| key.of(input))
    }
}

/// The second word of the command at `at`, and where the command ends. None if that is not a whole
/// array of two words or more.
fn command(input: &[u8], at: usize) -> Option<(Span, usize)> {
    let (words, mut at) = length(input, at, b'*')?;
    let mut key = None;
    for word in 0..words {
        let (length, start) = length(input, at, b'$')?;
        at = start.checked_add(length)?.checked_add(2)?;
        if at > input.len() {
            return None;
        }
        if word == 1 {
            key = Some(Span::new(start, length));
        }
    }
    Some((key?, at))
}

/// The number in the line at `at`, which begins with `kind`, and where the next line begins.
fn length(input: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let line = input.get(at..)?.strip_prefix(&[kind])?;
    let end = line.iter().take(20).position(|byte| *byte == b'\r')?;
    let number = usize::try_from(parse_i64(&line[..end])?).ok()?;
    Some((number, at + 1 + end + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Ahead, COMMANDS};

    fn keys(input: &[u8]) -> Vec<Vec<u8>> {
        Ahead::of(input).keys(input).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn keys_of_whole_commands_are_found() {
        let two = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$2\r\nbc\r\n$1\r\nv\r\n";
        assert_eq!(keys(two), [b"a".to_vec(), b"bc".to_vec()]);
        assert_eq!(keys(&two[..two.len() - 1]), [b"a".to_vec()]);
        assert!(keys(b"*1\r\n$4\r\nPING\r\n").is_empty());
        assert!(keys(b"get a\r\n").is_empty());
        assert_eq!(keys(&two.repeat(COMMANDS)).len(), COMMANDS);
    }

    #[test]
    fn absurd_lengths_end_the_look() {
        for bad in
            ["*2\r\n$9223372036854775807\r\nx", "*9223372036854775807\r\n", "*-1\r\n", "*2\r"]
        {
            assert!(keys(bad.as_bytes()).is_empty(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(input in "[*$0-9\r\na]{0,60}") {
            keys(input.as_bytes());
        }
    }
}
