//! The events of one response.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use reqwest::Response;
use sse_codec::{Decoder, Event};

use super::reader::{Connection, Read, Reader};
use super::settings::{ReadSettings, reader_settings, response_settings};
use crate::connect::Accepted;
use crate::error::Error;
use crate::platform::BoxFuture;

/// The events of one [`reqwest::Response`]. It never reconnects.
///
/// This is the reader for LLM APIs and other streams that are asked for once:
///
/// ```no_run
/// use sse_client::{Ending, ResponseExt as _, client_builder};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = client_builder().build()?;
/// let response = client.post("https://example.com/chat").body("{}").send().await?;
/// let mut events = response.events().end_at(Ending::openai_chat());
/// while let Some(event) = events.next().await {
///     println!("{}", event?.data());
/// }
/// # Ok(())
/// # }
/// ```
///
/// If the response is no event stream, the only item is an error with the status, the headers and the beginning of the
/// body ([`Refusal`](crate::Refusal)).
///
/// The request is the caller's, and is made once. One that is to be made again after a 429 or a 503, but never once it is
/// being answered, is an [`EventSource`](crate::EventSource) with
/// [`Reconnect::until_response`](crate::Reconnect::until_response).
///
/// After an error that is [not final](Error::is_final) the stream goes on with the next event. Any other error ends it.
#[must_use = "nothing is read unless it is polled"]
pub struct EventStream {
    state: State,
    accepted: Accepted,
    reader: Reader,
}

enum State {
    /// Nobody has looked at the response.
    Start(Box<Response>),
    Open(Box<Connection>),
    /// No event stream: the beginning of its body is read.
    Refused(BoxFuture<Error>),
    Ended,
}

impl EventStream {
    /// Reads the events of `response`, each up to 16 MiB.
    pub fn new(response: Response) -> Self {
        Self::with_decoder(response, Decoder::new())
    }

    /// Reads the events of `response` with the caller's decoder, which may have another limit or a last event ID. If
    /// the decoder has begun to read an event elsewhere, that event is dropped.
    pub fn with_decoder(response: Response, decoder: Decoder) -> Self {
        let mut reader = Reader::with_decoder(decoder);
        reader.give_unfinished(true);
        Self { state: State::Start(Box::new(response)), accepted: Accepted::default(), reader }
    }

    /// Drops an event that the end of the response leaves unfinished, as the standard does (9.2.6).
    ///
    /// By default it is given, because several servers end an answer without the last empty line, and no other response
    /// brings the event again. It is never given if the response breaks.
    pub fn drop_unfinished(mut self) -> Self {
        self.reader.give_unfinished(false);
        self
    }

    /// Sets how the response is read, in place of what was set before.
    pub fn read_settings(mut self, settings: &ReadSettings) -> Self {
        self.reader.adopt(&settings.reader);
        self.accepted = settings.accepted;
        self
    }

    response_settings!(accepted);
    reader_settings!();

    /// Returns the next event, or `None` at the end.
    ///
    /// The future may be dropped at any time, as `select!` does: no event is lost.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the last event ID: send it as `Last-Event-ID` to go on after the last event. It is empty if the server
    /// has sent no ID.
    pub fn last_event_id(&self) -> &str {
        self.reader.last_event_id()
    }

    /// Begins to read the response, or what it says instead.
    fn start(&mut self) {
        let State::Start(response) = std::mem::replace(&mut self.state, State::Ended) else { return };
        self.state = match self.accepted.fault_of(&response) {
            None => State::Open(Box::new(self.reader.open(*response))),
            Some(fault) => State::Refused(Box::pin(fault.into_error(*response))),
        };
    }

    /// What reads the connections, and knows of comments.
    pub(crate) fn reader_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        if let State::Start(_) = self.state {
            self.start();
        }
        let error = match &mut self.state {
            State::Open(connection) => match ready!(self.reader.poll(connection, |_| {}, cx)) {
                Read::Item(item) => return Poll::Ready(Some(item)),
                Read::Last(event) => {
                    self.state = State::Ended;
                    return Poll::Ready(Some(Ok(event)));
                }
                Read::Disconnected(error) => error.or_else(|| self.reader.missing_end()),
                Read::Finished(error) => error,
            },
            State::Refused(error) => Some(ready!(error.as_mut().poll(cx))),
            State::Start(_) | State::Ended => None,
        };
        self.state = State::Ended;
        Poll::Ready(error.map(Err))
    }
}

/// Reads a [`reqwest::Response`] as an event stream.
pub trait ResponseExt {
    /// The events of this response: see [`EventStream`].
    fn events(self) -> EventStream;
}

impl ResponseExt for Response {
    fn events(self) -> EventStream {
        EventStream::new(self)
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

impl FusedStream for EventStream {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("last_event_id", &self.last_event_id()).finish_non_exhaustive()
    }
}
