//! The event source: it connects, reads and reconnects.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use reqwest::{Client, IntoUrl, Request, Response, StatusCode};
use sse_codec::Event;

use super::builder::EventSourceBuilder;
use super::handle::{Command, Commands, Handle};
use super::notice::{Notice, Observer};
use crate::connect::{Connector, MAX_REDIRECTS, Transport, fits_header, parse_url};
use crate::error::{Error, version_of};
use crate::platform::{BoxFuture, Timer, client, now, unix_time};
use crate::read::{Connection, Read, Reader};
use crate::reconnect::{Cause, Decision, Reconnector, retry_after};

/// The events of a URL, over as many connections as needed.
///
/// When a connection ends, breaks or brings nothing for too long, the source connects again and asks for the events
/// after the last one (`Last-Event-ID`). The policy [`Reconnect`](crate::Reconnect) decides whether and when.
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
/// By default, it tries again without end, even if the server was never reached. An
/// [observer](EventSourceBuilder::on_notice) is told of each failure. With
/// [`Reconnect::after_response`](crate::Reconnect::after_response) the first failure is an error.
///
/// The source ends with an `Err` when another attempt would fail as well, because of a status, a content type or a
/// request that can't succeed, and after too many failures. An error that is [not final](Error::is_final) does not end
/// the source: one event was skipped, and the next one follows.
///
/// The source ends without an `Err`
///
/// - when the server answers 204, which means that there are no more events. That holds for a source that has had a
///   good response or starts after a stored event; for other sources a 204 is an error;
/// - at the event that [`end_at`](EventSourceBuilder::end_at) names;
/// - at the end of a response, if the policy never reconnects and `end_at` names no event.
///
/// If a response ends within an event, the event is dropped (9.2.6), because the next connection receives it again. If
/// the policy never reconnects after a response, the event is returned.
///
/// An `EventSource` is a [`Stream`](futures_core::Stream). It does its work only while it is polled. Outside of
/// browsers it must be polled within a tokio runtime.
#[must_use = "nothing is requested unless it is polled"]
pub struct EventSource {
    connector: Connector,
    reconnector: Reconnector,
    reader: Reader,
    observer: Observer,
    commands: Option<Commands>,
    state: State,
    /// There has been a good response, in this run of the program or in an earlier one.
    has_begun: bool,
}

/// The ready state of an [`EventSource`] (9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// The source connects, or waits before it connects.
    Connecting,
    /// The source has a connection.
    Open,
    /// The source has ended.
    Closed,
}

enum State {
    /// The next attempt is to be made, after this error of the one before.
    Start(Option<Error>),
    Connecting(BoxFuture<Result<Response, Error>>),
    Open(Box<Connection>),
    /// The wait before the next attempt, and the error that ended the one before.
    Waiting(Timer, Option<Error>),
    Closed,
}

impl EventSource {
    /// Returns a source that gets `url`, with a client of its own. A client takes about 100 KiB. If you have many
    /// sources, let them share one of [`client_builder`](crate::client_builder) ([`builder`](Self::builder)).
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if `url` is not a valid URL.
    pub fn get(url: impl IntoUrl) -> Result<Self, Error> {
        Self::builder_for(url)?.build()
    }

    /// Returns the builder of a source that gets `url`, with a client of its own
    /// ([`client_builder`](crate::client_builder)).
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if `url` is not a valid URL.
    pub fn builder_for(url: impl IntoUrl) -> Result<EventSourceBuilder, Error> {
        let url = parse_url(url)?;
        let client = client().map_err(Error::from_building)?;
        // reqwest takes a name and a password out of the URL, for a header.
        let request = client.get(url).build().map_err(Error::from_building)?;
        Ok(Self::builder(client, request).max_redirects(MAX_REDIRECTS))
    }

    /// Returns the builder of a source that sends `request`, of any method, with `client`.
    ///
    /// `Accept` and `Cache-Control` are added if the request does not have them. Use the time-outs of the builder, and
    /// not those of reqwest: a [`timeout`](reqwest::ClientBuilder::timeout) would cut the stream, and a
    /// [`read_timeout`](reqwest::ClientBuilder::read_timeout) counts the time in which the source is not polled.
    ///
    /// Over HTTP/2, sources with one client share a connection. With the default settings of reqwest, a dead connection
    /// is not noticed, and a few sources that nobody reads stop the others. [`client_builder`](crate::client_builder)
    /// has settings that prevent both.
    pub fn builder(client: Client, request: Request) -> EventSourceBuilder {
        EventSourceBuilder::new(Transport::new(client), request)
    }

    /// Returns a source with the settings of its builder.
    pub(super) fn new(
        connector: Connector,
        reconnector: Reconnector,
        reader: Reader,
        mut observer: Observer,
        handle: Option<Handle>,
        first_response: Option<BoxFuture<Result<Response, Error>>>,
    ) -> Self {
        let state = match first_response {
            Some(response) => State::Connecting(response),
            None => State::Start(None),
        };
        observer.start_at(reader.last_event_id());
        let has_begun = !reader.last_event_id().is_empty();
        let commands = handle.map(Commands::of);
        Self { connector, reconnector, reader, observer, commands, state, has_begun }
    }

    /// Returns the next event, or `None` at the end.
    ///
    /// Dropping the future, as `select!` does, loses no event.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the last event ID, which the next connection sends. Store it, so that the next run of the program goes
    /// on after it. It is empty if the server has sent no ID.
    pub fn last_event_id(&self) -> &str {
        self.reader.last_event_id()
    }

    /// Returns the ready state.
    pub fn ready_state(&self) -> ReadyState {
        match self.state {
            State::Start(_) | State::Connecting(_) | State::Waiting(..) => ReadyState::Connecting,
            State::Open(_) => ReadyState::Open,
            State::Closed => ReadyState::Closed,
        }
    }

    /// Closes the connection and ends the source. It returns no further event, not even one that was received already.
    pub fn close(&mut self) {
        if self.ready_state() != ReadyState::Closed {
            _ = self.finish(None);
        }
    }

    /// Reconnects at once, and resumes after the last event. A wait ends, and an open connection is closed. An attempt
    /// in progress goes on, and a closed source stays closed. The policy is not asked, so that even a request that is
    /// not safe to repeat is repeated.
    ///
    /// Call it, for example, when the machine has joined another network, instead of waiting for the idle time-out.
    pub fn reconnect(&mut self) {
        let error = match &mut self.state {
            State::Waiting(_, error) => error.take(),
            State::Open(_) => None,
            State::Start(_) | State::Connecting(_) | State::Closed => return,
        };
        self.state = State::Start(error);
    }

    /// Obeys the handle, if there is one.
    fn obey(&mut self) {
        let command = self.commands.as_mut().and_then(Commands::next);
        match command {
            None => {}
            Some(Command::Close) => self.close(),
            Some(Command::Reconnect) => self.reconnect(),
        }
    }

    /// Returns the reader of the connections.
    pub(crate) fn reader_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let Some(commands) = &self.commands else { return self.poll_state(cx) };
        // The waker is registered first, so that no command between the two calls is missed.
        commands.wait(cx.waker());
        self.obey();
        let polled = self.poll_state(cx);
        // The observer may have closed the source.
        if self.commands.as_ref().is_some_and(Commands::is_closed) && self.ready_state() != ReadyState::Closed
        {
            self.close();
            return Poll::Ready(None);
        }
        polled
    }

    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            let went_on = match &mut self.state {
                State::Start(error) => {
                    let error = error.take();
                    self.connect(error)
                }
                State::Connecting(response) => {
                    let response = ready!(response.as_mut().poll(cx));
                    self.open(response)
                }
                State::Open(connection) => {
                    let received = |bytes: &[u8]| self.observer.tell(Notice::Received(bytes));
                    let read = self.reader.poll(connection, received, cx);
                    self.observer.tell_last_event_id(self.reader.last_event_id());
                    match ready!(read) {
                        Read::Item(item) => {
                            if item.is_ok() {
                                self.reconnector.event_received();
                            }
                            return Poll::Ready(Some(item));
                        }
                        Read::Last(event) => {
                            _ = self.finish(None);
                            return Poll::Ready(Some(Ok(event)));
                        }
                        Read::Disconnected(error) => self.disconnected(error),
                        Read::Finished(error) => self.finish(error),
                    }
                }
                State::Waiting(timer, error) => {
                    ready!(timer.poll(cx));
                    self.state = State::Start(error.take());
                    Ok(())
                }
                State::Closed => return Poll::Ready(None),
            };
            if let Err(error) = went_on {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// Begins the next attempt.
    fn connect(&mut self, error: Option<Error>) -> Result<(), Error> {
        let id = self.reader.last_event_id();
        if !fits_header(id) {
            self.observer.tell(Notice::LastEventIdNotSent(id));
        }
        match self.connector.connect(id, error) {
            Ok(response) => {
                self.state = State::Connecting(response);
                Ok(())
            }
            Err(error) => self.finish(Some(error)),
        }
    }

    /// Takes the response, or the error of the attempt.
    fn open(&mut self, response: Result<Response, Error>) -> Result<(), Error> {
        match response {
            Ok(response) => {
                self.reconnector.opened(now());
                self.has_begun = true;
                let (status, headers, url) = (response.status(), response.headers(), response.url());
                let version = version_of(&response);
                self.observer.tell(Notice::Opened { version, status, headers, url });
                self.state = State::Open(Box::new(self.reader.open(response)));
                Ok(())
            }
            // By a 204, a server tells clients to stop reconnecting (9.2.1).
            Err(Error::Status(refusal)) if self.has_begun && refusal.status() == StatusCode::NO_CONTENT => {
                self.finish(None)
            }
            Err(error) => self.disconnected(Some(error)),
        }
    }

    /// Asks the policy what to do after the end of a connection or of an attempt.
    fn disconnected(&mut self, error: Option<Error>) -> Result<(), Error> {
        if let Some(time) = self.reader.reconnection_time() {
            self.reconnector.reconnection_time_received(time);
        }
        let refusal = error.as_ref().and_then(Error::refusal);
        if let Some(time) = refusal.and_then(|refusal| retry_after(refusal.headers(), unix_time())) {
            self.reconnector.retry_after_received(time);
        }
        match self.reconnector.closed(cause(error.as_ref()), now(), fastrand::f64()) {
            Decision::Wait(delay) => {
                self.observer.tell(Notice::Waiting { delay, cause: error.as_ref() });
                self.state = State::Waiting(Timer::after(delay), error);
                Ok(())
            }
            Decision::Stop => self.finish(error.or_else(|| self.reader.missing_end())),
            Decision::GiveUp => self.finish(error.or(Some(Error::GaveUp))),
        }
    }

    /// Ends the source, and returns the error as an `Err`.
    fn finish(&mut self, error: Option<Error>) -> Result<(), Error> {
        self.state = State::Closed;
        self.observer.tell(Notice::Closed(error.as_ref()));
        error.map_or(Ok(()), Err)
    }
}

/// Returns the cause by which the policy decides.
fn cause(error: Option<&Error>) -> Cause {
    match error {
        None => Cause::End,
        Some(Error::Status(refusal)) => Cause::Status(refusal.status()),
        Some(Error::ContentType(_) | Error::ContentEncoding(_)) => Cause::ContentType,
        Some(Error::IdleTimeout { .. }) => Cause::IdleTimeout,
        Some(Error::Connect(_) | Error::ResponseTimeout { .. } | Error::Read(_)) => Cause::Network,
        Some(_) => Cause::Request,
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
