//! The second step of a connection: decodes the bytes of a response into events, and notices when no bytes come.

mod compression;
mod ending;
mod event_stream;
mod idle;
mod item;
mod reader;
mod settings;

pub use self::ending::{Ending, Verdict, reports_error};
pub use self::event_stream::{EventStream, ResponseExt};
pub use self::item::Item;
pub(crate) use self::reader::{Connection, Predicate, Read, Reader};
pub use self::settings::ReadSettings;
pub(crate) use self::settings::{reader_settings, response_settings};
