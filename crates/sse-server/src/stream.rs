//! An event stream of one request alone: any stream of messages as the body of a response.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response};
use sse_codec::Message;

use crate::body::Body;
use crate::heartbeat;
use crate::response::event_stream;
use crate::ring::FRAME;
use crate::shutdown::{Ending, Shutdown};
use crate::sync::Exclusive;
use crate::timer::Pulse;

/// How many messages are joined at most before others get their turn.
const MESSAGES: usize = 128;

/// The messages of a stream as the answer to one request: the tokens of a model, the steps of a task.
///
/// There is no history and no other subscriber: see [`Route`](crate::Route) for that. When the client goes away, the
/// stream is dropped at once. What it has ready goes out together.
///
/// ```
/// use futures_util::stream;
/// use sse_server::{EventStream, Message};
///
/// let tokens = stream::iter(["Hel", "lo"]).map(Message::new);
/// let response = EventStream::new(tokens).respond();
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// # use futures_util::StreamExt as _;
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is the body of a response"]
pub struct EventStream {
    /// `None` when it has ended: what it holds is not needed any more.
    steps: Option<Exclusive<Pin<Box<dyn Stream<Item = Step> + Send>>>>,
    /// Goes out first, at once: headers wait for the first byte of the body in some proxies and clients.
    opening: &'static [u8],
    pulse: Option<Pulse>,
    ending: Option<Ending>,
}

enum Step {
    Message(Message<'static>),
    Last(Message<'static>),
}

impl EventStream {
    /// The messages of `stream`.
    pub fn new(stream: impl Stream<Item = Message<'static>> + Send + 'static) -> Self {
        Self::of(Map { stream, step: Step::Message })
    }

    /// The messages of `stream`, up to its first error, for which `last` gives the event that ends the stream.
    ///
    /// ```
    /// use futures_util::stream;
    /// use sse_server::{EventStream, EventType, Message};
    ///
    /// let answers = stream::iter([Ok(Message::new("one")), Err("the model is gone")]);
    /// let stream = EventStream::fallible(answers, |error| {
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
        Self::of(Map { stream, step })
    }

    fn of(steps: impl Stream<Item = Step> + Send + 'static) -> Self {
        Self {
            steps: Some(Exclusive::new(Box::pin(steps))),
            opening: heartbeat::BLOCK,
            pulse: Some(Pulse::new(heartbeat::DEFAULT)),
            ending: None,
        }
    }

    /// How long the stream is silent before a comment is sent; 15 s by default, at least 10 ms, `None` for never.
    ///
    /// Heartbeats need a tokio runtime with time enabled.
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.pulse = heartbeat::clamp(interval.into()).map(Pulse::new);
        self
    }

    /// Ends the stream when the server of this request shuts down, behind what is ready. Without this, a shutdown
    /// lets it go on until the grace is over: that suits an answer that will be finished soon.
    pub fn until_shutdown_of<B>(mut self, request: &Request<B>) -> Self {
        self.ending = request.extensions().get::<Shutdown>().map(Shutdown::ending);
        self
    }

    /// The response: 200, with the headers of an event stream.
    pub fn respond(self) -> Response<Body> {
        event_stream(self.into())
    }

    /// The next bytes: always whole blocks.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.opening.is_empty() {
            return Poll::Ready(Some(Bytes::from_static(std::mem::take(&mut self.opening))));
        }
        let joined = self.join(cx);
        if !joined.is_empty() {
            if let Some(pulse) = &mut self.pulse {
                pulse.put_off();
            }
            return Poll::Ready(Some(joined.into()));
        }
        if self.ending.as_mut().is_some_and(|ending| ending.poll_begun(cx).is_ready()) {
            self.steps = None;
        }
        if self.steps.is_none() {
            return Poll::Ready(None);
        }
        let pulse = self.pulse.as_mut().map_or(Poll::Pending, |pulse| pulse.poll(cx));
        pulse.map(|()| Some(Bytes::from_static(heartbeat::BLOCK)))
    }

    /// What is ready, as one piece.
    fn join(&mut self, cx: &mut Context<'_>) -> Vec<u8> {
        let mut joined = Vec::new();
        for _ in 0..MESSAGES {
            let Some(steps) = &mut self.steps else { return joined };
            let steps = steps.get_mut().as_mut();
            // A panic ends this stream only, also where others share its connection.
            let polled = catch_unwind(AssertUnwindSafe(|| steps.poll_next(cx)));
            match polled.unwrap_or(Poll::Ready(None)) {
                Poll::Pending => return joined,
                Poll::Ready(Some(Step::Message(message))) => message.encode(&mut joined),
                Poll::Ready(Some(Step::Last(message))) => {
                    message.encode(&mut joined);
                    self.steps = None;
                }
                Poll::Ready(None) => self.steps = None,
            }
            if joined.len() >= FRAME {
                return joined;
            }
        }
        if joined.is_empty() {
            // Nothing but empty messages: others get their turn.
            cx.waker().wake_by_ref();
        }
        joined
    }
}

pin_project_lite::pin_project! {
    /// A stream of steps from a stream of the user's.
    struct Map<S, F> {
        #[pin]
        stream: S,
        step: F,
    }
}

impl<S: Stream, F: FnMut(S::Item) -> Step> Stream for Map<S, F> {
    type Item = Step;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        let this = self.project();
        this.stream.poll_next(cx).map(|item| item.map(this.step))
    }
}
