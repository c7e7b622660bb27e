//! Inline commands: a line of words, as typed into telnet, with Redis's quoting.

use super::parser::Span;

/// Splits a line into words. The words, with quotes and escapes resolved, are appended to `words`
/// and their places in it to `spans`. False means that a quote is not closed, or that something
/// follows a closing quote without a space.
pub(crate) fn split(line: &[u8], words: &mut Vec<u8>, spans: &mut Vec<Span>) -> bool {
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return true;
        }
        let start = words.len();
        match word(rest, words) {
            Some(tail) => rest = tail,
            None => return false,
        }
        spans.push(Span::new(start, words.len() - start));
    }
}

/// Takes one word; a quote may begin anywhere in it, but nothing follows its end.
fn word<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match *rest {
            [] => return Some(rest),
            [byte, ..] if is_space(byte) || byte == 0 => return Some(&rest[1..]),
            [b'"', ref tail @ ..] => return after_quote(double_quoted(tail, words)?),
            [b'\'', ref tail @ ..] => return after_quote(single_quoted(tail, words)?),
            [byte, ref tail @ ..] => {
                words.push(byte);
                rest = tail;
            }
        }
    }
}

fn after_quote(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|byte| is_space(*byte)).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, tail): (u8, &[u8]) = match *rest {
            [] => return None,
            [b'"', ref tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, ref tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex(high) << 4 | hex(low), tail)
            }
            [b'\\', escaped, ref tail @ ..] => (unescape(escaped), tail),
            [byte, ref tail @ ..] => (byte, tail),
        };
        words.push(byte);
        rest = tail;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, tail): (u8, &[u8]) = match *rest {
            [] => return None,
            [b'\\', b'\'', ref tail @ ..] => (b'\'', tail),
            [b'\'', ref tail @ ..] => return Some(tail),
            [byte, ref tail @ ..] => (byte, tail),
        };
        words.push(byte);
        rest = tail;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// What C's `isspace` calls a space: the vertical tab counts, unlike in Rust's own test.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        split(line, &mut bytes, &mut spans)
            .then(|| spans.iter().map(|span| span.of(&bytes).to_vec()).collect())
    }

    fn expect(line: &str, expected: &[&[u8]]) {
        assert_eq!(words(line.as_bytes()).as_deref(), Some(&*own(expected)), "{line}");
    }

    fn own(list: &[&[u8]]) -> Vec<Vec<u8>> {
        list.iter().map(|word| word.to_vec()).collect()
    }

    #[test]
    fn words_and_spaces() {
        expect("", &[]);
        expect("  \t ", &[]);
        expect(" set  a\tb ", &[b"set", b"a", b"b"]);
    }

    #[test]
    fn quotes_and_escapes() {
        expect(r#"set "a b" c"#, &[b"set", b"a b", b"c"]);
        expect(r#""\x41\xff\n\r\t\b\a\q\"""#, &[b"A\xff\n\r\t\x08\x07q\""]);
        expect(r#""\xzz""#, &[b"xzz"]);
        expect(r"'it\'s \n'", &[br"it's \n"]);
        expect(r#"a"b c""#, &[b"ab c"]);
        expect(r#""""#, &[b""]);
    }

    #[test]
    fn unbalanced_quotes() {
        for line in [r#"get "a"#, "get 'a", r#"get "a"b"#, "get 'a'b", r#"get "a\"#] {
            assert_eq!(words(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive_quoting(word: Vec<u8>) {
            let mut line = b"\"".to_vec();
            for byte in &word {
                line.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
            line.push(b'"');
            prop_assert_eq!(words(&line), Some(vec![word]));
        }

        #[test]
        fn never_panics(line: Vec<u8>) {
            words(&line);
        }
    }
}
