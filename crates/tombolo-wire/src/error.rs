//! What a decoder refuses, by name.

/// A frame that cannot be read. Nothing of it was taken in; the link it came on is not to be
/// trusted any further, because its sender and we do not mean the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot read a frame ({frame}): {field}: {problem}")]
pub struct DecodeError {
    /// The kind of frame, as its documentation calls it.
    pub frame: &'static str,
    /// The field that could not be read.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// The frame ends before the field does.
    #[error("the frame ends before it does")]
    Ends,
    /// The field announces more items than the rest of the frame could hold.
    #[error("it announces {count} items, more than the rest of the frame can hold")]
    Count {
        /// How many it announces.
        count: u64,
    },
    /// A number of seven-bit groups that is over 64 bits or longer than it need be.
    #[error("it is not a number of at most 64 bits in its shortest form")]
    Varint,
    /// A value that means nothing.
    #[error("{0} means nothing here")]
    Unknown(u64),
    /// A string that is not UTF-8.
    #[error("it is not UTF-8")]
    Utf8,
    /// A string that is longer than any such string may be.
    #[error("it has {length} bytes, more than the {limit} allowed")]
    Length {
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// More items than there may be.
    #[error("it has {count} items, more than the {limit} allowed")]
    Many {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A policy whose text would not be read as that policy.
    #[error("a word in it is empty or has a character that no policy's text may have")]
    Policy,
    /// A compressed set that is not well-formed.
    #[error("it is not a well-formed set")]
    Set,
    /// Items that must grow, and do not.
    #[error("its items are not in growing order")]
    Order,
    /// Bytes after the last field.
    #[error("{0} bytes are left over")]
    Trailing(usize),
}
