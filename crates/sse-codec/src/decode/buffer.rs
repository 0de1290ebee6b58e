//! The buffers of a decoder, for text that does not lie whole in one chunk: memory that grows, or arrays.

mod fixed;
#[cfg(feature = "alloc")]
mod grow;
mod storage;

#[cfg(feature = "alloc")]
use alloc::string::String;

pub(super) use self::fixed::FixedBytes;
#[cfg(feature = "alloc")]
pub(super) use self::grow::GrowBytes;
pub(super) use self::storage::{Collect, Keep, Storage};

/// The storage of a [`Decoder`](crate::Decoder): [`GrowBuffer`] or [`FixedBuffer`]. Other crates can't implement it.
pub trait Buffer: Storage {}

impl<S: Storage> Buffer for S {}

/// Memory that grows to the size of the largest event, up to a limit (feature `alloc`).
#[derive(Clone, Copy, Debug)]
pub enum GrowBuffer {}

#[cfg(feature = "alloc")]
impl Storage for GrowBuffer {
    type Data = GrowBytes;
    type Name = GrowBytes;
    type Id = String;
}

/// Without an allocator, no decoder with this storage can be created. The type is still the default of the parameter.
#[cfg(not(feature = "alloc"))]
impl Storage for GrowBuffer {
    type Data = FixedBytes<0>;
    type Name = FixedBytes<0>;
    type Id = FixedBytes<0>;
}

/// Arrays of a fixed size within the decoder itself, which need no allocator.
///
/// The data of an event may be at most `DATA` bytes long, and its type and its id at most `NAME` bytes each (64 by
/// default). The size of a decoder is about `DATA + 4 * NAME` bytes.
#[derive(Clone, Copy, Debug)]
pub enum FixedBuffer<const DATA: usize, const NAME: usize = 64> {}

impl<const DATA: usize, const NAME: usize> Storage for FixedBuffer<DATA, NAME> {
    type Data = FixedBytes<DATA>;
    type Name = FixedBytes<NAME>;
    type Id = FixedBytes<NAME>;
}
