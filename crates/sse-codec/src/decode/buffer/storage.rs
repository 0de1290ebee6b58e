//! The traits of a storage. They are public but not exported, so that other crates can't implement them.

use core::fmt::Debug;

use crate::decode::chunk::Chunk;
use crate::decode::span::Span;

/// The types of a decoder's buffers.
pub trait Storage {
    /// The buffer of data, or of a line.
    type Data: Collect + Clone + Debug;
    /// The buffer of an event type, an id or a comment.
    type Name: Collect + Clone + Debug;
    /// The last event ID string.
    type Id: Keep + Clone + Debug;
}

/// Collects bytes piece by piece, and returns them as text. Both are within a limit.
pub trait Collect {
    /// Returns the greatest length of the text, in bytes. The collected bytes are never longer than their text.
    fn limit(&self) -> usize;
    fn clear(&mut self);
    /// Appends `bytes`. Returns false, and appends nothing, if they don't fit.
    #[must_use]
    fn push(&mut self, bytes: &[u8]) -> bool;
    /// Appends LF and `bytes`. Returns false, and appends nothing, if they don't fit.
    #[must_use]
    fn push_line(&mut self, bytes: &[u8]) -> bool;
    /// Appends LF and the value of each line that follows in the chunk, as long as the lines are data and fit. Returns
    /// the line after them, or `None` if that line does not end in the chunk.
    fn push_lines(&mut self, chunk: &mut Chunk<'_>) -> Option<Span> {
        chunk.line()
    }
    /// Returns the text, with U+FFFD for each ill-formed piece, or `None` if it doesn't fit.
    fn text(&mut self) -> Option<&str>;
}

/// Keeps a text that is only replaced as a whole.
pub trait Keep {
    fn as_str(&self) -> &str;
    /// Replaces the text. The caller has checked its length.
    fn set(&mut self, text: &str);
}
