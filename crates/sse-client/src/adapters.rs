//! The last step, if a caller wants it: events as values of the caller's own type, and as an iterator without async.

#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
mod blocking;
mod typed;
mod with_comments;
mod with_ids;

#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
pub use self::blocking::{Blocking, BlockingMut};
pub use self::typed::Typed;
pub use self::with_comments::WithComments;
pub use self::with_ids::{WithId, WithIds};
