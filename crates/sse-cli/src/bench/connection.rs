//! One connection to the server: an event stream that is read, or the POSTs of the publisher.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;

use crate::bench::sources::{self, Server, Sources};
use crate::bench::stream::{Stream, Tls};
use crate::failure::Exit;
use crate::tls;

/// Why a subscriber got no stream, or the publisher no answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// The server answered with something else.
    Answer(String),
    /// It did not answer.
    Unreachable(String),
}

impl Refusal {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Answer(_) => Exit::Refused,
            Self::Unreachable(_) => Exit::Failed,
        }
    }

    fn status(status: StatusCode) -> Self {
        let hint = match status {
            StatusCode::UNAUTHORIZED => " (give a token with --token)",
            StatusCode::FORBIDDEN => " (the token does not allow it)",
            _ if status.is_redirection() => " (redirects are not followed)",
            _ => "",
        };
        Self::Answer(format!("{status}{hint}"))
    }

    fn http(error: &hyper::Error) -> Self {
        if error.is_parse() {
            return Self::Answer(format!("something other than HTTP: {error}"));
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return Self::Unreachable("closed before an answer".to_owned());
        }
        Self::Unreachable(format!("broken before an answer: {error}"))
    }

    fn tls(error: &io::Error) -> Self {
        let error = error.to_string();
        Self::Unreachable(format!("TLS failed: {error}{}", tls::hint(&error)))
    }

    fn io(error: &io::Error, server: &Server) -> Self {
        if sources::is_out_of_ports(error) {
            let room = "no port left for more connections to one server; net.ipv4.ip_local_port_range has the bounds";
            return Self::Unreachable(room.to_owned());
        }
        Self::Unreachable(match error.kind() {
            io::ErrorKind::ConnectionRefused => format!("nothing listens on {server}"),
            _ => error.to_string(),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Answer(text) | Self::Unreachable(text)) = self;
        f.write_str(text)
    }
}

/// Where requests go, and what they carry.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) sources: Sources,
    /// If requests go in TLS.
    pub(super) tls: Option<Tls>,
    pub(super) uri: Uri,
    /// With a host.
    pub(super) headers: HeaderMap,
}

impl Target {
    fn request<B>(&self, method: Method, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    async fn connect(&self, subscriber: usize) -> Result<TokioIo<Stream>, Refusal> {
        let socket = self.sources.connect(subscriber).await;
        let socket = socket.map_err(|error| Refusal::io(&error, self.sources.server()))?;
        let stream = match &self.tls {
            None => Stream::Left(socket),
            Some(tls) => tls.begin(socket).await.map_err(|error| Refusal::tls(&error))?,
        };
        Ok(TokioIo::new(stream))
    }
}

/// The headers of a target at this host.
pub(super) fn headers(mut headers: HeaderMap, host: HeaderValue) -> HeaderMap {
    headers.entry(HOST).or_insert(host);
    headers
}

/// An event stream, read without a task of its own.
#[derive(Debug)]
pub(super) struct EventStream {
    /// `None` once it has ended. The body may still have bytes to read.
    connection: Option<Connection<TokioIo<Stream>, Empty<Bytes>>>,
    body: Incoming,
}

impl EventStream {
    /// Opens the stream of the subscriber with this number.
    pub(super) async fn open(target: &Target, subscriber: usize) -> Result<Self, Refusal> {
        let io = target.connect(subscriber).await?;
        let handshake = Builder::new().handshake(io).await;
        let (mut sender, mut connection) = handshake.map_err(|error| Refusal::http(&error))?;
        let mut request = target.request(Method::GET, Empty::new());
        for (name, value) in [(ACCEPT, "text/event-stream"), (CACHE_CONTROL, "no-store")] {
            request.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
        let mut response = pin!(sender.send_request(request));
        let (response, connection) = tokio::select! {
            biased;
            response = &mut response => (response, Some(connection)),
            // If the connection ends, the response is an error, or has already come.
            _ = &mut connection => (response.await, None),
        };
        let response = response.map_err(|error| Refusal::http(&error))?;
        check(&response)?;
        Ok(Self { connection, body: response.into_body() })
    }

    /// The next bytes, as they come; `None` at the end of the stream, however it ends.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(context).is_ready()
        {
            self.connection = None;
        }
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            let Some(Ok(frame)) = frame else { return Poll::Ready(None) };
            if let Ok(bytes) = frame.into_data() {
                return Poll::Ready(Some(bytes));
            }
        }
    }
}

/// Returns whether this is an event stream.
fn check<B>(response: &Response<B>) -> Result<(), Refusal> {
    if response.status() != StatusCode::OK {
        return Err(Refusal::status(response.status()));
    }
    let text =
        |name| response.headers().get(name).map(|value| value.to_str().unwrap_or("text that is not ASCII"));
    let content_type = text(CONTENT_TYPE).unwrap_or("nothing");
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("text/event-stream") {
        return Err(Refusal::Answer(format!("not an event stream: the content type is {content_type}")));
    }
    match text(CONTENT_ENCODING) {
        None | Some("identity") => Ok(()),
        Some(encoding) => Err(Refusal::Answer(format!("an event stream that is compressed: {encoding}"))),
    }
}

/// The publisher's connection. It is kept, and opened again if the server has closed it meanwhile.
#[derive(Debug)]
pub(super) struct Poster {
    target: Target,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Poster {
    pub(super) fn new(target: Target) -> Self {
        Self { target, sender: None }
    }

    /// POSTs this, and waits until the server has taken it.
    pub(super) async fn post(&mut self, content_type: &'static str, body: Bytes) -> Result<(), Refusal> {
        let sender = self.ready().await?;
        let request = {
            let mut request = self.target.request(Method::POST, Full::new(body));
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            request
        };
        let mut sender = sender;
        let response = sender.send_request(request).await.map_err(|error| Refusal::http(&error))?;
        let (head, mut body) = response.into_parts();
        if !head.status.is_success() {
            return Err(Refusal::status(head.status));
        }
        // The connection can be used again when the body has been read.
        while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {}
        self.sender = Some(sender);
        Ok(())
    }

    async fn ready(&mut self) -> Result<SendRequest<Full<Bytes>>, Refusal> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let io = self.target.connect(0).await?;
        let handshake = Builder::new().handshake(io).await;
        let (sender, connection) = handshake.map_err(|error| Refusal::http(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_response(status: u16, headers: &[(&str, &str)], expected: Result<(), &str>) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let found = check(&response.body(()).unwrap());
        let expected = expected.map_err(|text| Refusal::Answer(text.to_owned()));
        assert_eq!(found, expected, "{status} {headers:?}");
    }

    #[test]
    fn only_an_event_stream_as_it_is_will_do() {
        let stream = ("content-type", "text/event-stream");
        check_response(200, &[stream], Ok(()));
        check_response(200, &[("content-type", "Text/Event-Stream; charset=utf-8")], Ok(()));
        check_response(200, &[stream, ("content-encoding", "identity")], Ok(()));
        check_response(
            200,
            &[stream, ("content-encoding", "gzip")],
            Err("an event stream that is compressed: gzip"),
        );
        check_response(200, &[], Err("not an event stream: the content type is nothing"));
        let html = ("content-type", "text/html");
        check_response(200, &[html], Err("not an event stream: the content type is text/html"));
        check_response(204, &[], Err("204 No Content"));
        check_response(401, &[stream], Err("401 Unauthorized (give a token with --token)"));
        check_response(302, &[stream], Err("302 Found (redirects are not followed)"));
        check_response(503, &[stream], Err("503 Service Unavailable"));
    }
}
