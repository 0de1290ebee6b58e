//! Decodes bytes into events, or into lines.

mod block;
mod buffer;
mod chunk;
mod decoder;
mod edge;
mod field;
mod item;
mod line;
mod line_decoder;
mod span;
mod utf8;
mod value;
mod whole;

pub use self::buffer::{Buffer, FixedBuffer, GrowBuffer};
pub use self::decoder::{Decoder, FixedDecoder};
pub use self::item::Item;
pub use self::line::Line;
pub use self::line_decoder::{FixedLineDecoder, LineDecoder};
