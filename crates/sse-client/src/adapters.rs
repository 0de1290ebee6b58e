//! The last step, if a caller wants it: events as values of the caller's own type, and as an iterator without async.

#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
mod blocking;
mod typed;

#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
pub use self::blocking::Blocking;
pub use self::typed::Typed;
