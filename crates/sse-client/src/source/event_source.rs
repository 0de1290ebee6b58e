//! The event source: connects, reads, reconnects.

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

/// Events from a URL, over as many connections as it takes.
///
/// When a connection ends, breaks or brings nothing for too long, it connects again and goes on after the last event
/// (`Last-Event-ID`). [`Reconnect`](crate::Reconnect) says after what it connects again, and when.
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
/// It tries again for as long as it takes, also if the server was never reached: an
/// [observer](EventSourceBuilder::on_notice) is told each time, and
/// [`Reconnect::after_response`](crate::Reconnect::after_response) makes the first failure an error.
///
/// The source ends
///
/// - with an `Err`, when another attempt would fail as well: a status, a content type, a request that can't succeed, or
///   too many failures. An error that is [not final](Error::is_final) does not end it: one event was skipped, and the
///   next one follows;
/// - without an `Err`, when the server answers 204, which means that there are no more events, to a source that has had
///   a good response or that starts after a stored event; at the event that [`end_at`](EventSourceBuilder::end_at)
///   names; and at the end of the stream, if the policy makes no further connection and `end_at` names no event.
///
/// An event that the end of a response leaves unfinished is dropped (9.2.6), because the next connection brings it again.
/// It is given if the policy makes no further connection.
///
/// It is a [`Stream`], and it works only while it is polled. Outside of browsers it must be polled within a tokio
/// runtime.
#[must_use = "nothing is requested unless it is polled"]
pub struct EventSource {
    connector: Connector,
    reconnector: Reconnector,
    reader: Reader,
    observer: Observer,
    commands: Option<Commands>,
    state: State,
    /// There has been a good response, here or in an earlier run of the program.
    has_begun: bool,
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
    /// An attempt is to be made, after this error.
    Start(Option<Error>),
    Connecting(BoxFuture<Result<Response, Error>>),
    Open(Box<Connection>),
    /// Until the next attempt.
    Waiting(Timer, Option<Error>),
    Closed,
}

impl EventSource {
    /// Returns a source that gets `url`, with a client of its own. A client takes some 100 KiB: many sources can share
    /// one by [`builder`](Self::builder), best one of [`client_builder`](crate::client_builder).
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if `url` is not a valid URL.
    pub fn get(url: impl IntoUrl) -> Result<Self, Error> {
        Self::builder_for(url)?.build()
    }

    /// Returns the settings of a source that gets `url`, with a client of its own
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

    /// Returns the settings of a source that sends `request`, of any method, with `client`.
    ///
    /// `Accept` and `Cache-Control` are added if the request does not have them. A total
    /// [`timeout`](reqwest::ClientBuilder::timeout) of client or request would cut the stream, and a
    /// [`read_timeout`](reqwest::ClientBuilder::read_timeout) would count the time in which the source is not polled:
    /// use the time-outs of the builder instead.
    ///
    /// Over HTTP/2, sources with one client share a connection. A client as reqwest makes it does not notice that the
    /// connection is dead, and lets a few sources that nobody reads stop the others:
    /// [`client_builder`](crate::client_builder) has settings that do.
    pub fn builder(client: Client, request: Request) -> EventSourceBuilder {
        EventSourceBuilder::new(Transport::new(client), request)
    }

    /// Returns a source as its builder has set it.
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
    /// The future may be dropped at any time, as `select!` does: no event is lost.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the last event ID, which the next connection will send. Store it to go on later. It is empty if the
    /// server has sent no ID.
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

    /// Closes the connection. No event follows, not even one that was received already.
    pub fn close(&mut self) {
        if self.ready_state() != ReadyState::Closed {
            _ = self.finish(None);
        }
    }

    /// Connects again at once, after the last event: the wait, if there is one, is over, and the connection, if there is
    /// one, is left. An attempt that is under way goes on, and a source that is closed stays closed. The policy is not
    /// asked, so a request that is not safe to repeat is repeated.
    ///
    /// A program that learns that its network is another one need not wait for the idle time-out.
    pub fn reconnect(&mut self) {
        let error = match &mut self.state {
            State::Waiting(_, error) => error.take(),
            State::Open(_) => None,
            State::Start(_) | State::Connecting(_) | State::Closed => return,
        };
        self.state = State::Start(error);
    }

    /// Does what the handle wants, if there is one.
    fn obey(&mut self) {
        let command = self.commands.as_mut().and_then(Commands::next);
        match command {
            None => {}
            Some(Command::Close) => self.close(),
            Some(Command::Reconnect) => self.reconnect(),
        }
    }

    /// What reads the connections, and knows of comments.
    pub(crate) fn reader_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let Some(commands) = &self.commands else { return self.poll_state(cx) };
        // Before the look for one, so that a command is not overlooked that comes in between.
        commands.wait(cx.waker());
        self.obey();
        let polled = self.poll_state(cx);
        // The observer may have closed it.
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

    /// Makes the next attempt.
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

    /// Takes the response, or what came instead.
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
            // The way to tell clients that there is no more (9.2.1).
            Err(Error::Status(refusal)) if self.has_begun && refusal.status() == StatusCode::NO_CONTENT => {
                self.finish(None)
            }
            Err(error) => self.disconnected(Some(error)),
        }
    }

    /// Asks the policy what to do now that the connection is gone.
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

    /// Ends the stream, and gives the error back.
    fn finish(&mut self, error: Option<Error>) -> Result<(), Error> {
        self.state = State::Closed;
        self.observer.tell(Notice::Closed(error.as_ref()));
        error.map_or(Ok(()), Err)
    }
}

/// What the policy makes of the end of a connection.
fn cause(error: Option<&Error>) -> Cause {
    match error {
        None => Cause::End,
        Some(Error::Status(refusal)) => Cause::Status(refusal.status()),
        Some(Error::ContentType(_) | Error::ContentEncoding(_)) => Cause::ContentType,
        Some(Error::IdleTimeout { .. }) => Cause::Silence,
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
