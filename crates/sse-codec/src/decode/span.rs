//! A range of a chunk.

/// A range of the bytes of a chunk. It is smaller to pass on than a slice, and its bounds are checked only where it is
/// read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns the span without its first `count` bytes.
    #[inline]
    pub(crate) fn skip(self, count: usize) -> Self {
        Self { start: self.start + count, end: self.end }
    }
}
