//! Data as JSON, both ways.

use alloc::string::String;
use core::error::Error;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::encode::Message;
use crate::event::{Event, EventRef, SharedEvent};

impl<'a> EventRef<'a> {
    /// The data, read as JSON. Text may be borrowed from it.
    ///
    /// # Errors
    ///
    /// [`JsonError`] names the event type and the place in the data.
    #[cfg(feature = "json")]
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, JsonError> {
        serde_json::from_str(self.data())
            .map_err(|error| JsonError { event_type: Some(self.event_type().into()), error })
    }
}

impl Event {
    /// The data, read as JSON. Text may be borrowed from it.
    ///
    /// ```
    /// use sse_codec::Event;
    ///
    /// let event = Event::new(r#"{"knots": 12}"#);
    /// let wind: std::collections::BTreeMap<&str, u32> = event.json()?;
    /// assert_eq!(wind["knots"], 12);
    ///
    /// let error = Event::new("{]").json::<u32>().unwrap_err();
    /// assert!(error.to_string().starts_with("an event of the type `message`"));
    /// # Ok::<(), sse_codec::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JsonError`] names the event type and the place in the data.
    #[cfg(feature = "json")]
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        self.as_borrowed().json()
    }
}

impl SharedEvent {
    /// The data, read as JSON. Text may be borrowed from it.
    ///
    /// # Errors
    ///
    /// [`JsonError`] names the event type and the place in the data.
    #[cfg(feature = "json")]
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        self.as_borrowed().json()
    }
}

impl Message<'static> {
    /// A message with `value` as JSON, in one line.
    ///
    /// ```
    /// use sse_codec::Message;
    ///
    /// assert_eq!(Message::json(&["two\nlines", "one"])?.to_string(), "data: [\"two\\nlines\",\"one\"]\n\n");
    /// # Ok::<(), sse_codec::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JsonError`] if `value` can't be JSON: a map with keys that are no text, or a `Serialize` of one's own that
    /// fails.
    #[cfg(feature = "json")]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Message::new).map_err(|error| JsonError { event_type: None, error })
    }
}

/// Data is not the JSON that is asked for, or a value can't be JSON.
#[derive(Debug)]
pub struct JsonError {
    /// The type of the event that was read; `None` for a value that was to be written.
    event_type: Option<String>,
    error: serde_json::Error,
}

impl JsonError {
    /// The type of the event whose data could not be read.
    pub fn event_type(&self) -> Option<&str> {
        self.event_type.as_deref()
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event_type {
            Some(event_type) => {
                write!(
                    f,
                    "an event of the type `{event_type}` is not the JSON that is expected: {}",
                    self.error
                )
            }
            None => write!(f, "a value can't be written as JSON: {}", self.error),
        }
    }
}

impl Error for JsonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Its text is part of this one's.
        self.error.source()
    }
}
