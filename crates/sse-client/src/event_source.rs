//! The event source: connects, reads, reconnects.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::{FusedStream, Stream};
use reqwest::header::HeaderValue;
use reqwest::{Client, IntoUrl, Request, Response, StatusCode};
use sse_codec::{Decoder, Event, EventId};
use tokio::time::{Instant, Sleep, sleep};

use crate::chunks::Chunks;
use crate::error::Error;
use crate::reconnect::{Attempts, Cause, Decision, Reconnect};
use crate::request::Template;
use crate::response;

/// Events from a URL, over as many connections as it takes.
///
/// When a connection ends or breaks, it connects again and goes on behind the last event (`Last-Event-ID`); see
/// [`Reconnect`] for what is tried again and when.
///
/// ```no_run
/// use sse_client::EventSource;
///
/// # async fn example() -> Result<(), sse_client::Error> {
/// let mut source = EventSource::get("https://example.com/events")?;
/// while let Some(event) = source.next().await {
///     let event = event?;
///     println!("{}: {}", event.event_type(), event.data());
/// }
/// # Ok(())
/// # }
/// ```
///
/// It ends
///
/// - with an `Err`, when no further attempt will go better: a status, a type, a request that can't succeed, or too many
///   failures. Of all errors only [`Error::TooLarge`] is [not final](Error::is_final): one event was skipped, and the
///   next one still arrives;
/// - without one, when a reconnect is answered by 204, which is the server's word that there is no more; and at the end
///   of the stream, if the policy is [`Reconnect::never`].
///
/// It is a [`Stream`], and it works only while it is polled. It must be polled within a tokio runtime.
#[must_use = "nothing is requested unless it is polled"]
pub struct EventSource {
    client: Client,
    template: Template,
    attempts: Attempts,
    observer: Option<Observer>,
    decoder: Decoder,
    state: State,
    /// There has been a good response.
    has_opened: bool,
}

type Observer = Box<dyn FnMut(Notice<'_>) + Send>;

/// What an [`EventSource`] does, as its [observer](EventSourceBuilder::observer) is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// There is a good response: the events that follow come from a new connection.
    Opened,
    /// Bytes came, not decoded yet. A comment is a sign of life too.
    Received(&'a [u8]),
    /// The last event ID holds control characters, which no header can: the request goes without it, and the server
    /// can't know where to go on.
    LastEventIdNotSent(&'a str),
    /// The connection ended, with an error or without one, and the next attempt follows after this time.
    #[non_exhaustive]
    Waiting {
        /// Until the next attempt.
        delay: Duration,
        /// What ended the connection; `None` if the stream just ended.
        cause: Option<&'a Error>,
    },
}

/// The ready state of an [`EventSource`] (9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// Connecting, or waiting to.
    Connecting,
    /// There is a connection.
    Open,
    /// There will be no connection any more.
    Closed,
}

enum State {
    /// A connection is to be made.
    Start,
    Connecting(Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>),
    Open(Chunks),
    Waiting(Pin<Box<Sleep>>),
    Closed,
}

/// Settings of an [`EventSource`].
#[must_use]
pub struct EventSourceBuilder {
    client: Client,
    request: Request,
    policy: Option<Reconnect>,
    observer: Option<Observer>,
    last_event_id: Option<EventId<'static>>,
    max_event_bytes: usize,
}

impl EventSourceBuilder {
    /// When to reconnect. By default [`Reconnect::new`] for requests that are safe to repeat (`GET`), and
    /// [`Reconnect::never`] for others: a `POST` is sent again only if you say so here.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Starts behind this event, as one that was stored when the program ran before. A `Last-Event-ID` among the
    /// request's headers does the same.
    pub fn last_event_id(mut self, id: EventId<'static>) -> Self {
        self.last_event_id = Some(id);
        self
    }

    /// How large an event may be, in bytes; 16 MiB by default.
    pub fn max_event_bytes(mut self, limit: usize) -> Self {
        self.max_event_bytes = limit;
        self
    }

    /// Tells `observer` of connections, bytes and waits. It is called while the source is polled, so it must not block.
    pub fn observer(mut self, observer: impl FnMut(Notice<'_>) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The source. It connects when it is polled for the first time.
    ///
    /// # Errors
    ///
    /// [`Error::Body`] if the request's body is a stream: it can't be sent again.
    pub fn build(self) -> Result<EventSource, Error> {
        let (template, header) = Template::new(self.request)?;
        let repeats = if template.is_safe() { Reconnect::new } else { Reconnect::never };
        let mut decoder = Decoder::with_limit(self.max_event_bytes);
        if let Some(id) = self.last_event_id.or(header) {
            decoder.set_last_event_id(&id);
        }
        Ok(EventSource {
            client: self.client,
            template,
            attempts: Attempts::new(self.policy.unwrap_or_else(repeats)),
            observer: self.observer,
            decoder,
            state: State::Start,
            has_opened: false,
        })
    }
}

impl EventSource {
    /// A source that gets `url`, with a client of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if `url` is not one.
    pub fn get(url: impl IntoUrl) -> Result<Self, Error> {
        let client = Client::builder().build().map_err(Error::Request)?;
        let request = client.get(url).build().map_err(Error::Request)?;
        Self::builder(client, request).build()
    }

    /// Settings for a source that sends `request`, of any method, with `client`.
    ///
    /// `Accept` and `Cache-Control` are added where the request does not have them. A total
    /// [`timeout`](reqwest::ClientBuilder::timeout) of client or request would cut the stream. A
    /// [`read_timeout`](reqwest::ClientBuilder::read_timeout) longer than the server's heartbeat is what finds a dead
    /// connection; but it cuts a living one, too, if the source is not polled for so long.
    pub fn builder(client: Client, request: Request) -> EventSourceBuilder {
        EventSourceBuilder {
            client,
            request,
            policy: None,
            observer: None,
            last_event_id: None,
            max_event_bytes: Decoder::DEFAULT_LIMIT,
        }
    }

    /// The next event; `None` at the end.
    ///
    /// It may be dropped at any time, as by `select!`: no event is lost.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The last event ID: what the next connection will send. Store it to go on later. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// The ready state.
    pub fn ready_state(&self) -> ReadyState {
        match self.state {
            State::Start | State::Connecting(_) | State::Waiting(_) => ReadyState::Connecting,
            State::Open(_) => ReadyState::Open,
            State::Closed => ReadyState::Closed,
        }
    }

    /// Closes the connection. No event follows, also none that was received already.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            let went_on = match &mut self.state {
                State::Start => self.connect(),
                State::Connecting(response) => {
                    let response = ready!(response.as_mut().poll(cx));
                    self.open(response)
                }
                State::Open(chunks) => {
                    let received = |bytes: &[u8]| tell(&mut self.observer, Notice::Received(bytes));
                    match ready!(chunks.poll_event(&mut self.decoder, received, cx)) {
                        Some(Ok(event)) => {
                            self.attempts.event_received();
                            return Poll::Ready(Some(Ok(event)));
                        }
                        Some(Err(error)) if !error.is_final() => return Poll::Ready(Some(Err(error))),
                        end => self.disconnected(end.and_then(Result::err)),
                    }
                }
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    self.state = State::Start;
                    Ok(())
                }
                State::Closed => return Poll::Ready(None),
            };
            if let Err(error) = went_on {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// Sends the request.
    fn connect(&mut self) -> Result<(), Error> {
        let id = HeaderValue::from_bytes(self.last_event_id().as_bytes()).ok();
        if id.is_none() {
            tell(&mut self.observer, Notice::LastEventIdNotSent(self.decoder.last_event_id()));
        }
        // Whatever goes wrong with it is final.
        self.state = State::Closed;
        let request = self.template.request(id.filter(|id| !id.is_empty()))?;
        self.state = State::Connecting(Box::pin(self.client.execute(request)));
        Ok(())
    }

    /// Takes the response, or what came instead.
    fn open(&mut self, response: reqwest::Result<Response>) -> Result<(), Error> {
        match response.map_err(Error::from_sending).and_then(response::check) {
            Ok(response) => {
                self.decoder.reset();
                self.attempts.opened(Instant::now().into_std());
                self.has_opened = true;
                self.state = State::Open(Chunks::new(response));
                tell(&mut self.observer, Notice::Opened);
                Ok(())
            }
            // The way to tell clients that there is no more (9.2.1).
            Err(Error::Status { status: StatusCode::NO_CONTENT }) if self.has_opened => {
                self.state = State::Closed;
                Ok(())
            }
            Err(error) => self.disconnected(Some(error)),
        }
    }

    /// Asks the policy what to do now that the connection is gone.
    fn disconnected(&mut self, error: Option<Error>) -> Result<(), Error> {
        let cause = match &error {
            None => Cause::End,
            Some(Error::Status { status }) => Cause::Status(*status),
            Some(Error::ContentType { .. }) => Cause::ContentType,
            Some(Error::Request(_)) => Cause::Request,
            Some(_) => Cause::Network,
        };
        if let Some(time) = self.decoder.reconnection_time() {
            self.attempts.set_reconnection_time(time);
        }
        match self.attempts.closed(cause, Instant::now().into_std(), fastrand::f64()) {
            Decision::Wait(delay) => {
                self.state = State::Waiting(Box::pin(sleep(delay)));
                tell(&mut self.observer, Notice::Waiting { delay, cause: error.as_ref() });
                Ok(())
            }
            Decision::Stop => {
                self.state = State::Closed;
                error.map_or(Ok(()), Err)
            }
            Decision::GiveUp => {
                self.state = State::Closed;
                Err(error.unwrap_or(Error::GaveUp))
            }
        }
    }
}

/// Tells the observer, if there is one.
fn tell(observer: &mut Option<Observer>, notice: Notice<'_>) {
    if let Some(observer) = observer {
        observer(notice);
    }
}

impl Stream for EventSource {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

impl FusedStream for EventSource {
    fn is_terminated(&self) -> bool {
        self.ready_state() == ReadyState::Closed
    }
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource")
            .field("ready_state", &self.ready_state())
            .field("last_event_id", &self.last_event_id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSourceBuilder").finish_non_exhaustive()
    }
}
