//! Events together with comments.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use crate::error::Error;
use crate::read::{EventStream, Item};
use crate::source::EventSource;

/// The events and comments of a source or of a response, in the order of the stream.
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
/// A comment is returned when its line has ended. If it stands within an event, it is returned before that event. A
/// comment of more than 8 KiB is skipped with an [`Error::TooLarge`], and the stream goes on.
#[derive(Debug)]
#[must_use = "nothing is read unless it is polled"]
pub struct WithComments<S>(S);

impl<S> WithComments<S> {
    /// Returns the source or the stream of the events.
    pub fn get_ref(&self) -> &S {
        &self.0
    }

    /// Returns the source or the stream of the events, for example to close it.
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
    /// Dropping the future, as `select!` does, loses no event and no comment.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

macro_rules! with_comments {
    ($($events:ident),*) => {$(
        impl $events {
            /// Returns the events and the comments, in the order of the stream.
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
