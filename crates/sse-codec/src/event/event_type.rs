//! The event type, checked.

use super::error::LONGEST_NAME;

super::text::checked_text! {
    /// An event type that can be written: text without CR and LF, of 8 KiB at most.
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
    EventType, text: TextOnly, field: "event", refuses_nul: false, max: EventType::MAX_LEN
}

impl EventType<'_> {
    /// The longest event type, in bytes. The standard names no limit, but what is longer is no name, and a decoder in
    /// fixed storage has to keep it beside the data.
    pub const MAX_LEN: usize = LONGEST_NAME;

    /// `message`, the type of an event that names none.
    pub const MESSAGE: EventType<'static> = EventType::from_static("message");
}
