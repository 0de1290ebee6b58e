//! The body of a response: an event stream, or a short text.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::delivery::Delivery;
use super::messages::Messages;

/// The body of a response: that of a [`Route`](crate::Route), or of a
/// [`MessageStream`](crate::MessageStream).
///
/// It can also be made of text or bytes, so that a small service needs no other type of body:
///
/// ```
/// use http::Response;
/// use sse_server::Body;
///
/// let page: Response<Body> = Response::new("<!doctype html> …".into());
/// ```
#[derive(Debug)]
pub struct Body(Content);

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the one that there are many of")]
enum Content {
    /// Empty when it has been read.
    Full(Bytes),
    /// Not boxed: hyper has its body in a box, and each delivery would wait for one more line of memory.
    Events(Delivery),
    Messages(Box<Messages>),
}

impl Body {
    /// A body without a byte.
    pub const fn empty() -> Self {
        Self(Content::Full(Bytes::new()))
    }
}

impl From<Delivery> for Body {
    fn from(delivery: Delivery) -> Self {
        Self(Content::Events(delivery))
    }
}

impl From<Messages> for Body {
    fn from(messages: Messages) -> Self {
        Self(Content::Messages(Box::new(messages)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Content::Full(bytes))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.0 {
            Content::Full(bytes) if bytes.is_empty() => None,
            Content::Full(bytes) => Some(std::mem::take(bytes)),
            Content::Events(delivery) => ready!(delivery.poll_next(cx)),
            Content::Messages(messages) => ready!(messages.poll_next(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Content::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Events(_) | Content::Messages(_) => SizeHint::default(),
        }
    }
}
