//! The event id, checked.

crate::text::checked_text! {
    /// An event id that can be written: text without CR, LF and NUL.
    ///
    /// A reader keeps it as its last event ID and sends it back as `Last-Event-ID` when it reconnects. An empty one
    /// resets the reader's: it then sends none (9.2.6).
    ///
    /// ```
    /// use sse_codec::EventId;
    ///
    /// let id = EventId::new("42")?;
    /// assert_eq!(id, EventId::from(42));
    ///
    /// let error = EventId::new("4\02").unwrap_err();
    /// assert_eq!((error.byte, error.position), (0, 1));
    /// # Ok::<(), sse_codec::InvalidField>(())
    /// ```
    EventId, field: "id", refuses: b'\r' | b'\n' | 0
}

#[cfg(feature = "alloc")]
impl From<u64> for EventId<'static> {
    fn from(number: u64) -> Self {
        Self(alloc::string::ToString::to_string(&number).into())
    }
}
