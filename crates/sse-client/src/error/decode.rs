//! The error of an event that can't be converted to the caller's type.

use std::error::Error as StdError;
use std::fmt;

use sse_codec::Event;

use super::boxed::BoxError;
use super::excerpt::Excerpt;

/// The error of an event that could not be converted, with the reason and the beginning of the event.
///
/// ```
/// use sse_client::Error;
///
/// fn log(error: &Error) {
///     if let Error::Decode(error) = error {
///         eprintln!("{} {}: {}", error.last_event_id(), error.event_type(), error.data_start());
///     }
/// }
/// ```
pub struct DecodeError {
    error: BoxError,
    event: EventStart,
}

/// The type, the last event ID and the beginning of the data of an event. The event itself is given to the conversion.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventStart {
    event_type: String,
    last_event_id: String,
    data: String,
}

/// How many bytes of the data are kept.
const MAX_DATA: usize = 1024;

impl EventStart {
    /// Replaces the event before by `event`. It allocates nothing once its texts have grown.
    pub(crate) fn note(&mut self, event: &Event) {
        event.event_type().clone_into(&mut self.event_type);
        event.last_event_id().clone_into(&mut self.last_event_id);
        self.data.clear();
        let data = event.data();
        let length = (0..=data.len().min(MAX_DATA)).rfind(|&length| data.is_char_boundary(length));
        self.data.push_str(&data[..length.unwrap_or(0)]);
    }
}

impl DecodeError {
    pub(crate) fn new(error: BoxError, event: EventStart) -> Self {
        Self { error, event }
    }

    /// Returns the type of the event.
    pub fn event_type(&self) -> &str {
        &self.event.event_type
    }

    /// Returns the last event ID after the event.
    pub fn last_event_id(&self) -> &str {
        &self.event.last_event_id
    }

    /// Returns the data of the event, at most its first 1024 bytes.
    pub fn data_start(&self) -> &str {
        &self.event.data
    }

    /// Returns the error of the conversion, for example a `JsonError` with the feature `json`.
    pub fn get_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.error
    }

    /// Returns the error of the conversion.
    pub fn into_inner(self) -> BoxError {
        self.error
    }
}

/// The error of the conversion and the event, in one line.
impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [event_type, data] = [self.event_type(), self.data_start()].map(Excerpt);
        write!(f, "{}; the event was skipped: its type is `{event_type}`", self.error)?;
        if !self.last_event_id().is_empty() {
            write!(f, ", its id is `{}`", Excerpt(self.last_event_id()))?;
        }
        write!(f, ", and its data begins with `{data}`")
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("error", &self.error)
            .field("event_type", &Excerpt(self.event_type()))
            .field("last_event_id", &Excerpt(self.last_event_id()))
            .field("data_start", &Excerpt(self.data_start()))
            .finish_non_exhaustive()
    }
}

impl StdError for DecodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // The text of `self.error` is a part of this error's text.
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_codec::{EventId, EventType};

    #[test]
    fn the_event_is_shown_in_one_line() {
        let mut start = EventStart::default();
        for (id, data, expected) in [
            ("", "many", ", and its data begins with `many`"),
            (
                "b",
                "{\n  \"x\":\u{1b} 1\n}",
                ", its id is `b`, and its data begins with `{ \"x\":\\u{1b} 1 }`",
            ),
        ] {
            let mut event = Event::new(data);
            event.set_event_type(&EventType::from_static("price"));
            event.set_last_event_id(&EventId::from_static(id));
            start.note(&event);
            let error = DecodeError::new("no number".into(), start.clone());
            let text = "no number; the event was skipped: its type is `price`";
            assert_eq!(error.to_string(), format!("{text}{expected}"));
            assert_eq!((error.data_start(), error.last_event_id()), (data, id));
        }
    }

    #[test]
    fn the_data_is_cut_between_characters() {
        let mut start = EventStart::default();
        for data in ["a".repeat(5000), format!("a{}", "é".repeat(5000))] {
            start.note(&Event::new(data.clone()));
            assert!((1023..=1024).contains(&start.data.len()) && data.starts_with(&start.data));
        }
    }
}
