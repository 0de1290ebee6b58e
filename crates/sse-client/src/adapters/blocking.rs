//! Events without async: an iterator.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use futures_core::Stream;
use tokio::runtime::{Builder, Handle, Runtime};

use super::typed::Typed;
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

    /// The source: to close it, say.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.events
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
        // To wait for its threads, as a runtime does, is a panic within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
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
