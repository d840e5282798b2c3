//! The body of an answer as it comes in: of a known length, in chunks (RFC 9112, 7.1), or up to the
//! end of the connection.

/// Longest line before a chunk, extensions included.
const LINE_BYTES: usize = 1024;

/// What of a body has come.
pub(super) struct Body {
    /// Its bytes, chunks joined.
    pub(super) bytes: Vec<u8>,
    state: State,
}

enum State {
    /// So many bytes are missing.
    Length(u64),
    /// Until the connection ends.
    Open,
    /// In the line before a chunk.
    Line(Vec<u8>),
    /// So many bytes of a chunk are missing.
    Chunk(u64),
    /// In the line end behind a chunk.
    ChunkEnd(Vec<u8>),
    /// After the last chunk. What may follow is of no use.
    Whole,
    Damaged,
}

impl Body {
    pub(super) fn of_length(length: u64) -> Self {
        Self::in_state(State::Length(length))
    }

    pub(super) fn chunked() -> Self {
        Self::in_state(State::Line(Vec::new()))
    }

    pub(super) fn until_the_end() -> Self {
        Self::in_state(State::Open)
    }

    fn in_state(state: State) -> Self {
        Self {
            bytes: Vec::new(),
            state,
        }
    }

    /// Whether all of it is there; nothing while more is to come.
    pub(super) fn is_whole(&self) -> Option<bool> {
        match self.state {
            State::Whole | State::Length(0) => Some(true),
            State::Damaged => Some(false),
            _ => None,
        }
    }

    /// Whether the end of the connection is its end.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Takes what came.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Open => {
                    self.bytes.extend_from_slice(bytes);
                    return;
                }
                State::Length(left) => {
                    let count = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    self.bytes
                        .extend_from_slice(bytes.get(..count).unwrap_or_default());
                    *left -= count as u64;
                    return;
                }
                State::Line(line) => {
                    let is_ended = take_line(line, &mut bytes);
                    if is_ended || line.len() > LINE_BYTES {
                        self.state = after_line(line);
                    }
                }
                State::Chunk(left) => {
                    let count = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let (front, rest) = bytes.split_at(count);
                    self.bytes.extend_from_slice(front);
                    *left -= count as u64;
                    bytes = rest;
                    if *left == 0 {
                        self.state = State::ChunkEnd(Vec::new());
                    }
                }
                State::ChunkEnd(line) => {
                    let is_ended = take_line(line, &mut bytes);
                    if !b"\r\n".starts_with(line) {
                        self.state = State::Damaged;
                    } else if is_ended {
                        self.state = State::Line(Vec::new());
                    }
                }
                State::Whole | State::Damaged => return,
            }
        }
    }
}

/// Moves bytes up to a line's end; whether it came.
fn take_line(line: &mut Vec<u8>, bytes: &mut &[u8]) -> bool {
    let end = memchr::memchr(b'\n', bytes);
    let (front, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
    line.extend_from_slice(front);
    *bytes = rest;
    end.is_some()
}

/// What a line before a chunk says.
fn after_line(line: &[u8]) -> State {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let size = std::str::from_utf8(digits).ok();
    match size.and_then(|size| u64::from_str_radix(size.trim(), 16).ok()) {
        Some(0) => State::Whole,
        Some(size) => State::Chunk(size),
        None => State::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], at_once: usize) -> (Vec<u8>, Option<bool>) {
        let mut body = Body::chunked();
        for part in text.chunks(at_once) {
            body.add(part);
        }
        let is_whole = body.is_whole();
        (body.bytes, is_whole)
    }

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let text = b"3\r\nabc\r\n2;x=y\r\nde\r\n1\r\n0\r\n0\r\nTrailer: x\r\n\r\n";
        for at_once in 1..=text.len() {
            assert_eq!(
                read(text, at_once),
                (b"abcde0".to_vec(), Some(true)),
                "{at_once}"
            );
        }
        // The end of the text looks like the end of the body.
        assert_eq!(
            read(b"5\r\n0\r\n\r\n\r\n", 3),
            (b"0\r\n\r\n".to_vec(), None)
        );
    }

    #[test]
    fn damage_ends_it() {
        for text in [
            &b"x\r\n"[..],
            b"-1\r\n",
            b"3\r\nabcdef",
            b"\r\n",
            b"2\r\nab\rx",
        ] {
            for at_once in [1, 2, 100] {
                assert_eq!(read(text, at_once).1, Some(false), "{text:?}");
            }
        }
        assert_eq!(read(&[b'1'; LINE_BYTES * 2], 100).1, Some(false));
        assert_eq!(read(b"ffffffffffffffff\r\nabc", 2), (b"abc".to_vec(), None));
    }

    #[test]
    fn a_length_is_kept_to() {
        let mut body = Body::of_length(3);
        body.add(b"ab");
        assert_eq!(body.is_whole(), None);
        body.add(b"cdef");
        assert_eq!(
            (body.is_whole(), &body.bytes[..]),
            (Some(true), &b"abc"[..])
        );
    }
}
