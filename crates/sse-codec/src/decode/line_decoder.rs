//! The line decoder: bytes in, lines out.

#[cfg(feature = "alloc")]
use super::buffer::GrowBytes;
use super::buffer::{Buffer, FixedBuffer, FixedBytes, GrowBuffer, Storage};
use super::chunk::Chunk;
#[cfg(feature = "alloc")]
use super::decoder::Decoder;
use super::edge::Edge;
use super::line::Line;
use super::value::Value;
use crate::event::TooLarge;

/// Decodes the bytes of one event stream into its lines, for relays and tools.
///
/// It returns every line in order, also those for which a [`Decoder`](crate::Decoder) returns no event: comments, ids
/// without data, reconnection times, and fields that the standard does not know. Only the byte order mark and the line
/// endings (CR, LF or CRLF) are removed.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use sse_codec::LineDecoder;
///
/// let mut decoder = LineDecoder::new();
/// let mut seen = Vec::new();
/// for mut chunk in [&b": pi"[..], b"ng\r\n\r\nid: 7\nda", b"ta\n\n"] {
///     while let Some(line) = decoder.next_line(&mut chunk)? {
///         seen.push(line.as_str().to_owned());
///     }
/// }
/// assert_eq!(seen, [": ping", "", "id: 7", "data", ""]);
/// # }
/// # Ok::<(), sse_codec::TooLarge>(())
/// ```
#[derive(Clone, Debug)]
pub struct LineDecoder<B: Buffer = GrowBuffer> {
    edge: Edge,
    state: State,
    line: Value<<B as Storage>::Data>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The line is being read.
    Open,
    /// The caller borrows the line. The next call clears it.
    Lent,
    /// The line is over the limit. The rest of it is skipped.
    TooLarge,
}

/// A [`LineDecoder`] that needs no allocator, for lines of at most `N` bytes.
pub type FixedLineDecoder<const N: usize> = LineDecoder<FixedBuffer<N>>;

#[cfg(feature = "alloc")]
impl LineDecoder {
    /// Creates a decoder for a new stream, with a limit of 16 MiB per line.
    pub fn new() -> Self {
        Self::with_limit(Decoder::DEFAULT_LIMIT)
    }

    /// Creates a decoder for a new stream whose lines may be at most `max_line_bytes` bytes long. Each U+FFFD counts as
    /// three bytes.
    pub fn with_limit(max_line_bytes: usize) -> Self {
        Self::with_line(GrowBytes::new(max_line_bytes))
    }

    /// Frees memory: the buffer keeps room for `len` bytes, or for the part of an unfinished line that it holds.
    pub fn shrink_to(&mut self, len: usize) {
        if self.state == State::Lent {
            self.forget_line(State::Open);
        }
        self.line.buffer_mut().shrink_to(len);
    }

    /// Returns the capacity of the buffer in bytes.
    pub fn memory(&self) -> usize {
        self.line.buffer().memory()
    }
}

impl<const N: usize> FixedLineDecoder<N> {
    /// Creates a decoder for a new stream, in memory of a fixed size. It can be a `static`.
    pub const fn fixed() -> Self {
        Self::with_line(FixedBytes::new())
    }
}

impl<B: Buffer> LineDecoder<B> {
    const fn with_line(line: B::Data) -> Self {
        Self { edge: Edge::START, state: State::Open, line: Value::new(line) }
    }

    /// Returns the next line, or `None` when all of `input` has been read and more bytes are needed.
    ///
    /// The call advances `input` to the bytes that it has not read. Call it with the same `input` until it returns
    /// `None`, and then with the next chunk. At the end of the stream, [`finish`](Self::finish) returns the last line
    /// if it has no ending. A relay need not call it, because clients drop what follows the last empty line.
    ///
    /// # Errors
    ///
    /// [`TooLarge::Line`], once for each line over the limit. The rest of that line is skipped, and the next call
    /// returns the line after it.
    pub fn next_line<'d, 'i: 'd>(&'d mut self, input: &mut &'i [u8]) -> Result<Option<Line<'d>>, TooLarge> {
        if self.state == State::Lent {
            self.forget_line(State::Open);
        }
        let mut chunk = Chunk::new(input);
        let found = self.read_line(&mut chunk);
        self.edge.leave(input, chunk.rest());
        *input = chunk.rest();
        if !found? {
            return Ok(None);
        }
        let limit = self.line.limit();
        self.line.text(&chunk).map(|text| Some(Line::new(text))).ok_or(TooLarge::Line { limit })
    }

    /// Reads up to the end of the line or of the chunk. Returns true if the line has ended.
    fn read_line(&mut self, chunk: &mut Chunk<'_>) -> Result<bool, TooLarge> {
        let mark = self.edge.pass(chunk);
        if !mark.is_empty() && !self.line.push(mark) {
            self.forget_line(State::TooLarge);
            return Err(TooLarge::Line { limit: self.line.limit() });
        }
        if self.state == State::TooLarge {
            if chunk.line().is_none() {
                chunk.unended();
                return Ok(false);
            }
            self.forget_line(State::Open);
        }
        let line = chunk.line();
        let part = line.unwrap_or_else(|| chunk.unended());
        let ends = line.is_some();
        let fits = if ends && !self.line.exists() {
            self.line.lend(part)
        } else {
            part.is_empty() || self.line.push(chunk.bytes(part))
        };
        if fits {
            self.state = if ends { State::Lent } else { State::Open };
            return Ok(ends);
        }
        self.forget_line(if ends { State::Open } else { State::TooLarge });
        Err(TooLarge::Line { limit: self.line.limit() })
    }

    /// Ends the stream, and returns the last line if the stream ended before the line did.
    ///
    /// Call it after [`next_line`](Self::next_line) has returned `None`. The decoder is then ready for a new
    /// connection, as after [`reset`](Self::reset).
    ///
    /// # Errors
    ///
    /// [`TooLarge::Line`] if the line is over the limit, unless `next_line` has returned that error already.
    pub fn finish(&mut self) -> Result<Option<Line<'_>>, TooLarge> {
        if self.state != State::Open {
            self.forget_line(State::Open);
        }
        let mark = core::mem::replace(&mut self.edge, Edge::START).mark();
        if !mark.is_empty() && !self.line.push(mark) {
            self.forget_line(State::Open);
            return Err(TooLarge::Line { limit: self.line.limit() });
        }
        if !self.line.exists() {
            return Ok(None);
        }
        self.state = State::Lent;
        let limit = self.line.limit();
        self.line.text(&Chunk::new(b"")).map(|text| Some(Line::new(text))).ok_or(TooLarge::Line { limit })
    }

    fn forget_line(&mut self, state: State) {
        self.state = state;
        self.line.clear();
    }

    /// Prepares the decoder for the body of a new connection: the unfinished line is dropped, and a byte order mark at
    /// the start is skipped again.
    pub fn reset(&mut self) {
        self.edge = Edge::START;
        self.forget_line(State::Open);
    }
}

#[cfg(feature = "alloc")]
impl Default for LineDecoder {
    fn default() -> Self {
        Self::new()
    }
}
