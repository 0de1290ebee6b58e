//! Events and comments.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use crate::error::Error;
use crate::read::{EventStream, Item};
use crate::source::EventSource;

/// The events of a source or of a response, and its comments, in the order in which they came.
///
/// ```no_run
/// use sse_client::{EventSource, Item};
///
/// # async fn example() -> Result<(), sse_client::Error> {
/// let mut items = EventSource::get("https://example.com/events")?.with_comments();
/// while let Some(item) = items.next().await {
///     match item? {
///         Item::Event(event) => println!("{}", event.data()),
///         Item::Comment(text) => println!("-- {text}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// A comment is given when its line has ended, which may be in the middle of an event: it then comes before that event. One
/// of more than 8 KiB is skipped, and [`Error::TooLarge`] tells of it; the stream goes on.
#[derive(Debug)]
#[must_use = "nothing is read unless it is polled"]
pub struct WithComments<S>(S);

impl<S> WithComments<S> {
    /// The source, or the stream, that the events are of.
    pub fn get_ref(&self) -> &S {
        &self.0
    }

    /// The source, or the stream, that the events are of: to close it, say.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S> WithComments<S>
where
    Self: Stream<Item = Result<Item, Error>> + Unpin,
{
    /// Returns the next event or comment, or `None` at the end.
    ///
    /// The future may be dropped at any time, as `select!` does: nothing is lost.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

macro_rules! with_comments {
    ($($events:ident),*) => {$(
        impl $events {
            /// Returns the events together with the comments.
            pub fn with_comments(mut self) -> WithComments<Self> {
                self.reader_mut().give_comments();
                WithComments(self)
            }
        }

        impl Stream for WithComments<$events> {
            type Item = Result<Item, Error>;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                if let Poll::Ready(event) = Pin::new(&mut self.0).poll_next(cx) {
                    return Poll::Ready(event.map(|event| event.map(Item::Event)));
                }
                let comment = self.0.reader_mut().take_comment();
                comment.map_or(Poll::Pending, |comment| Poll::Ready(Some(Ok(Item::Comment(comment)))))
            }
        }

        impl FusedStream for WithComments<$events> {
            fn is_terminated(&self) -> bool {
                self.0.is_terminated()
            }
        }
    )*};
}

with_comments!(EventSource, EventStream);
