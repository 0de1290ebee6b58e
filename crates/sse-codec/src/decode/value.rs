//! The value of a field, in the chunk or in a buffer.

use super::buffer::Collect;
use super::chunk::Chunk;
use super::span::Span;

/// A value. It lies in the chunk that is being read if the chunk has all of it, or else in a buffer.
#[derive(Clone, Debug)]
pub(crate) struct Value<C> {
    place: Place,
    /// Holds the value if `place` is `Buffer`. Otherwise its content is old.
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
    /// Creates an absent value, with a buffer for later values.
    pub(crate) const fn new(buffer: C) -> Self {
        Self { place: Place::Nowhere, buffer }
    }

    /// Returns the greatest length of the text, in bytes.
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

    /// Replaces the value by one that lies in the chunk. Returns false if it is too long.
    #[inline]
    #[must_use]
    pub(crate) fn lend(&mut self, value: Span) -> bool {
        self.place = Place::Chunk(value);
        value.len() <= self.limit()
    }

    /// Appends to the value, which must not lie in the chunk. Returns false if it becomes too long.
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

    /// Appends LF and a line to the value, which must exist. Returns false if it becomes too long.
    #[inline]
    #[must_use]
    pub(crate) fn push_line(&mut self, bytes: &[u8], chunk: &Chunk<'_>) -> bool {
        debug_assert!(self.exists());
        self.keep(chunk);
        self.buffer.push_line(bytes)
    }

    /// Appends the lines of data that follow in the chunk, if the value lies in the buffer. Returns the line after
    /// them.
    #[inline]
    pub(crate) fn push_lines(&mut self, chunk: &mut Chunk<'_>) -> Option<Span> {
        if matches!(self.place, Place::Buffer) { self.buffer.push_lines(chunk) } else { chunk.line() }
    }

    /// Copies a value that lies in the chunk to the buffer.
    #[inline]
    pub(crate) fn keep(&mut self, chunk: &Chunk<'_>) {
        if let Place::Chunk(value) = self.place {
            self.place = Place::Buffer;
            self.buffer.clear();
            // `lend` has checked the length.
            let fits = self.buffer.push(chunk.bytes(value));
            debug_assert!(fits);
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn buffer(&self) -> &C {
        &self.buffer
    }

    /// Returns the buffer, which is empty unless the value lies in it.
    #[cfg(feature = "alloc")]
    pub(crate) fn buffer_mut(&mut self) -> &mut C {
        if !matches!(self.place, Place::Buffer) {
            self.buffer.clear();
        }
        &mut self.buffer
    }

    /// Replaces the value by the content of another buffer, by swapping the buffers.
    pub(crate) fn take(&mut self, other: &mut C) {
        self.place = Place::Buffer;
        core::mem::swap(&mut self.buffer, other);
    }

    /// Returns the value as text, with U+FFFD for each ill-formed piece, or `None` if the text becomes too long.
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
