//! The pull loop: bytes in, events out.

use core::mem;
use core::time::Duration;

use crate::block::{Block, Lent};
use crate::chunk::Chunk;
use crate::error::TooLarge;
use crate::event::EventRef;
use crate::event_id::EventId;
use crate::field::{Fields, Token};
use crate::line::Lines;

/// Turns the bytes of one event stream into events, as a browser does (9.2.6).
///
/// Feed it chunks as they come, cut anywhere:
///
/// ```
/// use sse_codec::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut seen = Vec::new();
/// for mut chunk in [&b"id: 7\ndata: Hel"[..], b"lo\n\ndata: wor", b"ld\n\n"] {
///     while let Some(event) = decoder.next_event(&mut chunk)? {
///         seen.push(event.data().to_owned());
///     }
/// }
/// assert_eq!(seen, ["Hello", "world"]);
/// assert_eq!(decoder.last_event_id(), "7");
/// # Ok::<(), sse_codec::TooLarge>(())
/// ```
///
/// Whatever the bytes are, they are never an error but for their size: what is not UTF-8 becomes U+FFFD, what is not
/// a known field is ignored, and an unfinished event at the end of the stream is dropped, all as the standard says.
///
/// An event that lies in one chunk is lent from it; one that does not is put together in the decoder's buffer, which
/// is used again for the next. So no event is allocated for, once the buffer has grown to the size of the largest.
#[derive(Clone, Debug)]
pub struct Decoder {
    lines: Lines,
    fields: Fields,
    block: Block,
}

impl Decoder {
    /// The limit of [`Decoder::new`]: 16 MiB per event.
    ///
    /// The standard names none. Events of 14 MB are seen in real streams (images in LLM responses); without a limit
    /// a server could fill the memory with one endless event.
    pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

    /// A decoder for a new stream, with a limit of 16 MiB per event.
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// A decoder whose events may be up to `max_event_bytes` long.
    ///
    /// What counts is an event's data and its event type together, in bytes as they come. An id counts alone, and may
    /// be [`EventId::MAX_LEN`] long at most. Comments, unknown fields and
    /// field names are never stored, so they don't count.
    ///
    /// In the worst case the decoder holds some four times as much: each byte that is not UTF-8 becomes three.
    pub fn with_limit(max_event_bytes: usize) -> Self {
        Self { lines: Lines::default(), fields: Fields::default(), block: Block::new(max_event_bytes) }
    }

    /// Returns the next event, or `None` when `input` is used up and more bytes are needed.
    ///
    /// `input` is advanced past what was read. Call again with the same `input` until `None` comes, then with the
    /// next chunk. At the end of the stream nothing has to be called: an event without its empty line is none.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] once for each event over the limit. The rest of that event is skipped, but an id and a reconnection
    /// time in it still count, so that a client which resumes doesn't get it again. The next call goes on.
    pub fn next_event<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<EventRef<'d>>, TooLarge> {
        self.block.clear_dispatched();
        let mut chunk = Chunk::new(input);
        let found = self.read_event(&mut chunk);
        *input = chunk.rest();
        Ok(found?.map(|lent| self.block.event(lent)))
    }

    /// Reads until an event is whole; what of it lies in the chunk is returned.
    #[inline]
    fn read_event<'i>(&mut self, chunk: &mut Chunk<'i>) -> Result<Option<Lent<'i>>, TooLarge> {
        let mut lent = Lent::default();
        while let Some(piece) = self.lines.next(chunk) {
            match self.fields.next(piece) {
                None => {}
                Some(Token::Value(value)) => self.block.apply(value, &mut lent)?,
                Some(Token::Blank) => {
                    let event = self.block.finish(mem::take(&mut lent));
                    if event.is_some() {
                        return Ok(event);
                    }
                }
            }
        }
        self.block.keep(lent);
        Ok(None)
    }

    /// The last event ID string: what a client sends as `Last-Event-ID` when it reconnects. Empty if there is none.
    ///
    /// It changes with each empty line after an `id` field, also where no event was dispatched.
    pub fn last_event_id(&self) -> &str {
        self.block.last_event_id()
    }

    /// Sets the last event ID string, to go on from a stored one.
    pub fn set_last_event_id(&mut self, id: &EventId<'_>) {
        self.block.set_last_event_id(id.as_str());
    }

    /// The reconnection time that the stream asked for last, if it did.
    ///
    /// Kept exactly up to 2^53 - 1 ms; a longer one counts as this. Clamp it before you wait for it.
    pub fn reconnection_time(&self) -> Option<Duration> {
        self.block.reconnection_time()
    }

    /// Makes ready for the body of a new connection.
    ///
    /// The unfinished event is dropped and a byte order mark may come again; the last event ID and the reconnection
    /// time stay.
    pub fn reset(&mut self) {
        self.lines = Lines::default();
        self.fields = Fields::default();
        self.block.reset();
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}
