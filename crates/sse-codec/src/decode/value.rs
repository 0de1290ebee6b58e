//! The value of a field, wherever it lies.

use super::buffer::Collect;
use super::chunk::Chunk;
use super::span::Span;

/// A value: in the chunk that is being read, as long as that is all of it, or else in a buffer.
#[derive(Clone, Debug)]
pub(crate) struct Value<C> {
    place: Place,
    /// Of use only where the place says so; what else it holds is old.
    buffer: C,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// There is no value.
    Nowhere,
    Chunk(Span),
    Buffer,
}

impl<C: Collect> Value<C> {
    /// No value, and a buffer for those to come.
    pub(crate) const fn new(buffer: C) -> Self {
        Self { place: Place::Nowhere, buffer }
    }

    /// The greatest length of its text, in bytes.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.buffer.limit()
    }

    #[inline]
    pub(crate) fn exists(&self) -> bool {
        !matches!(self.place, Place::Nowhere)
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.place = Place::Nowhere;
    }

    /// Replaces the value by one that lies in the chunk; false if it is too long.
    #[inline]
    #[must_use]
    pub(crate) fn lend(&mut self, value: Span) -> bool {
        self.place = Place::Chunk(value);
        value.len() <= self.limit()
    }

    /// Appends to the value, nothing of which lies in the chunk; false if it becomes too long.
    #[inline]
    #[must_use]
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        debug_assert!(!matches!(self.place, Place::Chunk(_)));
        if !self.exists() {
            self.place = Place::Buffer;
            self.buffer.clear();
        }
        self.buffer.push(bytes)
    }

    /// Appends LF and a line to the value, which exists.
    #[inline]
    #[must_use]
    pub(crate) fn push_line(&mut self, bytes: &[u8], chunk: &Chunk<'_>) -> bool {
        debug_assert!(self.exists());
        self.keep(chunk);
        self.buffer.push_line(bytes)
    }

    /// Appends the lines of data that follow in the chunk, if there is a value to append to. Returns the line after them.
    #[inline]
    pub(crate) fn push_lines(&mut self, chunk: &mut Chunk<'_>) -> Option<Span> {
        if matches!(self.place, Place::Buffer) { self.buffer.push_lines(chunk) } else { chunk.line() }
    }

    /// Copies what lies in the chunk, so that it outlasts it.
    #[inline]
    pub(crate) fn keep(&mut self, chunk: &Chunk<'_>) {
        if let Place::Chunk(value) = self.place {
            self.place = Place::Buffer;
            self.buffer.clear();
            // It was not too long when it was lent.
            let fits = self.buffer.push(chunk.bytes(value));
            debug_assert!(fits);
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn buffer(&self) -> &C {
        &self.buffer
    }

    /// The buffer. If the value is not in it, the buffer holds nothing of use.
    #[cfg(feature = "alloc")]
    pub(crate) fn buffer_mut(&mut self) -> &mut C {
        if !matches!(self.place, Place::Buffer) {
            self.buffer.clear();
        }
        &mut self.buffer
    }

    /// Replaces the value by what another buffer holds, which gets this one for it.
    pub(crate) fn take(&mut self, other: &mut C) {
        self.place = Place::Buffer;
        core::mem::swap(&mut self.buffer, other);
    }

    /// The value as text, with U+FFFD for what is not UTF-8; `None` if it becomes too long by that.
    #[inline]
    pub(crate) fn text<'a>(&'a mut self, chunk: &Chunk<'a>) -> Option<&'a str> {
        match self.place {
            Place::Nowhere => Some(""),
            Place::Chunk(value) => match chunk.text(value) {
                None => self.text_in_buffer(chunk),
                text => text,
            },
            Place::Buffer => self.text_in_buffer(chunk),
        }
    }

    #[inline(never)]
    fn text_in_buffer(&mut self, chunk: &Chunk<'_>) -> Option<&str> {
        self.keep(chunk);
        self.buffer.text()
    }
}
