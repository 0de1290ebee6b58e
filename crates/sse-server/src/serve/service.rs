//! What a connection adds to the service that it serves: the signals by which streams end, and their way out of hyper.

use std::any::{Any, TypeId};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::service::Service;
use pin_project_lite::pin_project;

use super::in_flight::{Flight, InFlight};
use crate::subscribe::{self, Handover, PassedThrough, Shutdown, Stalled, Terms};

/// In the extensions of a request under [`serve`](crate::serve): the address at the other end of its connection. Behind
/// a proxy, that is the address of the proxy.
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
    /// Where the connection comes from, if the system knows.
    pub(crate) peer: Option<PeerAddress>,
    /// The mark of a connection that stalls.
    pub(crate) stalled: Stalled,
    /// The way of its streams out of hyper, if there is one.
    pub(crate) handover: Option<Handover>,
    /// Of a connection of HTTP/2, the requests that are not answered in full.
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

/// How a stream would end that answers this request; `None` if hyper still has something to do for the request then.
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

/// Whether the peer wants the connection to be closed after the response.
fn has_close(headers: &HeaderMap) -> bool {
    let values =
        headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    values.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Whether hyper frames the body as [`terms`] says.
fn may_leave<B>(response: &Response<B>) -> bool {
    let others = [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING];
    response.status() == StatusCode::OK
        && response.version() == Version::HTTP_11
        && !others.iter().any(|name| response.headers().contains_key(name))
}

pin_project! {
    /// The body of a response, on its way through hyper.
    #[project = PassingProject]
    pub(crate) enum Passing<B> {
        /// It stays to its end.
        Staying {
            #[pin]
            body: B,
            _flight: Option<Flight>,
        },
        /// It gives its stream as soon as hyper has its first bytes. `None` when it has.
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
        // hyper asks no more.
        let Some(leaving) = body else { return Poll::Pending };
        let frame = leaving.as_mut().poll_frame(cx);
        if frame.is_pending() && handover.is_offered() {
            let empty = body.take();
            // A wrapper is to see the end of the stream.
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
