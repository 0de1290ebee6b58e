//! An event id that has been checked.

use super::error::LONGEST_NAME;
use super::text::{Decimal, TextOrNumber};

super::text::checked_text! {
    /// An event id that can be written: text of at most 8 KiB without CR, LF and NUL.
    ///
    /// A client keeps it as its last event ID and sends it as `Last-Event-ID` when it reconnects. An empty id resets
    /// the last event ID, and the client then sends no such header (9.2.6).
    ///
    /// ```
    /// use sse_codec::EventId;
    ///
    /// let id = EventId::new("42")?;
    /// assert_eq!(id.as_str(), "42");
    ///
    /// let error = EventId::new("4\02").unwrap_err();
    /// assert_eq!(error.to_string(), "NUL at byte 1 can't be written in the field `id`; remove it or escape it");
    /// # Ok::<(), sse_codec::InvalidField>(())
    /// ```
    EventId, text: TextOrNumber, field: "id", refuses_nul: true, max: EventId::MAX_LEN
}

impl EventId<'_> {
    /// The greatest length of an id, in bytes. The standard names no limit. But clients send the id in a request
    /// header, and many servers refuse headers of more than 8 KiB. The id is also a part of every event that follows,
    /// so that a long one would cost its length again with each event.
    pub const MAX_LEN: usize = LONGEST_NAME;
}

impl EventId<'static> {
    /// Returns the decimal digits of `number` as an id. It needs no allocator.
    ///
    /// ```
    /// use sse_codec::EventId;
    ///
    /// assert_eq!(EventId::from_number(42).as_str(), "42");
    /// assert_eq!(EventId::from_number(42), EventId::from_static("42"));
    /// ```
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(TextOrNumber::Number(Decimal::new(number)))
    }
}

impl From<u64> for EventId<'static> {
    fn from(number: u64) -> Self {
        Self::from_number(number)
    }
}
