//! The pull loop: bytes in, events out.

#[cfg(feature = "alloc")]
use alloc::string::String;
use core::time::Duration;

use super::block::{Block, Ended};
#[cfg(feature = "alloc")]
use super::buffer::GrowBytes;
use super::buffer::{Buffer, FixedBuffer, FixedBytes, GrowBuffer};
use super::chunk::Chunk;
use super::edge::Edge;
use super::field::{self, CutLine, Name, Part};
use super::item::Item;
use super::span::Span;
use super::whole::{self, Read, ReadData};
use crate::event::{EventId, EventRef, TooLarge};

/// Turns the bytes of one event stream into events, as a browser does (9.2.6).
///
/// Feed it chunks as they come, cut anywhere:
///
/// ```
/// # #[cfg(feature = "alloc")] {
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
/// # }
/// # Ok::<(), sse_codec::TooLarge>(())
/// ```
///
/// Whatever the bytes are, they are never an error but for their size: what is not UTF-8 becomes U+FFFD, what is not
/// a known field is ignored, and an unfinished event at the end of the stream is dropped, all as the standard says
/// ([`finish`](Self::finish) returns that event to those who want it).
///
/// An event that lies in one chunk is lent from it; one that does not is put together in the decoder's buffer, which
/// is used again for the next. So no event is allocated for, once the buffer has grown to the size of the largest.
///
/// # A reader of your own
///
/// A function that loops until there is an event can't return the lent one: the compiler takes the decoder as borrowed in
/// every round of the loop. Copy the event into an [`Event`](crate::Event) that you keep, which allocates nothing, and
/// lend that:
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use std::io::{self, Read};
/// use std::ops::Range;
///
/// use sse_codec::{Decoder, Event};
///
/// struct EventReader<R> {
///     source: R,
///     decoder: Decoder,
///     buffer: Vec<u8>,
///     /// Which bytes of the buffer have not been decoded.
///     unread: Range<usize>,
///     event: Event,
/// }
///
/// impl<R: Read> EventReader<R> {
///     fn next(&mut self) -> io::Result<Option<&Event>> {
///         loop {
///             let mut chunk = &self.buffer[self.unread.clone()];
///             let event = self.decoder.next_event(&mut chunk);
///             let found = event.map(|event| event.map(|event| self.event.copy_from(event)).is_some());
///             self.unread.start = self.unread.end - chunk.len();
///             if found.map_err(io::Error::other)? {
///                 return Ok(Some(&self.event));
///             }
///             self.unread = 0..self.source.read(&mut self.buffer)?;
///             if self.unread.is_empty() {
///                 return Ok(None);
///             }
///         }
///     }
/// }
///
/// let source = &b"data: Hello\n\ndata: world\n\n"[..];
/// let (decoder, event) = (Decoder::new(), Event::default());
/// let mut reader = EventReader { source, decoder, buffer: vec![0; 4096], unread: 0..0, event };
/// assert_eq!(reader.next()?.map(Event::data), Some("Hello"));
/// assert_eq!(reader.next()?.map(Event::data), Some("world"));
/// assert_eq!(reader.next()?, None);
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Storage
///
/// `Decoder` alone is one over memory that grows. A [`FixedDecoder`] lies in memory of a fixed size, and decodes the
/// same.
#[derive(Clone, Debug)]
pub struct Decoder<B: Buffer = GrowBuffer> {
    edge: Edge,
    line: CutLine,
    block: Block<B>,
}

/// A decoder that needs no allocator: it holds up to `DATA` bytes of data, and types and ids of up to `NAME` bytes.
///
/// ```
/// use sse_codec::{FixedDecoder, TooLarge};
///
/// let mut decoder = FixedDecoder::<16>::fixed();
/// let mut chunk = &b"data: 0123456789abcdef\n\ndata: 0123456789abcdefg\n\ndata: x\n\n"[..];
/// assert_eq!(decoder.next_event(&mut chunk)?.unwrap().data().len(), 16);
/// assert!(matches!(decoder.next_event(&mut chunk), Err(TooLarge::Data { limit: 16, .. })));
/// assert_eq!(decoder.next_event(&mut chunk)?.unwrap().data(), "x");
/// # Ok::<(), TooLarge>(())
/// ```
pub type FixedDecoder<const DATA: usize, const NAME: usize = 64> = Decoder<FixedBuffer<DATA, NAME>>;

#[cfg(feature = "alloc")]
impl Decoder {
    /// The limit of [`Decoder::new`]: 16 MiB of data per event.
    ///
    /// The standard names none. Events of 14 MB are seen in real streams (images in LLM responses); without a limit
    /// a server could fill the memory with one endless event.
    pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

    /// A decoder for a new stream, with a limit of 16 MiB per event.
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// A decoder whose events may have up to `max_event_bytes` of data.
    ///
    /// What counts is the decoded data: its lines with the LF between them, and each U+FFFD as three bytes. It does
    /// not limit event types and ids, which may always be [`EventId::MAX_LEN`] long each. Comments, unknown fields and
    /// field names are never stored, so they don't count.
    ///
    /// In the worst case, data that is not UTF-8, the decoder holds twice as much.
    pub fn with_limit(max_event_bytes: usize) -> Self {
        let data = GrowBytes::new(max_event_bytes);
        let name = GrowBytes::new(EventId::MAX_LEN);
        Self::with_block(Block::new(data, name.clone(), name.clone(), name, String::new()))
    }

    /// Gives back memory: each buffer keeps room for `len` bytes, or for what it holds of an unfinished event.
    ///
    /// Buffers stay as large as the largest event needed them. A program with many idle streams calls this after a large
    /// event, for example if [`memory`](Self::memory) is more than it can afford.
    ///
    /// ```
    /// use sse_codec::Decoder;
    ///
    /// let mut decoder = Decoder::new();
    /// let event = format!("data: {}\n\n", "x".repeat(1_000_000));
    /// for mut chunk in event.as_bytes().chunks(1024) {
    ///     while let Some(event) = decoder.next_event(&mut chunk)? {
    ///         assert_eq!(event.data().len(), 1_000_000);
    ///     }
    /// }
    /// assert!(decoder.memory() >= 1_000_000);
    /// decoder.shrink_to(4096);
    /// assert!(decoder.memory() <= 8192);
    /// # Ok::<(), sse_codec::TooLarge>(())
    /// ```
    pub fn shrink_to(&mut self, len: usize) {
        self.block.shrink_to(len);
    }

    /// How many bytes the buffers take, used or not.
    pub fn memory(&self) -> usize {
        self.block.memory()
    }

    /// Sets the last event ID string, to go on from a stored one.
    pub fn set_last_event_id(&mut self, id: &EventId<'_>) {
        self.block.set_last_event_id(id.as_str());
    }
}

impl<const DATA: usize, const NAME: usize> FixedDecoder<DATA, NAME> {
    /// A decoder for a new stream, in memory of a fixed size. It may be a `static`.
    pub const fn fixed() -> Self {
        const { assert!(NAME <= EventId::MAX_LEN, "an id of more than 8 KiB could not be written") };
        Self::with_block(Block::new(
            FixedBytes::new(),
            FixedBytes::new(),
            FixedBytes::new(),
            FixedBytes::new(),
            FixedBytes::new(),
        ))
    }

    /// Sets the last event ID string, to go on from a stored one.
    ///
    /// # Errors
    ///
    /// [`TooLarge::Id`] if it is longer than `NAME` bytes; nothing has changed then.
    pub fn set_last_event_id(&mut self, id: &EventId<'_>) -> Result<(), TooLarge> {
        if id.as_str().len() > NAME {
            return Err(TooLarge::Id { limit: NAME });
        }
        self.block.set_last_event_id(id.as_str());
        Ok(())
    }
}

impl<B: Buffer> Decoder<B> {
    const fn with_block(block: Block<B>) -> Self {
        Self { edge: Edge::START, line: CutLine::new(), block }
    }

    /// Returns the next event, or `None` when `input` is used up and more bytes are needed.
    ///
    /// `input` is advanced past what was read. Call again with the same `input` until `None` comes, then with the
    /// next chunk. At the end of the stream nothing has to be called: the standard drops an event without its empty
    /// line. For the answer to one request, [`finish`](Self::finish) returns it.
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
        while !input.is_empty() {
            let whole = *input;
            let (mut chunk, found);
            if self.is_between_blocks() {
                match whole::read_data(input, self.block.limits().data) {
                    ReadData::Event(data) => return Ok(Some(self.block.data_event(data))),
                    ReadData::Unended => {
                        chunk = Chunk::new(whole);
                        found = self.read_unended(&mut chunk);
                    }
                    ReadData::Other => match whole::read(input, self.block.limits()) {
                        Read::Event(text) => {
                            self.edge.leave(whole, input);
                            return Ok(Some(self.block.whole_event(text)));
                        }
                        Read::Line(rest, fields, line) => {
                            chunk = rest;
                            self.block.begin(fields);
                            found = self.read_lines(line, &mut chunk);
                        }
                    },
                }
            } else {
                chunk = Chunk::new(whole);
                found = self.read_block(&mut chunk);
            }
            if found.is_err() {
                // An id before or after the error still counts.
                self.block.keep(&chunk);
            }
            *input = chunk.rest();
            self.edge.leave(whole, input);
            if found? == Ended::Event {
                return self.block.event(&chunk).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether the next byte begins a block.
    #[inline]
    fn is_between_blocks(&self) -> bool {
        self.edge == Edge::Within && !self.line.has_begun() && self.block.is_empty()
    }

    /// Reads until the block ends, or the chunk.
    fn read_block(&mut self, chunk: &mut Chunk<'_>) -> Result<Ended, TooLarge> {
        let mark = self.edge.pass(chunk);
        if !mark.is_empty() {
            self.line.part(mark);
        }
        let line = chunk.line();
        if !self.line.has_begun() {
            return self.read_lines(line, chunk);
        }
        let Some(line) = line else { return self.read_unended(chunk) };
        if let Some(part) = self.line.end(chunk.bytes(line)) {
            self.block.apply_part(part)?;
        }
        self.read_lines(chunk.line(), chunk)
    }

    /// Reads `line` and those after it until the block ends, or the chunk.
    fn read_lines(&mut self, mut line: Option<Span>, chunk: &mut Chunk<'_>) -> Result<Ended, TooLarge> {
        while let Some(whole) = line {
            if whole.is_empty() {
                return self.block.finish(chunk);
            }
            if let Some((name, value)) = field::whole(chunk.bytes(whole)) {
                self.block.apply(name, whole.skip(value), chunk)?;
            }
            // Most of what is read here is data of several lines.
            line = self.block.apply_data_lines(chunk);
        }
        self.block.keep(chunk);
        self.read_unended(chunk)
    }

    /// Reads the rest of the chunk, which is a part of a line.
    #[inline]
    fn read_unended(&mut self, chunk: &mut Chunk<'_>) -> Result<Ended, TooLarge> {
        let unended = chunk.unended();
        if let Some(part) = self.line.part(chunk.bytes(unended)) {
            self.block.apply_part(part)?;
        }
        Ok(Ended::Nothing)
    }

    /// Returns the next item, or `None` when `input` is used up and more bytes are needed: events, and also what
    /// [`next_event`](Self::next_event) keeps to itself, in the order of the stream.
    ///
    /// A comment and a reconnection time come at their line, so ahead of the event in which they stand. It is slower than
    /// `next_event` and meant for relays and tools.
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use sse_codec::{Decoder, Item};
    ///
    /// let mut decoder = Decoder::new();
    /// let mut chunk = &b"retry: 100\n: ping\n\nid: 7\n\ndata: Hello\n\n"[..];
    /// let mut seen = Vec::new();
    /// while let Some(item) = decoder.next_item(&mut chunk)? {
    ///     seen.push(match item {
    ///         Item::Event(event) => event.data().to_owned(),
    ///         Item::Comment(comment) => format!("comment {comment}"),
    ///         Item::LastEventId(id) => format!("id {id}"),
    ///         Item::ReconnectionTime(time) => format!("retry after {time:?}"),
    ///         _ => continue,
    ///     });
    /// }
    /// assert_eq!(seen, ["retry after 100ms", "comment ping", "id 7", "Hello"]);
    /// # }
    /// # Ok::<(), sse_codec::TooLarge>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TooLarge`], as `next_event`, and [`TooLarge::Comment`] for a comment that is longer than an id may be: 8 KiB, or
    /// the `NAME` of a [`FixedDecoder`].
    pub fn next_item<'d, 'i: 'd>(&'d mut self, input: &mut &'i [u8]) -> Result<Option<Item<'d>>, TooLarge> {
        self.block.clear_dispatched();
        while !input.is_empty() {
            let whole = *input;
            let mut chunk = Chunk::new(whole);
            let found = self.read_item(&mut chunk);
            if !matches!(found, Ok(Found::Event)) {
                // The next item may begin within this block.
                self.block.keep(&chunk);
            }
            *input = chunk.rest();
            self.edge.leave(whole, input);
            return Ok(Some(match found? {
                Found::Event => Item::Event(self.block.event(&chunk)?),
                Found::Comment(value) => Item::Comment(self.block.comment(value, &chunk)?),
                Found::Id => Item::LastEventId(self.block.last_event_id()),
                Found::Retry(time) => Item::ReconnectionTime(time),
                Found::Nothing => continue,
            }));
        }
        Ok(None)
    }

    /// Reads up to an item, or to the end of the chunk.
    fn read_item(&mut self, chunk: &mut Chunk<'_>) -> Result<Found, TooLarge> {
        let mark = self.edge.pass(chunk);
        if !mark.is_empty() {
            self.line.part(mark);
        }
        let mut is_begun = self.line.has_begun();
        while let Some(line) = chunk.line() {
            let found = if is_begun {
                let part = self.line.end(chunk.bytes(line));
                part.map_or(Ok(Found::Nothing), |part| self.take_part(part))?
            } else if line.is_empty() {
                match self.block.finish(chunk)? {
                    Ended::Event => Found::Event,
                    Ended::Id => Found::Id,
                    Ended::Nothing => Found::Nothing,
                }
            } else {
                self.take_line(line, chunk)?
            };
            is_begun = false;
            if found != Found::Nothing {
                return Ok(found);
            }
        }
        self.block.keep(chunk);
        let unended = chunk.unended();
        let part = self.line.part(chunk.bytes(unended));
        part.map_or(Ok(Found::Nothing), |part| self.take_part(part))
    }

    fn take_line(&mut self, line: Span, chunk: &Chunk<'_>) -> Result<Found, TooLarge> {
        let Some((name, value)) = field::whole(chunk.bytes(line)) else { return Ok(Found::Nothing) };
        let value = line.skip(value);
        match name {
            Name::Comment => Ok(Found::Comment(Some(value))),
            Name::Retry => self.take_part(Part { name, bytes: chunk.bytes(value), starts: true, ends: true }),
            _ => self.block.apply(name, value, chunk).map(|()| Found::Nothing),
        }
    }

    fn take_part(&mut self, part: Part<'_>) -> Result<Found, TooLarge> {
        match part.name {
            Name::Comment => {
                let is_whole = self.block.collect_comment(part)?;
                Ok(if is_whole { Found::Comment(None) } else { Found::Nothing })
            }
            Name::Retry => Ok(self.block.apply_retry(part).map_or(Found::Nothing, Found::Retry)),
            _ => self.block.apply_part(part).map(|()| Found::Nothing),
        }
    }

    /// Ends the stream, and returns the event that was unfinished, if it has data.
    ///
    /// The result is the same as that of a line ending and an empty line after the last byte. The standard drops such an
    /// event, because it may have been cut, and the next connection brings it again. Call this only for the answer to one
    /// request that ended cleanly: some servers leave out the last empty line. Call it after
    /// [`next_event`](Self::next_event) has returned `None`. The decoder is then ready for a new connection, as after
    /// [`reset`](Self::reset).
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use sse_codec::Decoder;
    ///
    /// let mut decoder = Decoder::new();
    /// let mut chunk = &b"data: Hello\n\ndata: [DONE]"[..];
    /// assert_eq!(decoder.next_event(&mut chunk)?.unwrap().data(), "Hello");
    /// assert_eq!(decoder.next_event(&mut chunk)?, None);
    /// assert_eq!(decoder.finish()?.unwrap().data(), "[DONE]");
    /// assert_eq!(decoder.finish()?, None);
    /// # }
    /// # Ok::<(), sse_codec::TooLarge>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if the unfinished event is over the limit, unless `next_event` has returned that error already.
    pub fn finish(&mut self) -> Result<Option<EventRef<'_>>, TooLarge> {
        self.block.clear_dispatched();
        self.edge = Edge::START;
        let nothing = Chunk::new(b"");
        let last_line = if self.line.has_begun() { self.line.end(b"") } else { None };
        let applied = last_line.map_or(Ok(()), |part| self.block.apply_part(part));
        // Also after an error, because the id still counts then.
        let found = self.block.finish(&nothing);
        applied?;
        if found? == Ended::Event { self.block.event(&nothing).map(Some) } else { Ok(None) }
    }

    /// The last event ID string: what a client sends as `Last-Event-ID` when it reconnects. Empty if there is none.
    ///
    /// It changes with each empty line after an `id` field, also where no event was dispatched.
    pub fn last_event_id(&self) -> &str {
        self.block.last_event_id()
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
        self.edge = Edge::START;
        self.line = CutLine::new();
        self.block.reset();
    }
}

/// What reading for an item has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Event,
    /// A comment that lies in the chunk, or else in the block.
    Comment(Option<Span>),
    Id,
    Retry(Duration),
    Nothing,
}

#[cfg(feature = "alloc")]
impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}
