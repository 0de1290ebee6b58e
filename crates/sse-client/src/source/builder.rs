//! The settings of an event source.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Request, Response};
use sse_codec::{EventId, InvalidField};

use super::event_source::EventSource;
use super::handle::Handle;
use super::notice::{Notice, Observer};
use crate::connect::{Attempt, AttemptHook, Connector, ShownRequest, Template, Transport};
use crate::error::{BoxError, Error};
use crate::platform::{BoxFuture, MaybeSend};
use crate::read::{ReadSettings, Reader, reader_settings, response_settings};
use crate::reconnect::{Cause, Reconnect, Reconnector};

/// Settings of an [`EventSource`].
///
/// ```no_run
/// use std::time::Duration;
/// use sse_client::{EventSource, Reconnect, client_builder};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = client_builder().build()?;
/// let request = client.get("https://example.com/events").bearer_auth("token").build()?;
/// let source = EventSource::builder(client, request)
///     .stored_event_id(&std::fs::read_to_string("last-event-id")?)?
///     .reconnect(Reconnect::new().max_retries(10))
///     .idle_timeout(Duration::from_secs(45))
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// A clone has the same settings, except for the [first response](Self::first_response). The closures are shared: only
/// one source at a time calls them.
#[must_use]
#[derive(Clone)]
pub struct EventSourceBuilder {
    transport: Transport,
    request: SharedRequest,
    hook: Option<AttemptHook>,
    policy: Option<Reconnect>,
    observer: Observer,
    last_event_id: Option<EventId<'static>>,
    handle: Option<Handle>,
    first_response: FirstResponse,
    reader: Reader,
}

/// A request, or `None` if its body can't be sent again.
struct SharedRequest(Option<Request>);

impl Clone for SharedRequest {
    fn clone(&self) -> Self {
        Self(self.0.as_ref().and_then(Request::try_clone))
    }
}

/// The response that a source begins with. A clone has none, because a response can be read only once.
#[derive(Default)]
struct FirstResponse(Option<Response>);

impl Clone for FirstResponse {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl EventSourceBuilder {
    pub(crate) fn new(transport: Transport, request: Request) -> Self {
        Self {
            transport,
            request: SharedRequest(request.try_clone().and(Some(request))),
            hook: None,
            policy: None,
            observer: Observer::default(),
            last_event_id: None,
            handle: None,
            first_response: FirstResponse::default(),
            reader: Reader::default(),
        }
    }

    /// Sets the reconnect policy. The default is [`Reconnect::new`] for requests that are safe to repeat (`GET`), and
    /// [`Reconnect::never`] for others: a `POST` is sent again only if you set a policy.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Starts after the event with this ID, for example one that an earlier run of the program has stored. A header
    /// `Last-Event-ID` of the request does the same.
    pub fn last_event_id(mut self, id: impl Into<Option<EventId<'static>>>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Starts after the event whose ID an earlier run of the program has stored as this text. One line ending after the
    /// ID is ignored, because editors and `echo` write one. Empty text means that there is no ID.
    ///
    /// # Errors
    ///
    /// [`InvalidField`] if the text is not an ID: if it has several lines, a NUL character, or more than 8 KiB.
    pub fn stored_event_id(self, stored: &str) -> Result<Self, InvalidField> {
        let id = stored.strip_suffix('\n').map_or(stored, |line| line.strip_suffix('\r').unwrap_or(line));
        Ok(self.last_event_id(EventId::new(id)?.into_owned()))
    }

    /// Sets a header of the request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let Some(request) = &mut self.request.0 {
            request.headers_mut().insert(name, value);
        }
        self
    }

    /// Reads this response first, and sends the request only to resume after it.
    ///
    /// Use it if a `POST` must be sent once, and a `GET` resumes its stream when it breaks, as in the Model Context
    /// Protocol. You can also check the response before, because it may not be an event stream.
    pub fn first_response(mut self, response: Response) -> Self {
        self.first_response = FirstResponse(Some(response));
        self
    }

    /// Prepares the request of each attempt, for example because a token expires. `prepare` receives the [`Attempt`],
    /// with the error of the attempt before, and returns the request to send. An error that it returns is final
    /// ([`Error::Attempt`]).
    ///
    /// With this hook, another attempt follows at once after a 401. A second 401 without a good response in between is
    /// final.
    ///
    /// ```no_run
    /// use sse_client::{EventSource, client_builder, reqwest::header::{AUTHORIZATION, HeaderValue}};
    ///
    /// # async fn fetch_token() -> std::io::Result<HeaderValue> { Ok(HeaderValue::from_static("Bearer token")) }
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = client_builder().build()?;
    /// let request = client.get("https://example.com/events").build()?;
    /// let source = EventSource::builder(client, request)
    ///     .on_attempt(async |mut attempt| {
    ///         attempt.request.headers_mut().insert(AUTHORIZATION, fetch_token().await?);
    ///         Ok::<_, std::io::Error>(attempt.request)
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_attempt<F, R, E>(mut self, mut prepare: F) -> Self
    where
        F: FnMut(Attempt) -> R + Send + 'static,
        R: Future<Output = Result<Request, E>> + MaybeSend + 'static,
        E: Into<BoxError>,
    {
        self.hook = Some(Arc::new(Mutex::new(move |attempt| -> BoxFuture<Result<Request, BoxError>> {
            let prepared = prepare(attempt);
            Box::pin(async { prepared.await.map_err(Into::into) })
        })));
        self
    }

    /// Sets how many redirects the source follows, of those that the client does not follow itself. More redirects are
    /// an [`Error::TooManyRedirects`]. The default is 0, and 20 for [`EventSource::get`] and
    /// [`EventSource::builder_for`].
    ///
    /// The request is repeated at the new URL. If that URL has another origin, only these headers are sent there:
    /// `Accept`, `Accept-Language`, `Cache-Control`, `Content-Type`, `Last-Event-ID`, `Pragma` and `User-Agent`.
    ///
    /// By default, a client of reqwest follows redirects itself. It does not send `Authorization` and `Cookie` to
    /// another host, but it does send all other headers. If your secret is in another header, let the source follow
    /// redirects:
    ///
    /// ```no_run
    /// use sse_client::{EventSource, client_builder, reqwest::redirect::Policy};
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = client_builder().redirect(Policy::none()).build()?;
    /// let request = client.get("https://example.com/events").header("x-api-key", "secret").build()?;
    /// let source = EventSource::builder(client, request).max_redirects(20).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The client's [`default_headers`](reqwest::ClientBuilder::default_headers) are sent with every request, to any
    /// origin. Do not put secrets there.
    pub fn max_redirects(mut self, limit: u32) -> Self {
        self.transport.set_max_redirects(limit);
        self
    }

    /// Limits the time until the response, with connecting and redirects. The default is 60 s; `None` sets no limit.
    /// After this time another attempt follows.
    pub fn response_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.transport.set_response_timeout(limit.into());
        self
    }

    /// Sets how responses are read. It replaces the settings that were made before.
    pub fn read_settings(mut self, settings: &ReadSettings) -> Self {
        self.reader.adopt(&settings.reader);
        self.transport.set_accepted(settings.accepted);
        self
    }

    response_settings!(transport);
    reader_settings!();

    /// Calls `observer` with a [`Notice`] of each connection, chunk of bytes, last event ID and wait. It is called
    /// while the source is polled, so it must not block.
    pub fn on_notice(mut self, observer: impl FnMut(Notice<'_>) + Send + 'static) -> Self {
        self.observer = Observer::new(observer);
        self
    }

    /// Lets `handle` close or reconnect the source from another task or thread, or from an observer.
    pub fn handle(mut self, handle: &Handle) -> Self {
        self.handle = Some(handle.clone());
        self
    }

    /// Returns the source. It connects when it is polled for the first time.
    ///
    /// # Errors
    ///
    /// [`Error::BodyNotRepeatable`] if the body of the request is a stream, which can't be sent again.
    pub fn build(self) -> Result<EventSource, Error> {
        let request = self.request.0.ok_or(Error::BodyNotRepeatable)?;
        let (template, header) = Template::new(request)?;
        let default = if template.is_safe() { Reconnect::new } else { Reconnect::never };
        let policy = self.policy.unwrap_or_else(default);
        let mut reader = self.reader;
        // If the policy reconnects, the next connection receives the unfinished event again.
        reader.give_unfinished(!policy.tries_again_after(Cause::End, true));
        let reconnector = match self.hook {
            Some(_) => Reconnector::with_renewed_requests(policy),
            None => Reconnector::new(policy),
        };
        if let Some(id) = self.last_event_id.or(header) {
            reader.set_last_event_id(&id);
        }
        let accepted = self.transport.accepted();
        let first_response = self.first_response.0;
        let first_response =
            first_response.map(|response| -> BoxFuture<_> { Box::pin(accepted.check(response)) });
        let connector = Connector::new(self.transport, template, self.hook);
        Ok(EventSource::new(connector, reconnector, reader, self.observer, self.handle, first_response))
    }
}

impl fmt::Debug for EventSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request.0.as_ref().map(ShownRequest);
        f.debug_struct("EventSourceBuilder").field("request", &request).finish_non_exhaustive()
    }
}
