//! The settings that event sources and event streams share.

use super::reader::Reader;
use crate::connect::Accepted;

/// The setters of a type with a field `reader`.
macro_rules! reader_settings {
    () => {
        /// Limits the time without a byte before the first event of a connection. The default is 10 min, because a
        /// server may take long to compute an answer; `None` sets no limit.
        ///
        /// Any byte counts, also a byte of a comment. After this time an [`EventSource`](crate::EventSource) makes
        /// another attempt, and an [`EventStream`](crate::EventStream) ends with
        /// [`Error::IdleTimeout`](crate::Error::IdleTimeout).
        pub fn initial_idle_timeout(mut self, limit: impl Into<Option<std::time::Duration>>) -> Self {
            self.reader.set_initial_idle_timeout(limit.into());
            self
        }

        /// Limits the time without a byte after the first event of a connection. The default is 5 min; `None` sets no
        /// limit. If you know the heartbeat of the server, set three times its interval.
        ///
        /// Any byte counts, also a byte of a comment. After this time an [`EventSource`](crate::EventSource) makes
        /// another attempt, and an [`EventStream`](crate::EventStream) ends with
        /// [`Error::IdleTimeout`](crate::Error::IdleTimeout).
        pub fn idle_timeout(mut self, limit: impl Into<Option<std::time::Duration>>) -> Self {
            self.reader.set_idle_timeout(limit.into());
            self
        }

        /// Limits the data of an event, in bytes. The default is 16 MiB. A larger event is skipped with an
        /// [`Error::TooLarge`](crate::Error::TooLarge), which does not end the stream.
        pub fn max_event_bytes(mut self, limit: usize) -> Self {
            self.reader.set_max_event_bytes(limit);
            self
        }

        /// Ends the stream at the event that `ending` names. It is an [`Ending`](crate::Ending), such as
        /// [`Ending::anthropic`](crate::Ending::anthropic), or the data of an event that only marks the end, such as
        /// `[DONE]`.
        ///
        /// If the response ends without this event, an [`EventSource`](crate::EventSource) makes another attempt. An
        /// [`EventStream`](crate::EventStream), and an event source that does not reconnect, end with
        /// [`Error::Incomplete`](crate::Error::Incomplete).
        pub fn end_at(mut self, ending: impl Into<$crate::read::Ending>) -> Self {
            self.reader.end_at(ending.into());
            self
        }

        /// Ends the stream with [`Error::Event`](crate::Error::Event) at the first event for which `is_error` returns
        /// `true`, because the event reports a failure of the server. [`reports_error`](crate::reports_error)
        /// recognizes the form of most APIs. No reconnect follows.
        pub fn fail_at(mut self, is_error: impl FnMut(&sse_codec::Event) -> bool + Send + 'static) -> Self {
            self.reader.fail_at($crate::read::Predicate::new(is_error));
            self
        }

        /// Skips the events for which `is_skipped` returns `true`, for example keep-alives that are events. Their bytes
        /// count for the idle time-outs, and their ids count. The event that ends the stream is never skipped.
        ///
        /// ```
        /// # fn example(response: sse_client::reqwest::Response) {
        /// use sse_client::ResponseExt as _;
        ///
        /// let events = response.events().skip_if(|event| event.event_type() == "ping" || event.data().is_empty());
        /// # }
        /// ```
        pub fn skip_if(mut self, is_skipped: impl FnMut(&sse_codec::Event) -> bool + Send + 'static) -> Self {
            self.reader.skip_if($crate::read::Predicate::new(is_skipped));
            self
        }
    };
}

/// The setters of a type with a field that says which responses are read.
macro_rules! response_settings {
    ($accepted:ident) => {
        /// Reads a response of any content type, or without one, as an event stream, as `curl -N` does. Use it for a
        /// server that sends a wrong content type. An HTML page, or an error with the status 200, is then a stream
        /// without events.
        pub fn any_content_type(mut self) -> Self {
            self.$accepted.set_any_content_type();
            self
        }
    };
}

/// The settings by which an [`EventSource`](crate::EventSource) or an [`EventStream`](crate::EventStream) reads a
/// response. Set them once, and use them for many sources and streams.
///
/// ```no_run
/// use std::time::Duration;
/// use sse_client::{Ending, EventSource, ReadSettings, ResponseExt as _};
///
/// # fn example(response: sse_client::reqwest::Response) -> Result<(), sse_client::Error> {
/// let settings = ReadSettings::new().end_at(Ending::anthropic()).idle_timeout(Duration::from_secs(60));
/// let events = response.events().read_settings(&settings);
/// let source = EventSource::builder_for("https://example.com/events")?.read_settings(&settings).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "settings do nothing until a source or a stream gets them"]
pub struct ReadSettings {
    pub(crate) reader: Reader,
    pub(crate) accepted: Accepted,
}

impl ReadSettings {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    response_settings!(accepted);
    reader_settings!();
}

pub(crate) use {reader_settings, response_settings};
