//! The way of a subscriber's stream out of hyper: from the body, which hyper polls, to the server, which owns the
//! connection.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::delivery::Delivery;
use crate::sync::{AtomicBool, Mutex};

/// A mark for the extensions of a response: the body passes on the bytes of a [`Body`](crate::Body) without a change.
///
/// [`serve`](crate::serve) then writes the stream to its connection without polling the body again, which takes a
/// fraction of the time and memory. It does this without the mark if the service's type of body is
/// [`Body`](crate::Body). Some services wrap the body, to count streams or to have one type of body for all responses.
/// With this mark, such a service says that its wrapper changes nothing, and that it made no other stream from the
/// request. The wrapper is dropped when the stream ends.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::BodyExt;
/// use http_body_util::combinators::UnsyncBoxBody;
/// use sse_server::{PassedThrough, Route};
///
/// type Error = Box<dyn std::error::Error + Send + Sync>;
///
/// fn events(route: &Route, request: &Request<()>) -> Response<UnsyncBoxBody<Bytes, Error>> {
///     let mut response = route.respond(request).map(|body| body.map_err(Error::from).boxed_unsync());
///     response.extensions_mut().insert(PassedThrough);
///     response
/// }
/// # let route = Route::new();
/// # assert_eq!(events(&route, &Request::new(())).status(), 200);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct PassedThrough;

/// The way of one connection's streams out of hyper. It is in the extensions of the connection's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handover(Arc<Way>);

#[derive(Debug, Default)]
struct Way {
    /// Whether a stream is wanted or on its way. It is read without the lock, mostly by streams that stay.
    is_wanted: AtomicBool,
    stage: Mutex<Stage>,
}

#[derive(Default)]
enum Stage {
    /// The body stays in hyper.
    #[default]
    Unwanted,
    /// A body shall give its stream away when hyper has its first bytes: the body of this stream, or any body.
    Wanted { terms: Terms, stream: Option<StreamId> },
    /// The body has given its stream away.
    Offered(Handed),
    /// hyper has written all its bytes.
    Flushed(Handed),
}

/// A stream that has left hyper.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) delivery: Box<Delivery>,
    /// The body that had the stream, if it must see the end of the stream.
    pub(crate) body: Option<Kept>,
    pub(crate) terms: Terms,
}

/// How the body of a response ends, over HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Whether the body comes in chunks. If not, it ends with the connection.
    pub(crate) is_chunked: bool,
    /// Whether another request may follow on the connection.
    pub(crate) is_kept_alive: bool,
}

/// Identifies one of the open streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId(usize);

impl StreamId {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self(ptr::from_ref(delivery).addr())
    }
}

/// A value that is only kept.
pub(crate) type Kept = Pin<Box<dyn Anything + Send>>;

pub(crate) trait Anything {}

impl<T> Anything for T {}

impl Handover {
    /// Asks a body to give its stream away: this stream, or any if the response says that its body passes a stream on.
    pub(crate) fn want(&self, terms: Terms, stream: Option<StreamId>) {
        self.set(Stage::Wanted { terms, stream });
    }

    /// Asks no body for its stream.
    pub(crate) fn want_none(&self) {
        self.set(Stage::Unwanted);
    }

    fn set(&self, stage: Stage) {
        let mut current = self.0.stage.lock();
        self.0.is_wanted.store(!matches!(stage, Stage::Unwanted), Ordering::Release);
        *current = stage;
    }

    fn is_wanted(&self) -> bool {
        self.0.is_wanted.load(Ordering::Acquire)
    }

    /// Gives a stream away if it is wanted, or returns it.
    pub(crate) fn offer(&self, delivery: Box<Delivery>) -> Option<Box<Delivery>> {
        let mut stage = self.0.stage.lock();
        let Stage::Wanted { terms, stream } = *stage else { return Some(delivery) };
        if stream.is_some_and(|stream| stream != StreamId::of(&delivery)) {
            return Some(delivery);
        }
        *stage = Stage::Offered(Handed { delivery, body: None, terms });
        None
    }

    pub(crate) fn is_offered(&self) -> bool {
        matches!(*self.0.stage.lock(), Stage::Offered(_))
    }

    /// Keeps the body until the stream that it had ends.
    pub(crate) fn keep(&self, body: Kept) {
        if let Stage::Offered(handed) = &mut *self.0.stage.lock() {
            handed.body = Some(body);
        }
    }

    /// Notes that hyper has written all its bytes.
    pub(crate) fn flushed(&self) {
        if !self.is_wanted() {
            return;
        }
        let mut stage = self.0.stage.lock();
        *stage = match mem::take(&mut *stage) {
            Stage::Offered(handed) => Stage::Flushed(handed),
            other => other,
        };
    }

    /// Returns the stream, when hyper has written all its bytes.
    pub(crate) fn take(&self) -> Option<Handed> {
        if !self.is_wanted() {
            return None;
        }
        let mut stage = self.0.stage.lock();
        match mem::take(&mut *stage) {
            Stage::Flushed(handed) => {
                self.0.is_wanted.store(false, Ordering::Release);
                Some(handed)
            }
            other => {
                *stage = other;
                None
            }
        }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unwanted => "Unwanted",
            Self::Wanted { .. } => "Wanted",
            Self::Offered(_) => "Offered",
            Self::Flushed(_) => "Flushed",
        })
    }
}

impl fmt::Debug for dyn Anything + Send {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
