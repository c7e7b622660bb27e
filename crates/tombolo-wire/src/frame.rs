//! Cutting a stream of bytes into frames.

/// The largest record, key and value together, that an op or a chunk may carry.
pub const MAX_RECORD: usize = 64 << 20;

/// The largest frame on a link: a record of the largest size and what goes with it.
pub const MAX_FRAME: usize = MAX_RECORD + (1 << 20);

/// The largest frame that a stranger may send: what comes before its proof.
pub const MAX_HELLO_FRAME: usize = 64 << 10;

/// The largest frame of the handshake that carries members. Full links among 300 members take
/// some 700 KiB.
pub const MAX_MEMBERS_FRAME: usize = 1 << 20;

/// The bytes of the length before each frame.
pub const LENGTH_BYTES: usize = 4;

/// A frame that is refused by its length alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// The frame is over the limit.
    #[error(
        "a frame of {length} bytes was announced, more than the {limit} allowed here: \
         the sender is no Tombolo node, or is not of this release"
    )]
    TooLong {
        /// The length that was announced.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The frame has no kind.
    #[error("a frame of no bytes was announced: the sender is no Tombolo node")]
    Empty,
}

/// The first frame in `buffer`, its kind first, and the bytes that it takes up with its length.
///
/// None if the frame is not there as a whole yet.
pub fn split(buffer: &[u8], limit: usize) -> Result<Option<(&[u8], usize)>, FrameError> {
    let Some((length, rest)) = buffer.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 {
        return Err(FrameError::Empty);
    }
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    Ok(rest.get(..length).map(|frame| (frame, LENGTH_BYTES + length)))
}

/// Appends a frame of this kind whose body `write` appends.
pub(crate) fn framed(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    write(out);
    let length = length_of(out.len() - start - LENGTH_BYTES);
    out[start..start + LENGTH_BYTES].copy_from_slice(&length);
}

/// The length as it is sent. One that no `u32` holds becomes the largest there is, so that the
/// receiver refuses the frame instead of losing its place in the stream.
pub(crate) fn length_of(length: usize) -> [u8; LENGTH_BYTES] {
    debug_assert!(length <= MAX_FRAME, "a frame of {length} bytes would be refused");
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_split_off_once_it_is_whole() {
        let mut buffer = Vec::new();
        framed(&mut buffer, 9, |out| out.extend_from_slice(b"abc"));
        framed(&mut buffer, 7, |_| ());
        for end in 0..8 {
            assert_eq!(split(&buffer[..end], 100), Ok(None), "of {end} bytes");
        }
        assert_eq!(split(&buffer, 100), Ok(Some((&b"\x09abc"[..], 8))));
        assert_eq!(split(&buffer[8..], 100), Ok(Some((&b"\x07"[..], 5))));
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_the_body_is_there() {
        let header = 101u32.to_le_bytes();
        let refused = FrameError::TooLong { length: 101, limit: 100 };
        assert_eq!(split(&header, 100), Err(refused));
        assert_eq!(split(&header, 101), Ok(None));
        assert!(split(&[0xff; 4], MAX_FRAME).is_err());
        assert_eq!(split(&[0; 4], 100), Err(FrameError::Empty));
    }
}
