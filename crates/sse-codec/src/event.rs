//! Events and the values of their fields, which the decoder and the encoder share.

mod dispatched;
mod display;
mod error;
mod event_id;
mod event_type;
mod reconnection_time;
#[cfg(feature = "alloc")]
mod shared;
mod text;

#[cfg(feature = "alloc")]
pub use self::dispatched::Event;
pub(crate) use self::dispatched::EventFields;
pub use self::dispatched::EventRef;
pub(crate) use self::display::display;
pub use self::error::{InvalidField, TooLarge, TooSmall};
pub use self::event_id::EventId;
pub use self::event_type::EventType;
pub(crate) use self::reconnection_time::{Digits, millis};
#[cfg(feature = "alloc")]
pub use self::shared::{SharedEvent, SharedText};
pub(crate) use self::text::Text;
