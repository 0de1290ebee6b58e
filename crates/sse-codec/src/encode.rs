//! Encodes messages into bytes.

mod event;
mod field;
mod message;

pub use self::field::Field;
pub use self::message::Message;
