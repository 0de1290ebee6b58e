//! An event type that has been checked.

use super::error::LONGEST_NAME;

super::text::checked_text! {
    /// An event type that can be written: text of at most 8 KiB without CR and LF.
    ///
    /// An event whose type is empty, or that has no type, is decoded as an event of type `message` (9.2.6).
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
    /// The greatest length of an event type, in bytes. The standard names no limit. But types are names, and a decoder
    /// has to keep the type in addition to the data.
    pub const MAX_LEN: usize = LONGEST_NAME;

    /// `message`, the type of an event without an `event` field.
    pub const MESSAGE: EventType<'static> = EventType::from_static("message");
}
