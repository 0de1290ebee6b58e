//! The raw view: bytes in, lines out.

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

/// Turns the bytes of one event stream into lines, all of them and in order: the raw view, for relays and tools.
///
/// What a [`Decoder`](crate::Decoder) passes over is there: comments, ids without data, reconnection times, fields that
/// the standard does not know. What a reader makes of the lines is not applied. Only what no reader can tell is gone: a
/// byte order mark, and whether a line ended with CR, LF or both.
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
    /// The line is lent to the caller; it is cleared at the next call.
    Lent,
    /// Over the limit: the rest of the line is skipped.
    TooLarge,
}

/// A line decoder that needs no allocator, for lines of up to `N` bytes.
pub type FixedLineDecoder<const N: usize> = LineDecoder<FixedBuffer<N>>;

#[cfg(feature = "alloc")]
impl LineDecoder {
    /// A decoder for a new stream, with a limit of 16 MiB per line.
    pub fn new() -> Self {
        Self::with_limit(Decoder::DEFAULT_LIMIT)
    }

    /// A decoder whose lines may be up to `max_line_bytes` long, each U+FFFD counted as three bytes.
    pub fn with_limit(max_line_bytes: usize) -> Self {
        Self::with_line(GrowBytes::new(max_line_bytes))
    }

    /// Gives back memory: the buffer keeps room for `len` bytes, or for what it holds of an unfinished line.
    pub fn shrink_to(&mut self, len: usize) {
        if self.state == State::Lent {
            self.forget_line(State::Open);
        }
        self.line.buffer_mut().shrink_to(len);
    }

    /// How many bytes the buffer takes, used or not.
    pub fn memory(&self) -> usize {
        self.line.buffer().memory()
    }
}

impl<const N: usize> FixedLineDecoder<N> {
    /// A decoder for a new stream, in memory of a fixed size.
    pub const fn fixed() -> Self {
        Self::with_line(FixedBytes::new())
    }
}

impl<B: Buffer> LineDecoder<B> {
    const fn with_line(line: B::Data) -> Self {
        Self { edge: Edge::START, state: State::Open, line: Value::new(line) }
    }

    /// Returns the next line, or `None` when `input` is used up and more bytes are needed.
    ///
    /// `input` is advanced past what was read. At the end of the stream nothing has to be called: readers drop what
    /// follows the last empty line. [`finish`](Self::finish) returns the last line if it has no ending.
    ///
    /// # Errors
    ///
    /// [`TooLarge::Line`] once for each line over the limit. The rest of it is skipped, and the next call goes on with
    /// the line behind it; so a block that lacks a line is told by the error within it.
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

    /// Reads until a line is whole, or the chunk has been read; returns whether there is a line.
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
    /// Call it after [`next_line`](Self::next_line) has returned `None`. The decoder is then ready for a new connection,
    /// as after [`reset`](Self::reset).
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

    /// Makes ready for the body of a new connection: the unfinished line is dropped and a byte order mark may come again.
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
