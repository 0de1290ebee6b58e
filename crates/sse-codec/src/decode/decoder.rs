//! The decoder: bytes in, events out. The caller drives it.

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

/// Decodes the bytes of one event stream into events, as a browser does (9.2.6).
///
/// Give it the chunks in order. They may be cut anywhere:
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
/// As the standard says, ill-formed UTF-8 becomes U+FFFD, unknown fields are ignored, and an unfinished event at the
/// end of the stream is dropped ([`finish`](Self::finish) returns that event if you need it). The only error is
/// [`TooLarge`].
///
/// An event that lies in one chunk borrows its text from the chunk. An event that is cut by the end of a chunk is
/// joined in a buffer of the decoder, which the next event uses again.
///
/// # Your own reader
///
/// A function that loops until there is an event can't return the borrowed event, because the compiler then takes the
/// decoder as borrowed in every round of the loop. Copy the event into an [`Event`](crate::Event) that you keep, and
/// return a reference to it. The copy allocates only if the event is larger than all before it:
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
///     /// The bytes of the buffer that have not been decoded yet.
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
/// `Decoder` without a parameter has buffers that grow (feature `alloc`). A [`FixedDecoder`] has arrays of a fixed
/// size, and returns the same events as long as they fit.
#[derive(Clone, Debug)]
pub struct Decoder<B: Buffer = GrowBuffer> {
    edge: Edge,
    line: CutLine,
    block: Block<B>,
}

/// A [`Decoder`] that needs no allocator, for events of at most `DATA` bytes of data, with types and ids of at most
/// `NAME` bytes.
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
    /// The standard names no limit. Real streams have events of 14 MB (images in LLM responses). Without a limit, a
    /// server could fill the memory with one endless event.
    pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

    /// Creates a decoder for a new stream, with a limit of 16 MiB of data per event.
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// Creates a decoder for a new stream whose events may have at most `max_event_bytes` bytes of data.
    ///
    /// The decoded data counts: its lines, the LF between them, and three bytes for each U+FFFD. Event types and ids do
    /// not count; each may always be [`EventId::MAX_LEN`] bytes long. Unknown fields and field names are never stored,
    /// and comments only by [`next_item`](Self::next_item).
    ///
    /// If the data is not UTF-8, the decoder holds it twice: as it came, and repaired.
    pub fn with_limit(max_event_bytes: usize) -> Self {
        let data = GrowBytes::new(max_event_bytes);
        let name = GrowBytes::new(EventId::MAX_LEN);
        Self::with_block(Block::new(data, name.clone(), name.clone(), name, String::new()))
    }

    /// Frees memory: each buffer keeps room for `len` bytes, or for the part of an unfinished event that it holds.
    ///
    /// A buffer stays as large as the largest event required. A program with many idle streams can call this after a
    /// large event, for example when [`memory`](Self::memory) returns more than the program can afford.
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

    /// Returns the capacity of all buffers together, in bytes.
    pub fn memory(&self) -> usize {
        self.block.memory()
    }

    /// Sets the last event ID string (9.2.6), for example to a stored id with which the stream was resumed.
    pub fn set_last_event_id(&mut self, id: &EventId<'_>) {
        self.block.set_last_event_id(id.as_str());
    }
}

impl<const DATA: usize, const NAME: usize> FixedDecoder<DATA, NAME> {
    /// Creates a decoder for a new stream, in memory of a fixed size. It can be a `static`.
    pub const fn fixed() -> Self {
        const { assert!(NAME <= EventId::MAX_LEN, "an id can't be longer than 8 KiB (EventId::MAX_LEN)") };
        Self::with_block(Block::new(
            FixedBytes::new(),
            FixedBytes::new(),
            FixedBytes::new(),
            FixedBytes::new(),
            FixedBytes::new(),
        ))
    }

    /// Sets the last event ID string (9.2.6), for example to a stored id with which the stream was resumed.
    ///
    /// # Errors
    ///
    /// [`TooLarge::Id`] if the id is longer than `NAME` bytes. The last event ID then stays as it was.
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

    /// Returns the next event, or `None` when all of `input` has been read and more bytes are needed.
    ///
    /// The call advances `input` to the bytes that it has not read. Call it with the same `input` until it returns
    /// `None`, and then with the next chunk. At the end of the stream you need not call anything: the standard drops an
    /// event without its empty line. If the stream is the response to one request, [`finish`](Self::finish) returns
    /// that event.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], once for each event over a limit. The rest of that event is skipped. Its id and its reconnection
    /// time still count, so that a client that resumes does not receive the event again. The next call returns the next
    /// event.
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

    /// Returns true if the next byte begins a block.
    #[inline]
    fn is_between_blocks(&self) -> bool {
        self.edge == Edge::Within && !self.line.has_begun() && self.block.is_empty()
    }

    /// Reads up to the end of the block or of the chunk.
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

    /// Reads `line` and the lines after it, up to the end of the block or of the chunk.
    fn read_lines(&mut self, mut line: Option<Span>, chunk: &mut Chunk<'_>) -> Result<Ended, TooLarge> {
        while let Some(whole) = line {
            if whole.is_empty() {
                return self.block.finish(chunk);
            }
            if let Some((name, value)) = field::whole(chunk.bytes(whole)) {
                self.block.apply(name, whole.skip(value), chunk)?;
            }
            // Most blocks that are read here have several lines of data.
            line = self.block.apply_data_lines(chunk);
        }
        self.block.keep(chunk);
        self.read_unended(chunk)
    }

    /// Reads the rest of the chunk, which is the start of a line.
    #[inline]
    fn read_unended(&mut self, chunk: &mut Chunk<'_>) -> Result<Ended, TooLarge> {
        let unended = chunk.unended();
        if let Some(part) = self.line.part(chunk.bytes(unended)) {
            self.block.apply_part(part)?;
        }
        Ok(Ended::Nothing)
    }

    /// Returns the next item, or `None` when all of `input` has been read and more bytes are needed. Items are events,
    /// comments, ids without an event and reconnection times, in the order of the stream.
    ///
    /// A comment or a reconnection time is returned when its line has been read, which is before the event around it.
    /// This method is for relays and tools; [`next_event`](Self::next_event) is faster.
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
    /// [`TooLarge`] in the same cases as `next_event`, and [`TooLarge::Comment`] for a comment of more than 8 KiB, or
    /// of more than the `NAME` bytes of a [`FixedDecoder`].
    pub fn next_item<'d, 'i: 'd>(&'d mut self, input: &mut &'i [u8]) -> Result<Option<Item<'d>>, TooLarge> {
        self.block.clear_dispatched();
        while !input.is_empty() {
            let whole = *input;
            let mut chunk = Chunk::new(whole);
            let found = self.read_item(&mut chunk);
            if !matches!(found, Ok(Found::Event)) {
                // The rest of the block may come in the next chunk.
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

    /// Reads up to the end of an item or of the chunk.
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

    /// Ends the stream, and returns the unfinished event, if it has data.
    ///
    /// The result is the same as if a line ending and an empty line followed the last byte. The standard drops an
    /// unfinished event, because it may have been cut, and because the next connection receives it again. Call this
    /// method only if the stream was the response to one request and ended cleanly: some servers leave out the last
    /// empty line. Call it after [`next_event`](Self::next_event) has returned `None`. The decoder is then ready for a
    /// new connection, as after [`reset`](Self::reset).
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
        // Also after an error, because the id of a dropped event still counts.
        let found = self.block.finish(&nothing);
        applied?;
        if found? == Ended::Event { self.block.event(&nothing).map(Some) } else { Ok(None) }
    }

    /// Returns the last event ID string (9.2.6), which a client sends as `Last-Event-ID` when it reconnects. It is
    /// empty if the stream has sent no id, or has reset it.
    ///
    /// It changes at the empty line after an `id` field, even if the block has no data and so is no event.
    pub fn last_event_id(&self) -> &str {
        self.block.last_event_id()
    }

    /// Returns the value of the last `retry` field, or `None` if there was no valid one (9.2.6).
    ///
    /// It is at most 2^53 - 1 milliseconds. Set bounds of your own before you wait that long.
    pub fn reconnection_time(&self) -> Option<Duration> {
        self.block.reconnection_time()
    }

    /// Prepares the decoder for the body of a new connection.
    ///
    /// The unfinished event is dropped, and a byte order mark at the start is skipped again. The last event ID and the
    /// reconnection time stay.
    pub fn reset(&mut self) {
        self.edge = Edge::START;
        self.line = CutLine::new();
        self.block.reset();
    }
}

/// What `read_item` has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Event,
    /// A comment, which lies in the chunk or, if `None`, in the buffer of the block.
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
