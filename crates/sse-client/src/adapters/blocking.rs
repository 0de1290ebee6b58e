//! Events without async: an iterator.

use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use futures_core::{FusedStream, Stream};
use tokio::runtime::{Builder, Handle, Runtime};

use super::typed::Typed;
use super::with_comments::WithComments;
use super::with_ids::WithIds;
use crate::error::Error;
use crate::source::EventSource;

/// The events of a source, for programs without async: an iterator that blocks until there is one.
///
/// ```no_run
/// use sse_client::EventSource;
///
/// # fn main() -> Result<(), sse_client::Error> {
/// for event in EventSource::get("https://example.com/events")?.blocking() {
///     println!("{}", event?.data());
/// }
/// # Ok(())
/// # }
/// ```
///
/// It behaves as the source does: see [`EventSource`]. Connections are served only while it is asked for the next
/// event.
///
/// Within an async runtime it gives [`Error::Runtime`] and then ends: nothing may block there.
#[derive(Debug)]
#[must_use = "nothing is requested unless it is iterated over"]
pub struct Blocking<S> {
    events: S,
    /// Made for the first event.
    runtime: Option<Runtime>,
    ended: bool,
}

impl<S> Blocking<S> {
    fn new(events: S) -> Self {
        Self { events, runtime: None, ended: false }
    }

    /// The source.
    pub fn get_ref(&self) -> &S {
        &self.events
    }

    /// The source, to close it, say: its connection is closed when what this returns is dropped.
    pub fn get_mut(&mut self) -> BlockingMut<'_, S>
    where
        S: FusedStream,
    {
        BlockingMut { iterator: self }
    }

    /// Closes the sockets: nobody serves them if the source is over, since the runtime runs only during `next`.
    fn stop(&mut self) {
        // To wait for its threads, as a runtime does when it is dropped, is a panic within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The source of a [`Blocking`], as [`Blocking::get_mut`] returns it.
#[derive(Debug)]
pub struct BlockingMut<'b, S: FusedStream> {
    iterator: &'b mut Blocking<S>,
}

impl<S: FusedStream> Deref for BlockingMut<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.iterator.events
    }
}

impl<S: FusedStream> DerefMut for BlockingMut<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.iterator.events
    }
}

impl<S: FusedStream> Drop for BlockingMut<'_, S> {
    fn drop(&mut self) {
        if self.iterator.events.is_terminated() {
            self.iterator.stop();
        }
    }
}

fn check_no_runtime() -> io::Result<()> {
    if Handle::try_current().is_err() {
        return Ok(());
    }
    Err(io::Error::other(
        "an iterator of events would block the async runtime that it is used in; use the source itself there",
    ))
}

fn new_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

impl<S, T> Iterator for Blocking<S>
where
    S: Stream<Item = Result<T, Error>> + Unpin,
{
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match check_no_runtime().and_then(|()| self.runtime.take().map_or_else(new_runtime, Ok)) {
            Ok(runtime) => {
                let next = runtime.block_on(poll_fn(|cx| Pin::new(&mut self.events).poll_next(cx)));
                self.runtime = Some(runtime);
                if next.is_none() {
                    self.ended = true;
                    self.stop();
                }
                next
            }
            Err(error) => {
                self.ended = true;
                Some(Err(Error::Runtime(error)))
            }
        }
    }
}

impl<S> Drop for Blocking<S> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl EventSource {
    /// The events for a program without async: an iterator that blocks.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl<T> Typed<EventSource, T> {
    /// The values for a program without async: an iterator that blocks.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl<T> WithIds<EventSource, T> {
    /// The values with their ids for a program without async: an iterator that blocks.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl WithComments<EventSource> {
    /// The events and comments for a program without async: an iterator that blocks.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}
