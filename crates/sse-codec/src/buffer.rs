//! Where a decoder puts together what no chunk holds in one piece: in memory that grows, or in arrays.

mod fixed;
#[cfg(feature = "alloc")]
mod grow;

pub(crate) use self::fixed::FixedBytes;
#[cfg(feature = "alloc")]
pub(crate) use self::grow::GrowBytes;
use self::sealed::Storage;

/// The storage of a [`Decoder`](crate::Decoder): [`GrowBuffer`] or [`FixedBuffer`]. There are no others.
pub trait Buffer: Storage {}

impl<S: Storage> Buffer for S {}

/// Memory that grows to the size of the largest event, up to a limit. It needs the feature `alloc`.
#[derive(Clone, Copy, Debug)]
pub enum GrowBuffer {}

/// Without an allocator nothing makes a decoder over it; it is there as the default of the parameter.
#[cfg(not(feature = "alloc"))]
impl Storage for GrowBuffer {
    type Data = FixedBytes<0>;
    type Name = FixedBytes<0>;
    type Id = FixedBytes<0>;
}

/// Memory of a fixed size, within the decoder itself: no allocator is needed.
///
/// The data of an event may be `DATA` bytes long; its type and its id `NAME` bytes each, 64 if nothing is said. A
/// decoder takes about `DATA + 4 * NAME` bytes, wherever it is put.
#[derive(Clone, Copy, Debug)]
pub enum FixedBuffer<const DATA: usize, const NAME: usize = 64> {}

/// Public only in name, so that no other storage can be made.
pub(crate) mod sealed {
    use core::fmt::Debug;

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
        /// The text, with U+FFFD for what is not UTF-8; `None` if it doesn't fit.
        fn text(&mut self) -> Option<&str>;
    }

    /// Text that is replaced as a whole.
    pub trait Keep {
        fn as_str(&self) -> &str;
        /// Replaces the text. Whoever collected it has kept it within the limit.
        fn set(&mut self, text: &str);
    }
}
