//! A buffer in an array.

use super::storage::{Collect, Keep};
use crate::decode::utf8;

/// At most `N` bytes.
#[derive(Clone, Debug)]
pub struct FixedBytes<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> FixedBytes<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn repair(&mut self) -> Option<()> {
        let len = utf8::repaired_len(self.filled());
        utf8::repair(self.bytes.get_mut(..len)?, self.len);
        self.len = len;
        Some(())
    }
}

impl<const N: usize> Collect for FixedBytes<N> {
    fn limit(&self) -> usize {
        N
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.bytes[self.len..].get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.len += bytes.len();
        true
    }

    fn push_line(&mut self, bytes: &[u8]) -> bool {
        bytes.len() < N - self.len && self.push(b"\n") && self.push(bytes)
    }

    fn text(&mut self) -> Option<&str> {
        if utf8::check(self.filled()).is_none() {
            self.repair()?;
        }
        utf8::check(self.filled())
    }
}

impl<const N: usize> Keep for FixedBytes<N> {
    fn as_str(&self) -> &str {
        // `set` was given text.
        utf8::check(self.filled()).unwrap_or_default()
    }

    fn set(&mut self, text: &str) {
        self.clear();
        let fits = self.push(text.as_bytes());
        debug_assert!(fits);
    }
}
