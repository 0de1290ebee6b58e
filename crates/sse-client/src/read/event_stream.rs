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
/// Use it for LLM APIs, and for other streams that are requested once:
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
/// If the response is not an event stream, the only item is an error with the status, the headers and the beginning of
/// the body ([`Refusal`](crate::Refusal)).
///
/// You send the request, and it is sent once. If a request is to be sent again after a 429 or a 503, but never once its
/// answer has begun, use an [`EventSource`](crate::EventSource) with
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
    /// The response has not been checked yet.
    Start(Box<Response>),
    Open(Box<Connection>),
    /// The response is not an event stream. The beginning of its body is read for the error.
    Refused(BoxFuture<Error>),
    Ended,
}

impl EventStream {
    /// Reads the events of `response`, with a limit of 16 MiB of data per event.
    pub fn new(response: Response) -> Self {
        Self::with_decoder(response, Decoder::new())
    }

    /// Reads the events of `response` with `decoder`, which can have another limit or a last event ID. The decoder is
    /// reset: an event that it has read in part is dropped.
    pub fn with_decoder(response: Response, decoder: Decoder) -> Self {
        let mut reader = Reader::with_decoder(decoder);
        reader.give_unfinished(true);
        Self { state: State::Start(Box::new(response)), accepted: Accepted::default(), reader }
    }

    /// Drops an event that the end of the response leaves unfinished, as the standard says (9.2.6).
    ///
    /// By default the event is returned, because several servers end a response without the last empty line, and no
    /// other response brings the event again. If the response breaks, the event is always dropped.
    pub fn drop_unfinished(mut self) -> Self {
        self.reader.give_unfinished(false);
        self
    }

    /// Sets how the response is read. It replaces the settings that were made before.
    pub fn read_settings(mut self, settings: &ReadSettings) -> Self {
        self.reader.adopt(&settings.reader);
        self.accepted = settings.accepted;
        self
    }

    response_settings!(accepted);
    reader_settings!();

    /// Returns the next event, or `None` at the end.
    ///
    /// Dropping the future, as `select!` does, loses no event.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the last event ID. Send it as `Last-Event-ID` to resume after the last event. It is empty if the server
    /// has sent no ID.
    pub fn last_event_id(&self) -> &str {
        self.reader.last_event_id()
    }

    /// Checks the response, and begins to read its events or its error.
    fn start(&mut self) {
        let State::Start(response) = std::mem::replace(&mut self.state, State::Ended) else { return };
        self.state = match self.accepted.fault_of(&response) {
            None => State::Open(Box::new(self.reader.open(*response))),
            Some(fault) => State::Refused(Box::pin(fault.into_error(*response))),
        };
    }

    /// Returns the reader of the response.
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
    /// Reads the events of this response ([`EventStream`]).
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
