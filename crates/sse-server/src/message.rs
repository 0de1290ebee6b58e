//! A message as it is sent to subscribers and stored in logs.

mod block;
mod publication;
mod record;
mod writer;

pub(crate) use self::block::{Block, Draft, fingerprint};
pub use self::publication::{InvalidId, Publication};
pub(crate) use self::record::{Body, Control};
pub use self::record::{InvalidRecord, Record, RecordKind};
pub use self::writer::EventWriter;
