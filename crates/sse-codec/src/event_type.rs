//! The event type, checked.

crate::text::checked_text! {
    /// An event type that can be written: text without CR and LF.
    ///
    /// Readers take an empty one, and none at all, as `message` (9.2.6).
    ///
    /// ```
    /// use sse_codec::EventType;
    ///
    /// const TOKEN: EventType<'static> = EventType::from_static("token");
    /// assert_eq!(TOKEN.as_str(), "token");
    ///
    /// let error = EventType::new("token\ndata: injected").unwrap_err();
    /// assert_eq!(error.to_string(), "LF at byte 5 can't be written in the field `event`; remove it or escape it");
    /// ```
    EventType, field: "event", refuses: b'\r' | b'\n', max: usize::MAX
}

impl EventType<'_> {
    /// `message`, the type of an event that names none.
    pub const MESSAGE: EventType<'static> = EventType::from_static("message");
}
