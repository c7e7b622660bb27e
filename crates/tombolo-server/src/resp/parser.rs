//! The request parser: from bytes as they arrive to commands, without copying them.
//!
//! A request is an array of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`) or an inline command,
//! which is one line of words. The parser keeps its place inside a half-received command, so
//! every byte is looked at once however the network cuts the stream. Lengths that a client merely
//! claims reserve nothing.

use std::{fmt, mem};

use super::{inline, number::parse_i64};

/// The longest inline command, and the longest line that announces a length.
const LINE_LIMIT: usize = 64 * 1024;
const ARGUMENT_LIMIT: i64 = 1024 * 1024;
/// Clients that have not authenticated may say AUTH and HELLO, and these need no more than this.
const UNAUTHENTICATED_ARGUMENT_LIMIT: i64 = 10;
const UNAUTHENTICATED_BULK_LIMIT: usize = 16 * 1024;

/// How large requests may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A longer bulk string breaks the protocol, and the connection ends.
    pub(crate) bulk: usize,
    /// A longer bulk string is skipped as it arrives, and its command refused.
    pub(crate) argument: usize,
    /// A command whose arguments are longer together is skipped likewise.
    pub(crate) command: usize,
}

/// A place in the bytes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    // Half the size of a range of `usize`, and enough: a command is far below 4 GiB.
    start: u32,
    length: u32,
}

impl Span {
    pub(crate) fn new(start: usize, length: usize) -> Span {
        Span { start: start as u32, length: length as u32 }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..][..self.length as usize]
    }
}

/// The words of one command, the name first. They borrow the connection's read buffer.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Words that lie at `spans` in `bytes`.
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { bytes, spans }
    }

    pub(crate) fn len(self) -> usize {
        self.spans.len()
    }

    /// The word at `index`. The arity check comes before every use, so it must exist.
    pub(crate) fn at(self, index: usize) -> &'a [u8] {
        self.spans[index].of(self.bytes)
    }

    pub(crate) fn get(self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| span.of(self.bytes))
    }

    /// The words from `index` on; none if there are fewer.
    pub(crate) fn from(self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.spans.get(index..).unwrap_or_default().iter().map(move |span| span.of(self.bytes))
    }
}

/// What one call to [`Parser::advance`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// More bytes are needed.
    Incomplete,
    /// Nothing to do: an empty line or an empty array.
    Empty,
    /// A whole command; [`Parser::args`] has its words.
    Command,
    /// A whole command that was skipped because something in it is over a limit.
    Oversize {
        /// The bytes that were too many.
        size: usize,
        limit: usize,
    },
}

/// The outcome, and how many bytes at the front of the input are done with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Advance {
    pub(crate) used: usize,
    pub(crate) outcome: Outcome,
}

/// A request that no client should send. The connection ends after the error has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    InvalidMultibulkLength,
    UnauthenticatedMultibulkLength,
    InvalidBulkLength,
    UnauthenticatedBulkLength,
    ExpectedBulk(u8),
    TooBigMultibulkCount,
    TooBigBulkCount,
    TooBigInline,
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            ProtocolError::ExpectedBulk(got) => {
                return write!(f, "expected '$', got '{}'", char::from(*got));
            }
            ProtocolError::TooBigMultibulkCount => "too big mbulk count string",
            ProtocolError::TooBigBulkCount => "too big bulk count string",
            ProtocolError::TooBigInline => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
        })
    }
}

/// The parser of one connection.
pub(crate) struct Parser {
    limits: Limits,
    /// Where the next unread byte is, counted from the front of the command.
    cursor: usize,
    /// How far beyond the cursor the end of a line has been looked for in vain.
    searched: usize,
    /// Bulk strings of the current array still to come.
    remaining: usize,
    /// The length of the bulk string whose header has been read.
    bulk: Option<usize>,
    /// Bytes of arguments kept so far.
    kept: usize,
    /// The first length over a limit, and the limit: from there on the command is dropped as it
    /// arrives.
    oversize: Option<(usize, usize)>,
    /// Bytes of the current bulk string still to be dropped.
    dropping: usize,
    spans: Vec<Span>,
    /// The words of an inline command, which may be quoted and so are not slices of the input.
    words: Vec<u8>,
    inline: bool,
}

impl Parser {
    pub(crate) fn new(limits: Limits) -> Parser {
        Parser {
            limits,
            cursor: 0,
            searched: 0,
            remaining: 0,
            bulk: None,
            kept: 0,
            oversize: None,
            dropping: 0,
            spans: Vec::new(),
            words: Vec::new(),
            inline: false,
        }
    }

    /// Reads on in `input`, which begins with the first byte not yet reported as used.
    pub(crate) fn advance(
        &mut self,
        input: &[u8],
        authenticated: bool,
    ) -> Result<Advance, ProtocolError> {
        if self.remaining == 0 {
            match input.first() {
                None => return Ok(self.pause()),
                Some(b'*') => {}
                Some(_) => return self.inline_command(input),
            }
            let Some(line) = self.line(input, ProtocolError::TooBigMultibulkCount)? else {
                return Ok(self.pause());
            };
            let count = parse_i64(&line[1..])
                .filter(|count| *count <= ARGUMENT_LIMIT)
                .ok_or(ProtocolError::InvalidMultibulkLength)?;
            if count > UNAUTHENTICATED_ARGUMENT_LIMIT && !authenticated {
                return Err(ProtocolError::UnauthenticatedMultibulkLength);
            }
            if count <= 0 {
                return Ok(self.finish(Outcome::Empty));
            }
            self.remaining = count as usize;
            self.inline = false;
            self.spans.clear();
        }
        self.bulk_strings(input, authenticated)
    }

    /// The words of the command that [`Parser::advance`] found at the front of `input`.
    pub(crate) fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        Args::new(if self.inline { &self.words } else { input }, &self.spans)
    }

    /// Gives back what earlier commands made it allocate.
    pub(crate) fn release(&mut self) {
        if self.remaining == 0 {
            self.spans = Vec::new();
            self.words = Vec::new();
        }
    }

    fn bulk_strings(
        &mut self,
        input: &[u8],
        authenticated: bool,
    ) -> Result<Advance, ProtocolError> {
        while self.remaining > 0 {
            if self.dropping == 0 {
                let Some(length) = self.bulk_header(input, authenticated)? else {
                    return Ok(self.pause());
                };
                // The payload is followed by a line end, which Redis does not look at either.
                let end = self.cursor + length + 2;
                if self.oversize.is_some() {
                    self.dropping = length + 2;
                } else if input.len() < end {
                    return Ok(self.pause());
                } else {
                    self.spans.push(Span::new(self.cursor, length));
                    self.kept += length;
                    self.cursor = end;
                }
            }
            let dropped = self.dropping.min(input.len() - self.cursor);
            self.cursor += dropped;
            self.dropping -= dropped;
            if self.dropping > 0 {
                return Ok(self.pause());
            }
            self.bulk = None;
            self.remaining -= 1;
        }
        let outcome = match self.oversize {
            Some((size, limit)) => Outcome::Oversize { size, limit },
            None => Outcome::Command,
        };
        Ok(self.finish(outcome))
    }

    /// The length of the bulk string at the cursor, once its header has arrived.
    fn bulk_header(
        &mut self,
        input: &[u8],
        authenticated: bool,
    ) -> Result<Option<usize>, ProtocolError> {
        if self.bulk.is_some() {
            return Ok(self.bulk);
        }
        let Some(line) = self.line(input, ProtocolError::TooBigBulkCount)? else {
            return Ok(None);
        };
        match line.first() {
            Some(b'$') => {}
            // An empty line: the byte at hand is the one that ended it.
            other => return Err(ProtocolError::ExpectedBulk(*other.unwrap_or(&b'\r'))),
        }
        let length = parse_i64(&line[1..])
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= self.limits.bulk)
            .ok_or(ProtocolError::InvalidBulkLength)?;
        if length > UNAUTHENTICATED_BULK_LIMIT && !authenticated {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        if self.oversize.is_none() {
            let Limits { argument, command, .. } = self.limits;
            if length > argument {
                self.oversize = Some((length, argument));
            } else if self.kept + length > command {
                self.oversize = Some((self.kept + length, command));
            }
        }
        self.bulk = Some(length);
        Ok(self.bulk)
    }

    /// The line at the cursor without its end, if it has arrived; the cursor moves behind it.
    fn line<'a>(
        &mut self,
        input: &'a [u8],
        too_long: ProtocolError,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = &input[self.cursor..];
        match rest[self.searched..].iter().position(|byte| *byte == b'\r') {
            Some(offset) if self.searched + offset + 1 < rest.len() => {
                let length = self.searched + offset;
                self.searched = 0;
                self.cursor += length + 2;
                Ok(Some(&rest[..length]))
            }
            Some(offset) => {
                self.searched += offset;
                Ok(None)
            }
            None if rest.len() > LINE_LIMIT => Err(too_long),
            None => {
                self.searched = rest.len();
                Ok(None)
            }
        }
    }

    fn inline_command(&mut self, input: &[u8]) -> Result<Advance, ProtocolError> {
        let Some(offset) = input[self.searched..].iter().position(|byte| *byte == b'\n') else {
            if input.len() > LINE_LIMIT {
                return Err(ProtocolError::TooBigInline);
            }
            self.searched = input.len();
            return Ok(self.pause());
        };
        let end = self.searched + offset;
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        self.inline = true;
        self.spans.clear();
        self.words.clear();
        if !inline::split(line, &mut self.words, &mut self.spans) {
            return Err(ProtocolError::UnbalancedQuotes);
        }
        self.cursor = end + 1;
        let empty = self.spans.is_empty();
        Ok(self.finish(if empty { Outcome::Empty } else { Outcome::Command }))
    }

    /// Waits for more input. What belongs to a command that is being dropped is done with.
    fn pause(&mut self) -> Advance {
        let used = if self.oversize.is_some() { mem::take(&mut self.cursor) } else { 0 };
        Advance { used, outcome: Outcome::Incomplete }
    }

    fn finish(&mut self, outcome: Outcome) -> Advance {
        self.searched = 0;
        self.kept = 0;
        self.oversize = None;
        Advance { used: mem::take(&mut self.cursor), outcome }
    }
}

#[cfg(test)]
mod tests;
