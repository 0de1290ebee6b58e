//! How the stream of a subscriber leaves hyper: from the body that hyper asks, to the server that owns the connection.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::delivery::Delivery;
use crate::sync::{AtomicBool, Mutex};

/// In the extensions of a response: says that its body passes the bytes of a [`Body`](crate::Body) on as they are.
///
/// [`serve`](crate::serve) then writes the stream to its connection without asking the body again, which takes a
/// fraction of the time and memory. It does so by itself if the service's type of body is [`Body`](crate::Body). A
/// service that wraps the body, to count streams or to have one type for all its responses, says by this mark that the
/// wrapper changes nothing, and that no other stream was made of the request. The wrapper is dropped when the stream
/// ends.
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

/// The way of one connection's streams out of hyper, in the extensions of its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handover(Arc<Way>);

#[derive(Debug, Default)]
struct Way {
    /// Whether a stream is wanted, or on its way: for a look without the lock. Most looks come from streams that stay.
    is_wanted: AtomicBool,
    stage: Mutex<Stage>,
}

#[derive(Default)]
enum Stage {
    /// The body goes on under hyper.
    #[default]
    Unwanted,
    /// A body is to give its stream, when its first bytes are with hyper: this stream, or any.
    Wanted { terms: Terms, stream: Option<StreamId> },
    /// The body has given it.
    Offered(Handed),
    /// All that hyper had to write has been written.
    Flushed(Handed),
}

/// A stream that has left hyper.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) delivery: Box<Delivery>,
    /// The body in which it came, if that is to see the end of the stream.
    pub(crate) body: Option<Kept>,
    pub(crate) terms: Terms,
}

/// How the body of a response ends, over HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Whether it comes in chunks; else it ends with the connection.
    pub(crate) is_chunked: bool,
    /// Whether another request may follow on the connection.
    pub(crate) is_kept_alive: bool,
}

/// Tells a stream from others that are there.
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
    /// A body is to give its stream: this one; or any, if the response says that it passes one on.
    pub(crate) fn want(&self, terms: Terms, stream: Option<StreamId>) {
        self.set(Stage::Wanted { terms, stream });
    }

    /// No body is to give its stream.
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

    /// Gives a stream, if it is wanted; else it comes back.
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

    /// Keeps the body until the stream ends that it has given.
    pub(crate) fn keep(&self, body: Kept) {
        if let Stage::Offered(handed) = &mut *self.0.stage.lock() {
            handed.body = Some(body);
        }
    }

    /// Notes that hyper has written everything that it had.
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

    /// The stream, when hyper has done its part.
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
