//! An event stream for one request alone: any stream of messages as the body of a response.

use std::time::Duration;

use futures_core::Stream;
use http::{Request, Response};
use sse_codec::Message;

use super::body::Body;
use super::messages::{Map, Messages, Step};
use super::response::event_stream;
use super::shutdown::Signals;
use crate::hub::heartbeat;

/// Makes a stream of messages the response to one request: the tokens of a language model, the steps of a task.
///
/// There is no history and no other subscriber; for these, see [`Route`](crate::Route). When the client disconnects,
/// the stream is dropped at once. Messages that are ready are sent together.
///
/// ```
/// use futures_util::stream;
/// use sse_server::{MessageStream, Message};
///
/// let tokens = stream::iter(["Hel", "lo"]).map(Message::new);
/// let response = MessageStream::new(tokens).respond();
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// # use futures_util::StreamExt as _;
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is the body of a response"]
pub struct MessageStream {
    messages: Messages,
    proxy_headers: bool,
}

impl MessageStream {
    /// Returns a response body with the messages of `stream`.
    pub fn new(stream: impl Stream<Item = Message<'static>> + Send + 'static) -> Self {
        Self::of(Map::new(stream, Step::Message))
    }

    /// Returns a response body with the messages of `stream` up to its first error. `last` makes an event of the error,
    /// which ends the stream.
    ///
    /// ```
    /// use futures_util::stream;
    /// use sse_server::{MessageStream, EventType, Message};
    ///
    /// let answers = stream::iter([Ok(Message::new("one")), Err("the model is gone")]);
    /// let stream = MessageStream::fallible(answers, |error| {
    ///     Message::new(error).event_type(const { EventType::from_static("error") })
    /// });
    /// ```
    pub fn fallible<E>(
        stream: impl Stream<Item = Result<Message<'static>, E>> + Send + 'static,
        mut last: impl FnMut(E) -> Message<'static> + Send + 'static,
    ) -> Self {
        let step = move |result: Result<_, E>| match result {
            Ok(message) => Step::Message(message),
            Err(error) => Step::Last(last(error)),
        };
        Self::of(Map::new(stream, step))
    }

    fn of(steps: impl Stream<Item = Step> + Send + 'static) -> Self {
        Self { messages: Messages::new(steps), proxy_headers: true }
    }

    /// Sets how long nothing is sent before a comment is sent: 15 s by default, at least 10 ms, `None` for never.
    ///
    /// Heartbeats need a tokio runtime with time enabled.
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.messages.set_heartbeat(heartbeat::clamp(interval.into()));
        self
    }

    /// Ends the stream when the server of this request shuts down, after the messages that are ready. Without this
    /// call, the stream goes on until the grace of the shutdown is over, which is right for a short answer.
    pub fn until_shutdown_of<B>(mut self, request: &Request<B>) -> Self {
        self.messages.set_endings(Signals::endings(request.extensions()));
        self
    }

    /// Sets whether the response asks proxies not to buffer it, as
    /// [`RouteBuilder::proxy_headers`](crate::RouteBuilder::proxy_headers) does. It does by default.
    pub fn proxy_headers(mut self, sends: bool) -> Self {
        self.proxy_headers = sends;
        self
    }

    /// Returns the response: 200, with the headers of an event stream.
    pub fn respond(self) -> Response<Body> {
        event_stream(self.messages.into(), self.proxy_headers)
    }
}
