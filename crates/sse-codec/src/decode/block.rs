//! Collects fields into events (9.2.6): the standard's buffers, and what an empty line does with them.
//!
//! - A value that lies whole in the chunk stays there. It is copied when the chunk ends before the block does, or when
//!   a second `data` line has to be joined to it.
//! - The last event ID *buffer* belongs to the block, the last event ID *string* to the stream. Each empty line copies
//!   the buffer to the string, even if no event is dispatched.
//! - Text is decoded once per event. The bytes around a value are ASCII, so that decoding the value alone gives the
//!   same text as decoding the whole stream.

use core::time::Duration;

use memchr::memchr;

use super::buffer::{Collect, Keep, Storage};
#[cfg(feature = "alloc")]
use super::buffer::{GrowBuffer, GrowBytes};
use super::chunk::Chunk;
use super::field::{Name, Part};
use super::span::Span;
use super::value::Value;
use super::whole::{EventText, Fields, Limits};
use crate::event::{Digits, EventRef, TooLarge};

#[derive(Clone, Debug)]
pub(crate) struct Block<S: Storage> {
    state: State,
    data: Value<S::Data>,
    event_type: Value<S::Name>,
    /// The last event ID buffer. It exists if the block has an `id` field that counts.
    id: Value<S::Name>,
    /// The value of a line that is cut: an `id`, until it is whole and known to have no NUL, or a comment.
    line: S::Name,
    /// The rest of that line is ignored.
    ignores_line: bool,
    last_event_id: S::Id,
    retry: Digits,
    reconnection_time: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The block has no field that counts at an empty line.
    Empty,
    /// Fields are being collected.
    Open,
    /// The caller borrows the event. The next call clears it.
    Dispatched,
    /// The event is over a limit. Until the block ends, only `id` and `retry` still count.
    TooLarge,
}

#[cfg(feature = "alloc")]
impl Block<GrowBuffer> {
    /// Shrinks each buffer to `len` bytes, or to what it holds.
    pub(crate) fn shrink_to(&mut self, len: usize) {
        self.clear_dispatched();
        self.data.buffer_mut().shrink_to(len);
        for name in [self.event_type.buffer_mut(), self.id.buffer_mut(), &mut self.line] {
            name.shrink_to(len);
        }
        self.last_event_id.shrink_to(len);
    }

    /// Returns the capacity of all buffers together, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let names = [self.event_type.buffer(), self.id.buffer(), &self.line];
        let names: usize = names.into_iter().map(GrowBytes::memory).sum();
        self.data.buffer().memory() + names + self.last_event_id.capacity()
    }
}

/// What an empty line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Event,
    /// A block without an event, but with an id, which is now the last event ID.
    Id,
    Nothing,
}

impl<S: Storage> Block<S> {
    /// Creates an empty block with these buffers, which are empty.
    pub(crate) const fn new(
        data: S::Data,
        event_type: S::Name,
        id: S::Name,
        line: S::Name,
        last_event_id: S::Id,
    ) -> Self {
        Self {
            state: State::Empty,
            data: Value::new(data),
            event_type: Value::new(event_type),
            id: Value::new(id),
            line,
            ignores_line: true,
            last_event_id,
            retry: Digits::new(),
            reconnection_time: None,
        }
    }

    pub(crate) fn last_event_id(&self) -> &str {
        self.last_event_id.as_str()
    }

    /// Sets the last event ID string. The `id` field of an unfinished block is dropped, so that the next empty line
    /// does not replace the string.
    pub(crate) fn set_last_event_id(&mut self, id: &str) {
        self.last_event_id.set(id);
        self.forget_id();
    }

    pub(crate) fn reconnection_time(&self) -> Option<Duration> {
        self.reconnection_time
    }

    /// Drops the unfinished block. The last event ID string and the reconnection time stay.
    pub(crate) fn reset(&mut self) {
        self.clear();
        self.forget_id();
    }

    fn forget_id(&mut self) {
        self.id.clear();
        self.ignores_line = true;
    }

    /// Clears the event that the last call returned.
    #[inline]
    pub(crate) fn clear_dispatched(&mut self) {
        if self.state == State::Dispatched {
            self.clear();
        }
    }

    #[inline]
    fn clear(&mut self) {
        self.state = State::Empty;
        self.data.clear();
        self.event_type.clear();
    }

    /// Returns true if no field of the block has come yet.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Returns the limits of data and of names.
    #[inline]
    pub(crate) fn limits(&self) -> Limits {
        Limits { data: self.data.limit(), name: self.id.limit().min(self.event_type.limit()) }
    }

    /// Returns an event of one line of data, which is the whole block and lies in the chunk.
    #[inline]
    pub(crate) fn data_event<'a>(&'a self, data: &'a str) -> EventRef<'a> {
        EventRef::of_message(data, self.last_event_id.as_str())
    }

    /// Returns an event that is a whole block and lies in the chunk.
    #[inline]
    pub(crate) fn whole_event<'a>(&'a mut self, text: EventText<'a>) -> EventRef<'a> {
        if let Some(id) = text.id {
            self.last_event_id.set(id);
        }
        EventRef::new(text.event_type, text.data, self.last_event_id.as_str())
    }

    /// Starts a block with fields that have been read from the chunk.
    #[inline]
    pub(crate) fn begin(&mut self, fields: Fields) {
        debug_assert!(self.is_empty());
        let mut fits = true;
        if let Some(value) = fields.data {
            fits &= self.data.lend(value);
            self.state = State::Open;
        }
        if let Some(value) = fields.event_type {
            fits &= self.event_type.lend(value);
            self.state = State::Open;
        }
        if let Some(value) = fields.id {
            fits &= self.id.lend(value);
            self.state = State::Open;
        }
        debug_assert!(fits);
    }

    /// Opens the block. Returns false if it is over a limit.
    #[inline]
    fn open(&mut self) -> bool {
        let is_open = self.state != State::TooLarge;
        if is_open {
            self.state = State::Open;
        }
        is_open
    }

    #[cold]
    fn drop_event(&mut self, error: TooLarge) -> TooLarge {
        self.clear();
        self.state = State::TooLarge;
        error
    }

    /// Applies a field whose value lies in the chunk.
    #[inline]
    pub(crate) fn apply(&mut self, name: Name, value: Span, chunk: &Chunk<'_>) -> Result<(), TooLarge> {
        match name {
            Name::Data => self.apply_data(value, chunk),
            Name::Event => self.apply_event_type(value),
            Name::Id => self.apply_id(value, chunk),
            Name::Retry => {
                self.apply_retry(Part { name, bytes: chunk.bytes(value), starts: true, ends: true });
                Ok(())
            }
            Name::Comment => Ok(()),
        }
    }

    #[inline]
    fn apply_data(&mut self, value: Span, chunk: &Chunk<'_>) -> Result<(), TooLarge> {
        if !self.open() {
            return Ok(());
        }
        let fits = if self.data.exists() {
            self.data.push_line(chunk.bytes(value), chunk)
        } else {
            self.data.lend(value)
        };
        if fits { Ok(()) } else { Err(self.drop_event(TooLarge::Data { limit: self.data.limit() })) }
    }

    /// Applies the further lines of data that follow in the chunk. Returns the line after them.
    #[inline]
    pub(crate) fn apply_data_lines(&mut self, chunk: &mut Chunk<'_>) -> Option<Span> {
        if self.state == State::Open { self.data.push_lines(chunk) } else { chunk.line() }
    }

    #[inline]
    fn apply_event_type(&mut self, value: Span) -> Result<(), TooLarge> {
        // The last `event` field of a block wins.
        if !self.open() || self.event_type.lend(value) {
            return Ok(());
        }
        Err(self.drop_event(TooLarge::EventType { limit: self.event_type.limit() }))
    }

    #[inline]
    fn apply_id(&mut self, value: Span, chunk: &Chunk<'_>) -> Result<(), TooLarge> {
        let bytes = chunk.bytes(value);
        if bytes.len() > self.id.limit() || bytes.contains(&0) {
            return self.apply_id_part(Part { name: Name::Id, bytes, starts: true, ends: true });
        }
        self.open();
        let fits = self.id.lend(value);
        debug_assert!(fits);
        Ok(())
    }

    /// Applies a part of a field's value, and skips a part of a comment.
    #[inline]
    pub(crate) fn apply_part(&mut self, part: Part<'_>) -> Result<(), TooLarge> {
        if part.name == Name::Comment {
            // If the caller goes on with `next_item`, it does not get the rest of a comment that began here.
            self.ignores_line = true;
            return Ok(());
        }
        self.apply_field_part(part)
    }

    /// Applies a part of a field's value. No value of the block lies in the chunk then, because the line is the first
    /// or the last of the chunk.
    #[inline(never)]
    fn apply_field_part(&mut self, part: Part<'_>) -> Result<(), TooLarge> {
        match part.name {
            Name::Data => self.apply_data_part(part),
            Name::Event => self.apply_event_type_part(part),
            Name::Id => self.apply_id_part(part),
            Name::Retry => {
                self.apply_retry(part);
                Ok(())
            }
            Name::Comment => Ok(()),
        }
    }

    #[inline]
    fn apply_data_part(&mut self, part: Part<'_>) -> Result<(), TooLarge> {
        if !self.open() {
            return Ok(());
        }
        let joined = !part.starts || !self.data.exists() || self.data.push(b"\n");
        if joined && self.data.push(part.bytes) {
            return Ok(());
        }
        Err(self.drop_event(TooLarge::Data { limit: self.data.limit() }))
    }

    fn apply_event_type_part(&mut self, part: Part<'_>) -> Result<(), TooLarge> {
        if !self.open() {
            return Ok(());
        }
        if part.starts {
            self.event_type.clear();
        }
        if self.event_type.push(part.bytes) {
            return Ok(());
        }
        Err(self.drop_event(TooLarge::EventType { limit: self.event_type.limit() }))
    }

    fn apply_id_part(&mut self, part: Part<'_>) -> Result<(), TooLarge> {
        if self.collect_id(part) || self.state == State::TooLarge {
            return Ok(());
        }
        Err(self.drop_event(TooLarge::Id { limit: self.id.limit() }))
    }

    /// Collects an id. Returns false if it becomes too long; the field is then ignored.
    fn collect_id(&mut self, part: Part<'_>) -> bool {
        if part.starts {
            self.line.clear();
            self.ignores_line = false;
        }
        if self.ignores_line {
            return true;
        }
        // An id with NUL is ignored (9.2.6).
        let nul = memchr(0, part.bytes);
        let fits = self.line.push(&part.bytes[..nul.unwrap_or(part.bytes.len())]);
        self.ignores_line = nul.is_some() || !fits;
        if part.ends && !self.ignores_line {
            self.open();
            self.id.take(&mut self.line);
        }
        fits
    }

    /// Reads a part of a reconnection time. Returns the time if the part is the last one and the value is valid.
    pub(crate) fn apply_retry(&mut self, part: Part<'_>) -> Option<Duration> {
        if part.starts {
            self.retry = Digits::new();
        }
        self.retry.push(part.bytes);
        let time = if part.ends { self.retry.duration() } else { None };
        self.reconnection_time = time.or(self.reconnection_time);
        time
    }

    /// Collects a part of a comment. Returns true if the comment is whole.
    pub(crate) fn collect_comment(&mut self, part: Part<'_>) -> Result<bool, TooLarge> {
        if part.starts {
            self.line.clear();
            self.ignores_line = false;
        }
        if self.ignores_line {
            return Ok(false);
        }
        if self.line.push(part.bytes) {
            return Ok(part.ends);
        }
        self.ignores_line = true;
        Err(TooLarge::Comment { limit: self.line.limit() })
    }

    /// Returns the comment at `value` in the chunk, or the one that has been collected.
    pub(crate) fn comment<'a>(
        &'a mut self,
        value: Option<Span>,
        chunk: &Chunk<'a>,
    ) -> Result<&'a str, TooLarge> {
        let limit = self.line.limit();
        if let Some(value) = value {
            if value.len() <= limit
                && let Some(text) = chunk.text(value)
            {
                return Ok(text);
            }
            let name = Name::Comment;
            self.collect_comment(Part { name, bytes: chunk.bytes(value), starts: true, ends: true })?;
        }
        self.line.text().ok_or(TooLarge::Comment { limit })
    }

    /// Copies the values that lie in the chunk, because the chunk ends before the block does.
    #[inline]
    pub(crate) fn keep(&mut self, chunk: &Chunk<'_>) {
        self.data.keep(chunk);
        self.event_type.keep(chunk);
        self.id.keep(chunk);
    }

    /// Ends the block at an empty line, and returns what it was.
    #[inline]
    pub(crate) fn finish(&mut self, chunk: &Chunk<'_>) -> Result<Ended, TooLarge> {
        if self.state == State::Empty {
            return Ok(Ended::Nothing);
        }
        let has_id = self.id.exists();
        if has_id {
            self.commit_id(chunk)?;
        }
        if self.state == State::Open && self.data.exists() {
            self.state = State::Dispatched;
            return Ok(Ended::Event);
        }
        self.clear();
        Ok(if has_id { Ended::Id } else { Ended::Nothing })
    }

    /// Moves the last event ID buffer to the last event ID string.
    #[inline]
    fn commit_id(&mut self, chunk: &Chunk<'_>) -> Result<(), TooLarge> {
        let limit = self.id.limit();
        let text = self.id.text(chunk);
        if let Some(text) = text {
            self.last_event_id.set(text);
        }
        let fits = text.is_some();
        self.id.clear();
        if fits || self.state == State::TooLarge {
            return Ok(());
        }
        self.clear();
        Err(TooLarge::Id { limit })
    }

    /// Returns the event that [`finish`](Self::finish) has found.
    #[inline]
    pub(crate) fn event<'a>(&'a mut self, chunk: &Chunk<'a>) -> Result<EventRef<'a>, TooLarge> {
        let [data_limit, type_limit] = [self.data.limit(), self.event_type.limit()];
        let data = self.data.text(chunk).ok_or(TooLarge::Data { limit: data_limit })?;
        let event_type = self.event_type.text(chunk).ok_or(TooLarge::EventType { limit: type_limit })?;
        Ok(EventRef::new(event_type, data, self.last_event_id.as_str()))
    }
}
