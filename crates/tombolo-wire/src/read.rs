//! Reading fields out of a frame.

use crate::error::{DecodeError, Problem};

/// What is left of a frame, and what its errors call it.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    frame: &'static str,
}

pub(crate) type Read<T> = Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(frame: &'static str, rest: &'a [u8]) -> Reader<'a> {
        Reader { rest, frame }
    }

    /// Calls the frame by a more exact name from now on.
    pub(crate) fn rename(&mut self, frame: &'static str) {
        self.frame = frame;
    }

    pub(crate) fn error(&self, field: &'static str, problem: Problem) -> DecodeError {
        DecodeError { frame: self.frame, field, problem }
    }

    pub(crate) fn take(&mut self, field: &'static str, length: usize) -> Read<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.error(field, Problem::Ends));
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn chunk<const N: usize>(&mut self, field: &'static str) -> Read<&'a [u8; N]> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error(field, Problem::Ends));
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Read<[u8; N]> {
        self.chunk(field).copied()
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Read<u8> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Read<u16> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Read<u32> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Read<u64> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A number in groups of seven bits, the lowest first (LEB128), in its shortest form.
    pub(crate) fn varint(&mut self, field: &'static str) -> Read<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(field)?;
            let group = u64::from(byte & 0x7f);
            if (group << shift) >> shift != group || (byte == 0 && shift > 0) {
                return Err(self.error(field, Problem::Varint));
            }
            number |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.error(field, Problem::Varint))
    }

    /// A length and as many bytes.
    pub(crate) fn bytes(&mut self, field: &'static str) -> Read<&'a [u8]> {
        let length = self.varint(field)?;
        self.take(field, usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Read<String> {
        let bytes = self.bytes(field)?;
        match core::str::from_utf8(bytes) {
            Ok(string) => Ok(string.to_owned()),
            Err(_) => Err(self.error(field, Problem::Utf8)),
        }
    }

    /// A string of at most `limit` bytes: what strangers send ends up in logs.
    pub(crate) fn short_string(&mut self, field: &'static str, limit: usize) -> Read<String> {
        let string = self.string(field)?;
        let length = string.len();
        if length > limit {
            return Err(self.error(field, Problem::Length { length, limit }));
        }
        Ok(string)
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Read<bool> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.error(field, Problem::Unknown(other.into()))),
        }
    }

    /// The number of items that follow, each of at least `least` bytes.
    pub(crate) fn count(&mut self, field: &'static str, least: usize) -> Read<usize> {
        let count = self.varint(field)?;
        match usize::try_from(count) {
            Ok(items) if items <= self.rest.len() / least => Ok(items),
            _ => Err(self.error(field, Problem::Count { count })),
        }
    }

    /// A count and as many items, each of at least `least` bytes.
    ///
    /// No more memory is set aside at first than the frame itself takes, however small its items
    /// are beside what they become.
    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        least: usize,
        mut item: impl FnMut(&mut Reader<'a>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let count = self.count(field, least)?;
        let affordable = self.rest.len() / size_of::<T>().max(1);
        let mut items = Vec::with_capacity(count.min(affordable));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// What `read` makes of the bytes that are left; it leaves what it did not need.
    pub(crate) fn through<T>(&mut self, read: impl FnOnce(&mut &'a [u8]) -> T) -> T {
        read(&mut self.rest)
    }

    /// Everything that is left.
    pub(crate) fn remainder(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// The frame ends here.
    pub(crate) fn end(&self) -> Read<()> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.error("end", Problem::Trailing(left))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write;

    fn varint(bytes: &[u8]) -> Read<u64> {
        let mut reader = Reader::new("test", bytes);
        let number = reader.varint("number")?;
        reader.end().map(|()| number)
    }

    #[test]
    fn numbers_at_the_edges_are_read_as_they_were_written() {
        let edges = (0..64).flat_map(|shift| [1u64 << shift, (1 << shift) - 1, u64::MAX >> shift]);
        for number in edges {
            let mut out = Vec::new();
            write::varint(&mut out, number);
            assert_eq!(varint(&out), Ok(number));
        }
    }

    #[test]
    fn a_number_has_one_spelling_and_at_most_64_bits() {
        let problem = |bytes: &[u8]| varint(bytes).map_err(|error| error.problem);
        assert_eq!(problem(&[0x80, 0x00]), Err(Problem::Varint));
        assert_eq!(problem(&[0xff; 10]), Err(Problem::Varint));
        let mut largest = [0xff; 10];
        largest[9] = 0x02;
        assert_eq!(problem(&largest), Err(Problem::Varint));
        largest[9] = 0x01;
        assert_eq!(problem(&largest), Ok(u64::MAX));
        assert_eq!(problem(&[0x80]), Err(Problem::Ends));
    }

    #[test]
    fn a_count_that_the_frame_cannot_hold_is_refused_before_anything_is_allocated() {
        let mut out = Vec::new();
        write::varint(&mut out, u64::MAX >> 1);
        out.extend_from_slice(&[0; 100]);
        let read = Reader::new("test", &out).list("items", 1, |reader| reader.u64("item"));
        let count = u64::MAX >> 1;
        assert_eq!(read.unwrap_err().problem, Problem::Count { count });
    }
}
