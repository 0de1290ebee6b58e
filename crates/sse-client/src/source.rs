//! The event source, which is the loop around all other steps: it connects, reads, asks the policy, waits, and connects
//! again.

mod builder;
mod event_source;
mod handle;
mod notice;

pub use self::builder::EventSourceBuilder;
pub use self::event_source::{EventSource, ReadyState};
pub use self::handle::Handle;
pub use self::notice::Notice;
