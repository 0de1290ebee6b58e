//! What a storage is. The traits are public only in name, so that nobody else can make one.

use core::fmt::Debug;

use crate::decode::chunk::Chunk;
use crate::decode::span::Span;

/// What the buffers of a decoder are.
pub trait Storage {
    /// For data, and for lines.
    type Data: Collect + Clone + Debug;
    /// For event types, and for ids that are cut.
    type Name: Collect + Clone + Debug;
    /// For ids that are whole.
    type Id: Keep + Clone + Debug;
}

/// Bytes that come piece by piece and are text in the end, both within a limit.
pub trait Collect {
    /// The greatest length of the text, in bytes. The bytes are never longer than the text that they make.
    fn limit(&self) -> usize;
    fn clear(&mut self);
    /// Appends `bytes`; false, and nothing is appended, if they don't fit.
    #[must_use]
    fn push(&mut self, bytes: &[u8]) -> bool;
    /// Appends LF and `bytes`; false, and nothing is appended, if they don't fit.
    #[must_use]
    fn push_line(&mut self, bytes: &[u8]) -> bool;
    /// Appends LF and the value of each line that follows in the chunk, as long as they are data that fits. Returns the
    /// line after them; `None` if the chunk holds no end of it.
    fn push_lines(&mut self, chunk: &mut Chunk<'_>) -> Option<Span> {
        chunk.line()
    }
    /// The text, with U+FFFD for what is not UTF-8; `None` if it doesn't fit.
    fn text(&mut self) -> Option<&str>;
}

/// Text that is replaced as a whole.
pub trait Keep {
    fn as_str(&self) -> &str;
    /// Replaces the text. Whoever collected it has kept it within the limit.
    fn set(&mut self, text: &str);
}
