//! A piece of a chunk.

/// Which bytes of a chunk. As a range it costs less than a slice: it is checked where it is read, and only there.
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

    /// The span without its first `count` bytes.
    #[inline]
    pub(crate) fn skip(self, count: usize) -> Self {
        Self { start: self.start + count, end: self.end }
    }
}
