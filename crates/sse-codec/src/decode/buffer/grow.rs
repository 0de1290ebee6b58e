//! A buffer that grows.

use alloc::string::String;
use alloc::vec::Vec;

use super::storage::{Collect, Keep};
use crate::decode::chunk::Chunk;
use crate::decode::span::Span;
use crate::decode::{field, utf8};

/// A buffer that grows up to a limit.
#[derive(Clone, Debug)]
pub struct GrowBytes {
    limit: usize,
    /// The first `len` bytes are the content. `text` fills the last block with zeros after them.
    bytes: Vec<u8>,
    len: usize,
    /// The repaired text, if the bytes are not valid UTF-8.
    repaired: String,
}

impl GrowBytes {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), len: 0, repaired: String::new() }
    }
}

impl Collect for GrowBytes {
    fn limit(&self) -> usize {
        self.limit
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.limit - self.len;
        if fits {
            self.bytes.truncate(self.len);
            self.bytes.extend_from_slice(bytes);
            self.len = self.bytes.len();
        }
        fits
    }

    #[inline]
    fn push_line(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() < self.limit - self.len;
        if fits {
            self.bytes.truncate(self.len);
            self.bytes.reserve(1 + bytes.len());
            self.bytes.push(b'\n');
            self.bytes.extend_from_slice(bytes);
            self.len = self.bytes.len();
        }
        fits
    }

    // Not inlined, so that all of the loop's state stays in registers.
    #[inline(never)]
    fn push_lines(&mut self, chunk: &mut Chunk<'_>) -> Option<Span> {
        let mut read = *chunk;
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.truncate(self.len);
        let next = loop {
            let Some(line) = read.line() else { break None };
            if !read.word(line.start).is_some_and(field::begins_data) {
                break Some(line);
            }
            let value = read.bytes(line.skip(field::DATA_START));
            if value.len() >= self.limit - bytes.len() {
                break Some(line);
            }
            bytes.reserve(1 + value.len());
            bytes.push(b'\n');
            bytes.extend_from_slice(value);
        };
        self.len = bytes.len();
        self.bytes = bytes;
        *chunk = read;
        next
    }

    fn text(&mut self) -> Option<&str> {
        // Whole blocks are checked several times faster than a part of one, and NUL is valid UTF-8.
        self.bytes.resize(self.len.next_multiple_of(utf8::BLOCK), 0);
        if let Some(text) = utf8::check(&self.bytes) {
            return text.get(..self.len);
        }
        let bytes = &self.bytes[..self.len];
        if utf8::repaired_len(bytes) > self.limit {
            return None;
        }
        self.repaired.clear();
        utf8::push_repaired(bytes, &mut self.repaired);
        Some(&self.repaired)
    }
}

impl GrowBytes {
    /// Shrinks the memory to `len` bytes, or to the content.
    pub(crate) fn shrink_to(&mut self, len: usize) {
        self.bytes.truncate(self.len);
        self.bytes.shrink_to(len);
        self.repaired = String::new();
    }

    /// Returns the capacity in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.repaired.capacity()
    }
}

impl Keep for String {
    fn as_str(&self) -> &str {
        self
    }

    fn set(&mut self, text: &str) {
        self.clear();
        self.push_str(text);
    }
}
