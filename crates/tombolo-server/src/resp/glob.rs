//! Redis's glob patterns: `*`, `?`, `[a-z]`, `[^x]` and `\` before a character taken literally.

/// Says whether all of `text` matches `pattern`.
///
/// A mismatch goes back to the latest `*` only, and lets it take one more byte. Going back to an
/// earlier one can never help, so the cost is at most the product of the two lengths where a
/// recursive matcher is exponential in the number of stars.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(_), Some(&byte)) => match_one(pattern, p, byte),
            // Nothing is left of the text: letting a star take more of it cannot help.
            (Some(_), None) => return false,
            (None, Some(_)) => None,
        };
        match (step, retry) {
            (Some(next), _) => (p, t) = (next, t + 1),
            (None, Some((after_star, taken))) => {
                retry = Some((after_star, taken + 1));
                (p, t) = (after_star, taken + 1);
            }
            (None, None) => return false,
        }
    }
}

/// Matches one byte against the element of the pattern at `p`; returns where the next begins.
fn match_one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match pattern[p] {
        b'?' => Some(p + 1),
        b'[' => match_class(pattern, p + 1, byte),
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1] == byte).then_some(p + 2),
        literal => (literal == byte).then_some(p + 1),
    }
}

/// Matches a class whose first byte after `[` is at `p`. As in Redis a class that is never closed
/// ends with the pattern, and a range may be written backwards.
fn match_class(pattern: &[u8], mut p: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    if negated {
        p += 1;
    }
    let mut found = false;
    loop {
        match pattern[p.min(pattern.len())..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= escaped == byte;
                p += 2;
            }
            [b']', ..] => {
                p += 1;
                break;
            }
            [a, b'-', z, ..] => {
                found |= (a.min(z)..=a.max(z)).contains(&byte);
                p += 3;
            }
            [single, ..] => {
                found |= single == byte;
                p += 1;
            }
        }
    }
    (found != negated).then_some(p)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::matches;

    fn holds(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes())
    }

    #[test]
    fn every_element_of_the_language() {
        assert!(holds("", ""));
        assert!(holds("*", ""));
        assert!(holds("*", "anything"));
        assert!(holds("h?llo", "hello"));
        assert!(!holds("h?llo", "hllo"));
        assert!(holds("h[ae]llo", "hallo"));
        assert!(!holds("h[ae]llo", "hillo"));
        assert!(holds("h[^e]llo", "hallo"));
        assert!(!holds("h[^e]llo", "hello"));
        assert!(holds("h[a-c]llo", "hbllo"));
        assert!(holds("h[c-a]llo", "hbllo"));
        assert!(holds("h\\*llo", "h*llo"));
        assert!(!holds("h\\*llo", "hxllo"));
        assert!(holds("[\\]]", "]"));
        assert!(holds("user:*:name", "user:1:2:name"));
        assert!(!holds("user:*:name", "user:1:2:names"));
        assert!(!holds("", "x"));
        assert!(!holds("x", ""));
        assert!(holds("a\\", "a\\"));
    }

    #[test]
    fn an_unclosed_class_ends_with_the_pattern() {
        assert!(holds("[ab", "a"));
        assert!(!holds("[ab", "c"));
        assert!(!holds("[", "a"));
        assert!(holds("[^", "a"));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "a*".repeat(200) + "b";
        let text = "a".repeat(20_000);
        let begun = Instant::now();
        assert!(!holds(&pattern, &text));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }

    /// The plain recursive definition of `*` and `?`, to compare with.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|n| reference(rest, &text[n..])),
            ([b'?', rest @ ..], [_, tail @ ..]) => reference(rest, tail),
            ([p, rest @ ..], [t, tail @ ..]) => p == t && reference(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                reference(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn never_panics(pattern: Vec<u8>, text: Vec<u8>) {
            matches(&pattern, &text);
        }

        #[test]
        fn an_escaped_text_matches_itself(text: Vec<u8>) {
            let pattern: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
            prop_assert!(matches(&pattern, &text));
        }
    }
}
