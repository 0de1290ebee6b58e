//! Formats pieces of bytes as one piece of text.
//!
//! `write!` to a socket makes a system call for each piece. So the pieces are joined first: in an array on the stack as
//! long as they fit, then on the heap, if there is an allocator.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

/// How many bytes are joined on the stack.
const SHORT: usize = 512;

/// Writes pieces as one piece of text, if they are short or if there is an allocator. Each piece is valid UTF-8,
/// because lines are cut at ASCII characters only.
pub(crate) fn display(f: &mut fmt::Formatter<'_>, pieces: impl FnOnce(&mut dyn FnMut(&[u8]))) -> fmt::Result {
    let mut joined = Joined {
        f,
        result: Ok(()),
        short: [0; SHORT],
        len: 0,
        #[cfg(feature = "alloc")]
        long: Vec::new(),
    };
    pieces(&mut |piece| joined.push(piece));
    joined.write();
    joined.result
}

/// Pieces that have not been written yet.
struct Joined<'f, 'w> {
    f: &'f mut fmt::Formatter<'w>,
    result: fmt::Result,
    short: [u8; SHORT],
    len: usize,
    /// All pieces, if they are too long for the array.
    #[cfg(feature = "alloc")]
    long: Vec<u8>,
}

impl Joined<'_, '_> {
    #[cfg(feature = "alloc")]
    fn push(&mut self, piece: &[u8]) {
        if self.long.is_empty() {
            if self.push_short(piece) {
                return;
            }
            self.long.reserve(self.len + piece.len() + SHORT);
            self.long.extend_from_slice(&self.short[..self.len]);
        }
        self.long.extend_from_slice(piece);
    }

    #[cfg(not(feature = "alloc"))]
    fn push(&mut self, piece: &[u8]) {
        if self.push_short(piece) {
            return;
        }
        self.write();
        self.len = 0;
        if !self.push_short(piece) {
            self.result = self.result.and_then(|()| write_text(piece, self.f));
        }
    }

    /// Appends `piece` to the array. Returns false, and appends nothing, if there is no room.
    fn push_short(&mut self, piece: &[u8]) -> bool {
        let Some(room) = self.short.get_mut(self.len..self.len + piece.len()) else { return false };
        room.copy_from_slice(piece);
        self.len += piece.len();
        true
    }

    fn write(&mut self) {
        #[cfg(feature = "alloc")]
        let text = if self.long.is_empty() { &self.short[..self.len] } else { &self.long };
        #[cfg(not(feature = "alloc"))]
        let text = &self.short[..self.len];
        self.result = self.result.and_then(|()| write_text(text, self.f));
    }
}

fn write_text(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(core::str::from_utf8(bytes).map_err(|_| fmt::Error)?)
}
