//! An iterator of events, for programs without async.

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

/// An iterator over the events of a source, for programs without async. `next` blocks until there is an event.
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
/// It behaves as its [`EventSource`] does. It reads from its connection only during `next`.
///
/// Do not use it within an async runtime, where nothing may block: it returns [`Error::Runtime`] there, and ends.
#[derive(Debug)]
#[must_use = "nothing is requested unless it is iterated over"]
pub struct Blocking<S> {
    events: S,
    /// Created by the first call of `next`.
    runtime: Option<Runtime>,
    ended: bool,
}

impl<S> Blocking<S> {
    fn new(events: S) -> Self {
        Self { events, runtime: None, ended: false }
    }

    /// Returns the source.
    pub fn get_ref(&self) -> &S {
        &self.events
    }

    /// Returns the source, for example to close it. Its connection is then closed when the returned value is dropped.
    pub fn get_mut(&mut self) -> BlockingMut<'_, S>
    where
        S: FusedStream,
    {
        BlockingMut { iterator: self }
    }

    /// Closes the sockets. The runtime, which would close them when the source ends, runs only during `next`.
    fn stop(&mut self) {
        // Dropping a runtime waits for its threads, which panics within another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The source of a [`Blocking`], which [`Blocking::get_mut`] returns.
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
        "a blocking iterator of events can't be used within an async runtime; use the source itself",
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
    /// Returns a blocking iterator over the events, for programs without async.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl<T> Typed<EventSource, T> {
    /// Returns a blocking iterator over the values, for programs without async.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl<T> WithIds<EventSource, T> {
    /// Returns a blocking iterator over the values with their ids, for programs without async.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl WithComments<EventSource> {
    /// Returns a blocking iterator over the events and comments, for programs without async.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}
