//! Closes or reconnects event sources from outside of the tasks that poll them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// Closes or reconnects event sources from another task or thread, or from an observer.
///
/// It acts on all sources that were built with it or with a clone of it ([`EventSourceBuilder::handle`]):
///
/// [`EventSourceBuilder::handle`]: crate::EventSourceBuilder::handle
///
/// ```no_run
/// use sse_client::{EventSource, Handle};
///
/// # async fn example() -> Result<(), sse_client::Error> {
/// let handle = Handle::new();
/// let mut source = EventSource::builder_for("https://example.com/events")?.handle(&handle).build()?;
/// std::thread::spawn(move || {
///     // … when the user has left the page …
///     handle.close();
/// });
/// while let Some(event) = source.next().await {
///     println!("{}", event?.data());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Handle(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_closed: AtomicBool,
    /// How many times `reconnect` was called.
    reconnects: AtomicU64,
    /// How many sources were built with the handle.
    sources: AtomicU64,
    /// The wakers of the tasks that wait for a source, by the number of the source.
    wakers: Mutex<Vec<(u64, Waker)>>,
}

impl Handle {
    /// Returns a handle without sources.
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the sources, as [`EventSource::close`](crate::EventSource::close) does: they return no further event, not
    /// even one that was received already. Sources that are built with this handle later are closed as well.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Makes the sources reconnect at once, as [`EventSource::reconnect`](crate::EventSource::reconnect) does, for
    /// example because the machine has joined another network.
    pub fn reconnect(&self) {
        self.0.reconnects.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// Returns true if [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Acquire)
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut *self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        // The lock is not held here, because a waker may poll the source at once.
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// What a handle asks of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Close,
    Reconnect,
}

/// The commands of a handle, for one source.
pub(super) struct Commands {
    handle: Handle,
    source: u64,
    /// How many reconnects the source has obeyed.
    reconnects: u64,
}

impl Commands {
    pub(super) fn of(handle: Handle) -> Self {
        let source = handle.0.sources.fetch_add(1, Ordering::Relaxed);
        let reconnects = handle.0.reconnects.load(Ordering::Acquire);
        Self { handle, source, reconnects }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Takes the next command, if there is one.
    pub(super) fn next(&mut self) -> Option<Command> {
        if self.handle.is_closed() {
            return Some(Command::Close);
        }
        let asked = self.handle.0.reconnects.load(Ordering::Acquire);
        let is_new = asked != self.reconnects;
        self.reconnects = asked;
        is_new.then_some(Command::Reconnect)
    }

    /// Registers the task to be woken by the next command. A command that came before does not wake it, so call
    /// [`next`](Self::next) after this.
    pub(super) fn wait(&self, waker: &Waker) {
        let mut wakers = self.handle.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        match wakers.iter_mut().find(|(source, _)| *source == self.source) {
            Some((_, known)) => known.clone_from(waker),
            None => wakers.push((self.source, waker.clone())),
        }
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        let mut wakers = self.handle.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.retain(|(source, _)| *source != self.source);
    }
}
