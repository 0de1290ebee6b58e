//! Fields to events (9.2.6): the standard's buffers and what an empty line makes of them.
//!
//! - A value that the chunk holds whole stays there ([`Lent`]); it is copied when the chunk ends before the block
//!   does, or when a second `data` line has to be joined to it.
//! - The last event ID *buffer* belongs to the block, the last event ID *string* to the stream: the one becomes the
//!   other at each empty line, whether an event is dispatched or not.
//! - Text is decoded once per event: the bytes around a value are ASCII, so that a value decodes alone as it does
//!   within its stream.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::TooLarge;
use crate::event::EventRef;
use crate::event_id::EventId;
use crate::field::{Name, Value};
use crate::reconnection_time::Digits;

/// What of the current block lies in the current chunk, not copied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lent<'i> {
    data: Option<&'i [u8]>,
    event_type: Option<&'i [u8]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    limit: usize,
    state: State,
    /// The data and event type buffers, for what is not lent.
    data: Vec<u8>,
    has_data: bool,
    event_type: Vec<u8>,
    /// Data and event type with U+FFFD for what was not UTF-8.
    repaired_data: String,
    repaired_event_type: String,
    id: IdBuffer,
    last_event_id: String,
    retry: Digits,
    reconnection_time: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Fields are being collected.
    Open,
    /// The event is lent to the caller; what it borrows is cleared at the next call.
    Dispatched,
    /// Over the limit: only `id` and `retry` still count, until the block ends.
    TooLarge,
}

/// The last event ID buffer, and the value of an `id` line until it is known to be whole and without NUL.
#[derive(Clone, Debug, Default)]
struct IdBuffer {
    value: Vec<u8>,
    changed: bool,
    line: Vec<u8>,
    ignored: bool,
}

impl Block {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: State::Open,
            data: Vec::new(),
            has_data: false,
            event_type: Vec::new(),
            repaired_data: String::new(),
            repaired_event_type: String::new(),
            id: IdBuffer::default(),
            last_event_id: String::new(),
            retry: Digits::default(),
            reconnection_time: None,
        }
    }

    pub(crate) fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Sets the string and the buffer: a block without an `id` keeps it.
    pub(crate) fn set_last_event_id(&mut self, id: &str) {
        self.last_event_id.clear();
        self.last_event_id.push_str(id);
        self.id.forget();
    }

    pub(crate) fn reconnection_time(&self) -> Option<Duration> {
        self.reconnection_time
    }

    /// Drops the unfinished block; the last event ID string and the reconnection time stay.
    pub(crate) fn reset(&mut self) {
        self.clear();
        self.id.forget();
    }

    /// Forgets the event that the last call lent out.
    #[inline]
    pub(crate) fn clear_dispatched(&mut self) {
        if self.state == State::Dispatched {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.state = State::Open;
        self.data.clear();
        self.has_data = false;
        self.event_type.clear();
    }

    /// Takes in a field's value, or a part of one.
    #[inline]
    pub(crate) fn apply<'i>(&mut self, value: Value<'i>, lent: &mut Lent<'i>) -> Result<(), TooLarge> {
        match value.name {
            Name::Data => self.apply_data(value, lent),
            Name::Event => self.apply_event_type(value, lent),
            Name::Id => self.apply_id(value),
            Name::Retry => {
                self.apply_retry(value);
                Ok(())
            }
        }
    }

    #[inline]
    fn apply_data<'i>(&mut self, value: Value<'i>, lent: &mut Lent<'i>) -> Result<(), TooLarge> {
        if self.state == State::TooLarge {
            return Ok(());
        }
        let first = !self.has_data && lent.data.is_none();
        let joint = usize::from(value.starts && !first);
        self.check_size(self.data_len(lent) + joint + value.bytes.len() + self.event_type_len(lent))?;
        if first && value.starts && value.ends {
            lent.data = Some(value.bytes);
            return Ok(());
        }
        self.keep_data(lent);
        if joint == 1 {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value.bytes);
        Ok(())
    }

    #[inline]
    fn apply_event_type<'i>(&mut self, value: Value<'i>, lent: &mut Lent<'i>) -> Result<(), TooLarge> {
        if self.state == State::TooLarge {
            return Ok(());
        }
        if value.starts {
            // The last one in a block wins.
            lent.event_type = None;
            self.event_type.clear();
        }
        self.check_size(self.data_len(lent) + self.event_type.len() + value.bytes.len())?;
        if value.starts && value.ends {
            lent.event_type = Some(value.bytes);
        } else {
            self.event_type.extend_from_slice(value.bytes);
        }
        Ok(())
    }

    #[inline]
    fn apply_id(&mut self, value: Value<'_>) -> Result<(), TooLarge> {
        let limit = self.limit.min(EventId::MAX_LEN);
        if self.id.apply(value, limit) || self.state == State::TooLarge {
            return Ok(());
        }
        Err(self.drop_event(TooLarge::Id { limit }))
    }

    fn apply_retry(&mut self, value: Value<'_>) {
        if value.starts {
            self.retry = Digits::default();
        }
        self.retry.push(value.bytes);
        if value.ends {
            self.reconnection_time = self.retry.duration().or(self.reconnection_time);
        }
    }

    /// Ends the block at an empty line. If it is an event, what of it is lent is given back.
    #[inline]
    pub(crate) fn finish<'i>(&mut self, lent: Lent<'i>) -> Option<Lent<'i>> {
        if self.id.changed {
            replace_decoded(&self.id.value, &mut self.last_event_id);
            self.id.changed = false;
        }
        if self.state == State::Open && (self.has_data || lent.data.is_some()) {
            self.state = State::Dispatched;
            return Some(lent);
        }
        self.clear();
        None
    }

    /// The event that [`finish`](Self::finish) found.
    #[inline]
    pub(crate) fn event<'a>(&'a mut self, lent: Lent<'a>) -> EventRef<'a> {
        let event_type = lent.event_type.unwrap_or(&self.event_type);
        EventRef::new(
            decoded(event_type, &mut self.repaired_event_type),
            decoded(lent.data.unwrap_or(&self.data), &mut self.repaired_data),
            &self.last_event_id,
        )
    }

    /// Copies what lies in the chunk, because the chunk ends before the block does.
    #[inline]
    pub(crate) fn keep(&mut self, mut lent: Lent<'_>) {
        self.keep_data(&mut lent);
        if let Some(event_type) = lent.event_type {
            self.event_type.extend_from_slice(event_type);
        }
    }

    fn keep_data(&mut self, lent: &mut Lent<'_>) {
        if let Some(data) = lent.data.take() {
            self.data.extend_from_slice(data);
            self.has_data = true;
        }
    }

    fn data_len(&self, lent: &Lent<'_>) -> usize {
        lent.data.map_or(self.data.len(), <[u8]>::len)
    }

    fn event_type_len(&self, lent: &Lent<'_>) -> usize {
        lent.event_type.map_or(self.event_type.len(), <[u8]>::len)
    }

    #[inline]
    fn check_size(&mut self, size: usize) -> Result<(), TooLarge> {
        if size <= self.limit { Ok(()) } else { Err(self.drop_event(TooLarge::Event { limit: self.limit })) }
    }

    #[cold]
    fn drop_event(&mut self, error: TooLarge) -> TooLarge {
        self.clear();
        self.state = State::TooLarge;
        error
    }
}

impl IdBuffer {
    /// Takes in a part of the value; false if that is more than `limit` bytes, and then the field is ignored.
    fn apply(&mut self, value: Value<'_>, limit: usize) -> bool {
        if value.starts {
            self.line.clear();
            self.ignored = false;
        }
        if self.ignored {
            return true;
        }
        let nul = memchr::memchr(0, value.bytes);
        let bytes = &value.bytes[..nul.unwrap_or(value.bytes.len())];
        let fits = self.line.len() + bytes.len() <= limit;
        // A value with NUL is ignored as a whole (9.2.6).
        self.ignored = nul.is_some() || !fits;
        if !self.ignored {
            self.line.extend_from_slice(bytes);
            if value.ends {
                core::mem::swap(&mut self.value, &mut self.line);
                self.changed = true;
            }
        }
        fits
    }

    /// Drops what the unfinished block, or its unfinished line, says.
    fn forget(&mut self) {
        self.changed = false;
        self.ignored = true;
    }
}

/// `bytes` as text: themselves where they are UTF-8, else a copy in `repaired` with U+FFFD.
#[inline]
fn decoded<'a>(bytes: &'a [u8], repaired: &'a mut String) -> &'a str {
    if let Some(text) = utf8(bytes) {
        return text;
    }
    repaired.clear();
    push_repaired(bytes, repaired);
    repaired
}

/// Replaces `text` by `bytes` as text.
fn replace_decoded(bytes: &[u8], text: &mut String) {
    text.clear();
    match utf8(bytes) {
        Some(decoded) => text.push_str(decoded),
        None => push_repaired(bytes, text),
    }
}

/// `bytes`, if they are UTF-8.
#[inline]
fn utf8(bytes: &[u8]) -> Option<&str> {
    /// From this length on the vectors are worth their preparation.
    #[cfg(feature = "std")]
    const LONG: usize = 64;

    #[cfg(feature = "std")]
    if bytes.len() >= LONG {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    core::str::from_utf8(bytes).ok()
}

/// Appends `bytes` as UTF-8 decode gives them: one U+FFFD per maximal ill-formed piece (Encoding Standard).
fn push_repaired(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}
