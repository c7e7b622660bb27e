//! Rust source without what is not code, and where its functions and words are.

use crate::tidy::line_at;

/// The text with every comment and every string and character literal overwritten by spaces.
///
/// Line breaks stay, and so do all offsets in bytes, so a place found in the result is the same
/// place in the text.
pub fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        match end_of_opaque(bytes, at) {
            Some(end) => {
                blank(&mut code[at..end]);
                at = end;
            }
            None => at += 1,
        }
    }
    // Whole literals and comments are blanked, and those begin and end between characters.
    String::from_utf8(code).expect("blanking keeps UTF-8")
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// The end of the comment or literal that begins at `at`, if one does.
fn end_of_opaque(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => Some(at + find(rest, b"\n").unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(at + block_comment(rest)),
        [b'"', ..] => Some(at + 1 + quoted(&rest[1..], b'"')),
        [b'\'', ..] => character(rest).map(|length| at + length),
        [b'r', ..] if !within_word(bytes, at) => raw_string(rest).map(|length| at + length),
        _ => None,
    }
}

/// Whether the byte at `at` goes on with a word, as the `r` of `for` does. The `b` of `br"..."`
/// and the `c` of `cr"..."` are no words of their own.
fn within_word(bytes: &[u8], at: usize) -> bool {
    match bytes[..at] {
        [.., before, b'b' | b'c'] => is_word(before),
        [b'b' | b'c'] => false,
        [.., before] => is_word(before),
        [] => false,
    }
}

/// The length of a block comment; they nest. One without an end takes all that follows.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of what follows an opening quote, up to and with the closing one.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal, or nothing for a lifetime such as `'a`.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(1 + quoted(&rest[1..], b'\''));
    }
    // One character of up to four bytes; a longer word behind the quote is a lifetime.
    let text = str::from_utf8(&rest[1..]).ok()?;
    let length = 1 + text.chars().next()?.len_utf8();
    (rest.get(length) == Some(&b'\'')).then_some(length + 1)
}

/// The length of a raw string, or nothing for a raw identifier or any other word with `r`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let body = 1 + hashes + 1;
    if rest.get(body - 1) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    Some(find(&rest[body..], &close).map_or(rest.len(), |end| body + end + close.len()))
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The offsets at which `needle` stands in `text` with no letter, digit or underscore touching
/// those of its ends that are such themselves.
pub fn words<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    let starts = needle.as_bytes().first().is_some_and(|byte| is_word(*byte));
    let ends = needle.as_bytes().last().is_some_and(|byte| is_word(*byte));
    text.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(at + needle.len()).copied();
        !(starts && before.is_some_and(is_word) || ends && after.is_some_and(is_word))
    })
}

/// A function with a body, by its first and last line.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// Every function with a body in what [`code_of`] made, functions inside functions too.
pub fn functions(code: &str) -> Vec<Function> {
    words(code, "fn").filter_map(|at| function_at(code, at)).collect()
}

fn function_at(code: &str, at: usize) -> Option<Function> {
    let rest = &code[at + "fn".len()..];
    let head = rest.trim_start();
    // `fn(u8)` is a type. `$name` is a function that a macro makes.
    let name: String = head
        .chars()
        .take_while(|&letter| letter.is_alphanumeric() || "_$#".contains(letter))
        .collect();
    if name.is_empty() {
        return None;
    }
    let open = body_start(rest)?;
    let end = at + "fn".len() + open + body_length(&rest[open..]);
    let line = line_at(code, at);
    Some(Function { name, line, lines: line_at(code, end) - line + 1 })
}

/// Where the brace of the body opens, or nothing for a function that is only declared.
fn body_start(rest: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            // A semicolon or a brace in brackets belongs to a type such as `[u8; { N }]`.
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
        // The bracket around the declaration closed: it is part of a macro's pattern.
        if depth < 0 {
            return None;
        }
    }
    None
}

/// How far the closing brace is from the opening one that `body` begins with.
fn body_length(body: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    body.len()
}

#[cfg(test)]
mod tests;
