//! What a topic keeps, and how subscribers read it.
//!
//! The files of this folder read no clock, take no lock and need no runtime. `cargo xtask tidy` checks it.

mod cursor;
mod entry;
mod epoch;
mod kept;
mod latest;
mod lifetime;
mod memory;
mod own_ids;
mod position;
mod recent;
mod ring;
mod segments;

pub(crate) use self::cursor::{Cursor, Gap, merge};
pub use self::entry::Entry;
pub(crate) use self::epoch::{Epoch, is_hubs};
pub(crate) use self::kept::Kept;
pub(crate) use self::lifetime::Lifetime;
pub(crate) use self::memory::Memory;
pub(crate) use self::own_ids::{Known as KnownId, OwnIds};
pub use self::position::Position;
pub(crate) use self::recent::{Begun, Broken, Known, Recent, linked, size};
pub(crate) use self::ring::{Bounds, Frame, Ring};
pub(crate) use self::segments::FRAME;
