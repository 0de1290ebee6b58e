//! What a connection adds to the service that it serves: the signals that end its streams, and their way out of hyper.

use std::any::{Any, TypeId};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::service::Service;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::in_flight::{Flight, InFlight};
use crate::subscribe::{self, Arrived, Handover, PassedThrough, Shutdown, Stalled, Terms};

/// The address of the peer of a connection. [`serve`](crate::serve) puts it into the extensions of each request. If a
/// proxy forwards the requests, it is the address of the proxy.
///
/// ```
/// use http::{Request, Response};
/// use sse_server::{Body, PeerAddress, Route};
///
/// fn events(route: &Route, request: &Request<()>) -> Response<Body> {
///     let subscription = route.subscribe(request);
///     match request.extensions().get::<PeerAddress>() {
///         Some(PeerAddress(peer)) => subscription.client(&peer.ip().to_string()).respond(),
///         None => subscription.respond(),
///     }
/// }
/// # let route = Route::new();
/// # assert_eq!(events(&route, &Request::new(())).status(), 200);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The service of one connection.
pub(crate) struct Connected<S> {
    pub(crate) service: S,
    pub(crate) shutdown: Shutdown,
    /// The address of the peer, if the system knows it.
    pub(crate) peer: Option<PeerAddress>,
    /// Set when the connection is cut by its write deadline.
    pub(crate) stalled: Stalled,
    /// The way of its streams out of hyper. `None` if they stay.
    pub(crate) handover: Option<Handover>,
    /// On a connection of HTTP/2: the requests that are not fully answered.
    pub(crate) in_flight: Option<InFlight>,
}

impl<S, R, B> Service<Request<R>> for Connected<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    R: Body,
    B: 'static,
{
    type Response = Response<Passing<B>>;
    type Error = S::Error;
    type Future = Responding<S::Future>;

    fn call(&self, mut request: Request<R>) -> Self::Future {
        let terms = terms(&request);
        let extensions = request.extensions_mut();
        self.shutdown.attach(extensions);
        extensions.insert(self.stalled.clone());
        extensions.insert(Arrived(Instant::now()));
        if let Some(peer) = self.peer {
            extensions.insert(peer);
        }
        let way = self.handover.clone().zip(terms);
        if let Some((handover, _)) = &way {
            handover.want_none();
            extensions.insert(handover.clone());
        }
        let flight = self.in_flight.as_ref().map(InFlight::begin);
        Responding { future: self.service.call(request), way, flight }
    }
}

pin_project! {
    /// The response of a service.
    pub(crate) struct Responding<F> {
        #[pin]
        future: F,
        way: Option<(Handover, Terms)>,
        flight: Option<Flight>,
    }
}

impl<F, B, E> Future for Responding<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: 'static,
{
    type Output = Result<Response<Passing<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        let way = this.way.take().filter(|_| may_leave(&response));
        let own = (response.body() as &dyn Any).downcast_ref::<subscribe::Body>();
        let (is_marked, stream) =
            (response.extensions().get::<PassedThrough>().is_some(), own.and_then(subscribe::Body::stream));
        let way = way.filter(|_| stream.is_some() || own.is_none() && is_marked);
        Poll::Ready(Ok(if let Some((handover, terms)) = way {
            handover.want(terms, stream);
            response.map(|body| Passing::Leaving { body: Some(Box::pin(body)), handover })
        } else {
            let flight = this.flight.take();
            response.map(|body| Passing::Staying { body, _flight: flight })
        }))
    }
}

/// Returns how a stream would end that answers this request. `None` if the stream must stay with hyper.
fn terms<R: Body>(request: &Request<R>) -> Option<Terms> {
    if !request.body().is_end_stream() || request.headers().contains_key(UPGRADE) {
        return None;
    }
    match request.version() {
        Version::HTTP_11 => {
            let is_kept_alive = !has_close(request.headers());
            Some(Terms { is_chunked: true, is_kept_alive })
        }
        Version::HTTP_10 => Some(Terms { is_chunked: false, is_kept_alive: false }),
        _ => None,
    }
}

/// Returns whether the peer wants the connection to be closed after the response.
fn has_close(headers: &HeaderMap) -> bool {
    let values =
        headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    values.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Returns whether hyper frames the body as [`terms`] says.
fn may_leave<B>(response: &Response<B>) -> bool {
    let others = [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING];
    response.status() == StatusCode::OK
        && response.version() == Version::HTTP_11
        && !others.iter().any(|name| response.headers().contains_key(name))
}

pin_project! {
    /// The body of a response in hyper.
    #[project = PassingProject]
    pub(crate) enum Passing<B> {
        /// It stays in hyper to its end.
        Staying {
            #[pin]
            body: B,
            _flight: Option<Flight>,
        },
        /// It gives its stream away when hyper has its first bytes. `body` is `None` after that.
        Leaving { body: Option<Pin<Box<B>>>, handover: Handover },
    }
}

impl<B: Body + Send + 'static> Body for Passing<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let (body, handover) = match self.project() {
            PassingProject::Staying { body, .. } => return body.poll_frame(cx),
            PassingProject::Leaving { body, handover } => (body, handover),
        };
        // hyper does not poll the body again.
        let Some(leaving) = body else { return Poll::Pending };
        let frame = leaving.as_mut().poll_frame(cx);
        if frame.is_pending() && handover.is_offered() {
            let empty = body.take();
            // A body that wraps the stream must see the end of the stream.
            if TypeId::of::<B>() != TypeId::of::<subscribe::Body>()
                && let Some(wrapper) = empty
            {
                handover.keep(wrapper);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Staying { body, .. } => body.is_end_stream(),
            Self::Leaving { body, .. } => body.as_ref().is_some_and(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Staying { body, .. } => body.size_hint(),
            Self::Leaving { body, .. } => body.as_ref().map_or(SizeHint::new(), Body::size_hint),
        }
    }
}
