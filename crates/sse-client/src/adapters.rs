//! The last step, which is optional: events as values of the caller's type, with comments or ids, or as a blocking
//! iterator.

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
