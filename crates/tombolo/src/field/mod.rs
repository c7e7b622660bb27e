//! The field of a value that makes it the later version of two.
//!
//! The conflict policies `last_version(FIELD)` and `last_modified` compare what is in one field of
//! two values. A [`Path`] says which field, [`Path::find`] reads it, and [`Scalar`] is what it
//! holds, in an order that is the same on every node. A field that is not there is `None`, which
//! Rust orders before every `Some`: a value without the field is the oldest version of all.

mod json;
mod msgpack;
mod scalar;
#[cfg(test)]
mod tests;

pub use scalar::{Number, Scalar, Timestamp};

/// Each step of a path may read the value once more: this bounds the cost of one comparison.
const MAX_STEPS: usize = 64;

/// Where a field is in a value, and how the value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    format: Format,
    steps: Vec<Step>,
}

/// How the values of a table are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    MessagePack,
}

/// One step down: into the entry of an object or the element of an array, whichever is there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: String,
    /// The integer whose decimal text `name` is: an index, or a key that is an integer.
    integer: Option<i128>,
}

/// Why a text is not the path of a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    /// It is of neither form.
    #[error(
        "{0:?} is not the path of a field: write /a/b for a field of JSON values, \
         msgpack:/a/b for a field of MessagePack values"
    )]
    Form(String),
    /// A `~` that does not stand for anything.
    #[error("the path {0:?} has a ~ before neither 0 nor 1: write ~0 for ~ and ~1 for /")]
    Escape(String),
    /// More steps than a path may have.
    #[error("the path {0:?} has more than {MAX_STEPS} steps")]
    Steps(String),
}

impl Path {
    /// Reads a path: `/a/b/0` is a JSON pointer (RFC 6901) into a JSON value, `msgpack:/a/b` the
    /// same pointer into a MessagePack value.
    ///
    /// # Errors
    ///
    /// If `text` is of neither form, has a `~` that is not part of `~0` or `~1`, or has more than
    /// 64 steps.
    pub(crate) fn parse(text: &str) -> Result<Path, PathError> {
        let (format, pointer) = match text.strip_prefix("msgpack:") {
            Some(pointer) => (Format::MessagePack, pointer),
            None => (Format::Json, text),
        };
        let Some(steps) = pointer.strip_prefix('/') else {
            return Err(PathError::Form(text.to_owned()));
        };
        if steps.split('/').nth(MAX_STEPS).is_some() {
            return Err(PathError::Steps(text.to_owned()));
        }
        let steps: Option<Vec<Step>> = steps.split('/').map(Step::parse).collect();
        let steps = steps.ok_or_else(|| PathError::Escape(text.to_owned()))?;
        Ok(Path { format, steps })
    }

    /// What the field of `value` holds.
    ///
    /// `None` if the value is not written as the path says, or if the field is missing, null, an
    /// object, an array, or of a kind that has no order here (see [`Scalar`]). Where an object
    /// has several entries of one name the last one counts. Besides what it returns it needs a
    /// byte for each level of nesting and room for one key, whatever the value says of itself.
    pub(crate) fn find(&self, value: &[u8]) -> Option<Scalar> {
        match self.format {
            Format::Json => json::find(value, &self.steps),
            Format::MessagePack => msgpack::find(value, &self.steps),
        }
    }
}

impl Step {
    /// Reads one step of a pointer; `None` if a `~` in it stands for nothing.
    fn parse(text: &str) -> Option<Step> {
        let mut parts = text.split('~');
        let mut name = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (letter, rest) = match part.as_bytes().first()? {
                b'0' => ('~', &part[1..]),
                b'1' => ('/', &part[1..]),
                _ => return None,
            };
            name.push(letter);
            name.push_str(rest);
        }
        // Only the one decimal text that an integer has: `01`, `+1` and `-0` are mere names.
        let integer = name.parse().ok().filter(|integer: &i128| integer.to_string() == name);
        Some(Step { name, integer })
    }

    /// The element of an array that the step leads to.
    fn index(&self) -> Option<usize> {
        self.integer.and_then(|integer| usize::try_from(integer).ok())
    }
}
