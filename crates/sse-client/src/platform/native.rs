//! tokio's clock, and the frames of hyper.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use reqwest::{Client, ClientBuilder, Request, Response, redirect};
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

pub use std::time::Instant;

/// `Send`, but in a browser, where a future stays in its thread.
pub trait MaybeSend: Send {}
impl<T: Send> MaybeSend for T {}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Sends a request.
pub(crate) type SendRequest = dyn Fn(Request) -> BoxFuture<reqwest::Result<Response>> + Send + Sync;

/// A client that leaves redirects to the event source, which knows what is secret.
pub(crate) fn client() -> reqwest::Result<Client> {
    client_builder().redirect(redirect::Policy::none()).build()
}

/// How many headers a response may have. Browsers take several hundred, hyper 100.
const MAX_HEADERS: usize = 1000;

/// Returns the settings of a reqwest client that fit event streams: those of the clients that this crate makes. What
/// else a client needs is set on top.
///
/// - 10 s for a server to accept a connection.
/// - HTTP/2: a PING every 30 s, also on an idle connection, which is closed if nothing comes for 20 s. A connection that
///   is dead while its TCP lives would else be given to the next attempt, and to every one after it.
/// - HTTP/2: 1 MiB in flight for each stream, and no common bound. reqwest's own bound is 5 MiB for a connection: three
///   streams that nobody reads use it up, and all other streams on that connection stand still.
/// - HTTP/1.1: 1000 headers. HTTP/2: 256 KiB of headers.
///
/// Unlike the clients that this crate makes, it follows redirects as reqwest does: see
/// [`max_redirects`](crate::EventSourceBuilder::max_redirects).
///
/// ```no_run
/// use sse_client::EventSource;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// // One client, which all sources share.
/// let client = sse_client::client_builder().user_agent("dashboard/1.0").build()?;
/// for topic in ["news", "prices"] {
///     let request = client.get(format!("https://example.com/{topic}")).build()?;
///     let source = EventSource::builder(client.clone(), request).build()?;
/// }
/// # Ok(())
/// # }
/// ```
pub fn client_builder() -> ClientBuilder {
    let builder = Client::builder().connect_timeout(Duration::from_secs(10)).http1_max_headers(MAX_HEADERS);
    #[cfg(feature = "http2")]
    let builder = builder
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(20))
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(1024 * 1024)
        // The greatest that there is (RFC 9113, 6.9.1): each stream is bounded by its own.
        .http2_initial_connection_window_size(i32::MAX.unsigned_abs())
        .http2_max_header_list_size(256 * 1024);
    builder
}

/// Now, by a clock that tests can pause.
pub(crate) fn now() -> Instant {
    TokioInstant::now().into_std()
}

/// The time of day, since 1970.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Goes off at its deadline.
#[derive(Debug)]
pub(crate) struct Timer(Pin<Box<Sleep>>);

impl Timer {
    pub(crate) fn at(deadline: Instant) -> Self {
        Self(Box::pin(sleep_until(deadline.into())))
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline().into_std()
    }

    pub(crate) fn set(&mut self, deadline: Instant) {
        self.0.as_mut().reset(deadline.into());
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Body(reqwest::Body);

impl Body {
    pub(crate) fn new(response: Response) -> Self {
        Self(response.into())
    }

    /// The next bytes, as they come.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<reqwest::Result<Bytes>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.0).poll_frame(cx)) else { return Poll::Ready(None) };
            match frame.map(Frame::into_data) {
                Ok(Ok(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                // Trailers say nothing about events.
                Ok(Err(_)) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
