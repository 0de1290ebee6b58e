//! Reads data from JSON, and writes data as JSON.

use alloc::string::String;
use core::error::Error;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::encode::Message;
use crate::event::{Event, EventRef, SharedEvent};

impl<'a> EventRef<'a> {
    /// Parses the data as JSON. `T` can borrow text from the data.
    ///
    /// # Errors
    ///
    /// [`JsonError`], with the event type and the position in the data, if the data is not a `T`.
    #[cfg(feature = "json")]
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, JsonError> {
        serde_json::from_str(self.data())
            .map_err(|error| JsonError { event_type: Some(self.event_type().into()), error })
    }
}

impl Event {
    /// Parses the data as JSON. `T` can borrow text from the data.
    ///
    /// ```
    /// use sse_codec::Event;
    ///
    /// let event = Event::new(r#"{"knots": 12}"#);
    /// let wind: std::collections::BTreeMap<&str, u32> = event.json()?;
    /// assert_eq!(wind["knots"], 12);
    ///
    /// let error = Event::new("{]").json::<u32>().unwrap_err();
    /// assert!(error.to_string().starts_with("the data of an event of type `message` is not the expected JSON"));
    /// # Ok::<(), sse_codec::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JsonError`], with the event type and the position in the data, if the data is not a `T`.
    #[cfg(feature = "json")]
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        self.as_borrowed().json()
    }
}

impl SharedEvent {
    /// Parses the data as JSON. `T` can borrow text from the data.
    ///
    /// # Errors
    ///
    /// [`JsonError`], with the event type and the position in the data, if the data is not a `T`.
    #[cfg(feature = "json")]
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        self.as_borrowed().json()
    }
}

impl Message<'static> {
    /// Creates a message whose data is `value` as JSON, in one line.
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
    /// [`JsonError`] if `value` can't be written as JSON: if a map has keys that are not text, or if its `Serialize`
    /// fails.
    #[cfg(feature = "json")]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Message::new).map_err(|error| JsonError { event_type: None, error })
    }
}

/// The data of an event is not the expected JSON, or a value can't be written as JSON.
#[derive(Debug)]
pub struct JsonError {
    /// The type of the event that was read, or `None` if a value was to be written.
    event_type: Option<String>,
    error: serde_json::Error,
}

impl JsonError {
    /// Returns the type of the event whose data could not be parsed, or `None` if a value could not be written.
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
                    "the data of an event of type `{event_type}` is not the expected JSON: {}",
                    self.error
                )
            }
            None => write!(f, "the value can't be written as JSON: {}", self.error),
        }
    }
}

impl Error for JsonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The text of `self.error` is a part of this error's text.
        self.error.source()
    }
}
