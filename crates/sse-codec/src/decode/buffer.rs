//! Where a decoder puts together what no chunk holds in one piece: in memory that grows, or in arrays.

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

/// The storage of a [`Decoder`](crate::Decoder): [`GrowBuffer`] or [`FixedBuffer`]. There are no others.
pub trait Buffer: Storage {}

impl<S: Storage> Buffer for S {}

/// Memory that grows to the size of the largest event, up to a limit. It needs the feature `alloc`.
#[derive(Clone, Copy, Debug)]
pub enum GrowBuffer {}

#[cfg(feature = "alloc")]
impl Storage for GrowBuffer {
    type Data = GrowBytes;
    type Name = GrowBytes;
    type Id = String;
}

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

impl<const DATA: usize, const NAME: usize> Storage for FixedBuffer<DATA, NAME> {
    type Data = FixedBytes<DATA>;
    type Name = FixedBytes<NAME>;
    type Id = FixedBytes<NAME>;
}
