//! The settings that an event source and an event stream share: written and documented once.

use super::reader::Reader;
use crate::connect::Accepted;

/// The setters of a type with a field `reader`.
macro_rules! reader_settings {
    () => {
        /// Limits how long a connection may bring nothing before its first event; 10 min by default, because a server
        /// may have to think before it answers. `None` sets no limit.
        ///
        /// Any byte counts, also that of a comment. After this time an [`EventSource`](crate::EventSource) makes
        /// another attempt, and an [`EventStream`](crate::EventStream) ends with
        /// [`Error::IdleTimeout`](crate::Error::IdleTimeout).
        pub fn initial_idle_timeout(mut self, limit: impl Into<Option<std::time::Duration>>) -> Self {
            self.reader.set_initial_idle_timeout(limit.into());
            self
        }

        /// Limits how long a connection may bring nothing after its first event; 5 min by default. `None` sets no
        /// limit.
        ///
        /// Any byte counts, also that of a comment. Three times the server's heartbeat, if you know it, is a good
        /// choice. After this time an [`EventSource`](crate::EventSource) makes another attempt, and an
        /// [`EventStream`](crate::EventStream) ends with [`Error::IdleTimeout`](crate::Error::IdleTimeout).
        pub fn idle_timeout(mut self, limit: impl Into<Option<std::time::Duration>>) -> Self {
            self.reader.set_idle_timeout(limit.into());
            self
        }

        /// Limits how large an event may be, in bytes; 16 MiB by default. A larger one is skipped, and is an
        /// [`Error::TooLarge`](crate::Error::TooLarge).
        pub fn max_event_bytes(mut self, limit: usize) -> Self {
            self.reader.set_max_event_bytes(limit);
            self
        }

        /// Ends the stream at the event that `ending` names: an [`Ending`](crate::Ending), such as
        /// [`Ending::anthropic`](crate::Ending::anthropic), or the data of an event that is not given, as the `[DONE]`
        /// of LLM APIs.
        ///
        /// If the response ends without it, an [`EventSource`](crate::EventSource) makes another attempt. An
        /// [`EventStream`](crate::EventStream), and an event source that does not reconnect, end with
        /// [`Error::Incomplete`](crate::Error::Incomplete).
        pub fn end_at(mut self, ending: impl Into<$crate::read::Ending>) -> Self {
            self.reader.end_at(ending.into());
            self
        }

        /// Ends the stream with [`Error::Event`](crate::Error::Event) at the first event for which `is_error` returns
        /// `true`: an event that says that something went wrong at the server, as most APIs say it
        /// ([`reports_error`](crate::reports_error)). No reconnect follows.
        pub fn fail_at(mut self, is_error: impl FnMut(&sse_codec::Event) -> bool + Send + 'static) -> Self {
            self.reader.fail_at($crate::read::Predicate::new(is_error));
            self
        }

        /// Passes over the events for which `is_skipped` returns `true`: keep-alives that are events, for example. They
        /// count as signs of life, and their ids count. The event that ends the stream is not passed over.
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
        /// Reads a response of any content type, or of none, as an event stream, as `curl -N` does: for a server that
        /// says the wrong one. A page, or an error that is sent with the status 200, is then a stream without events.
        pub fn any_content_type(mut self) -> Self {
            self.$accepted.set_any_content_type();
            self
        }
    };
}

/// How a response is read, whether by an [`EventSource`](crate::EventSource) or by an
/// [`EventStream`](crate::EventStream): what is set here once can be given to many of both.
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
#[must_use = "it is given to a source or a stream"]
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
