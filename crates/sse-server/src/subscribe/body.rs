//! The body of a response: an event stream, or a short text.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::delivery::Delivery;
use super::handover::{Handover, StreamId};
use super::messages::Messages;

/// The body of a response from a [`Route`](crate::Route) or a [`MessageStream`](crate::MessageStream).
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
enum Content {
    /// Empty after it has been read.
    Full(Bytes),
    Events {
        delivery: Box<Delivery>,
        /// The way out of hyper, if there may be one.
        handover: Option<Handover>,
    },
    /// A stream that has left hyper.
    HandedOver,
    Messages(Box<Messages>),
}

impl Body {
    /// Returns an empty body.
    pub const fn empty() -> Self {
        Self(Content::Full(Bytes::new()))
    }

    /// Returns the id of the stream, if the body is a stream.
    pub(crate) fn stream(&self) -> Option<StreamId> {
        match &self.0 {
            Content::Events { delivery, .. } => Some(StreamId::of(delivery)),
            _ => None,
        }
    }

    /// Gives the stream to the server, if the server wants it.
    fn hand_over(
        &mut self,
        handover: &Handover,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let content = mem::replace(&mut self.0, Content::HandedOver);
        if let Content::Events { delivery, .. } = content
            && let Some(delivery) = handover.offer(delivery)
        {
            self.0 = Content::Events { delivery, handover: None };
            return http_body::Body::poll_frame(Pin::new(self), cx);
        }
        Poll::Pending
    }

    pub(crate) fn events(delivery: Delivery, handover: Option<Handover>) -> Self {
        Self(Content::Events { delivery: Box::new(delivery), handover })
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
            Content::Full(bytes) => Some(mem::take(bytes)),
            Content::Events { delivery, handover } => {
                // The first bytes go out together with the head of the response.
                if let Some(handover) = handover.take_if(|_| !delivery.has_opening()) {
                    return self.hand_over(&handover, cx);
                }
                ready!(delivery.poll_next(cx))
            }
            // hyper drops the body soon.
            Content::HandedOver => return Poll::Pending,
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
            Content::Events { .. } | Content::HandedOver | Content::Messages(_) => SizeHint::default(),
        }
    }
}
