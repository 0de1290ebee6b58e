//! The signal by which a server ends the event streams on its connections.
//!
//! A graceful shutdown waits until responses end, and an event stream does not end by itself. So the extensions of each
//! request have a [`Shutdown`], and the subscriber that is made from the request polls it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::Extensions;

use crate::sync::{AtomicBool, Delay, Mutex, Ticket, Wakers, addresses};

/// A signal that ends event streams when their server shuts down.
///
/// [`serve`](crate::serve) needs no further code. With another server, put the signal into the
/// [extensions](http::Extensions) of each request. With axum, that is a layer of `Extension(shutdown.clone())`, as in
/// the example `board`. The signal is a handle, and its clones are the same signal.
///
/// A signal of your own does not replace the signal of `serve`: the first of the two ends the stream. Add further
/// signals by [`attach`](Self::attach).
///
/// ```
/// use http::Request;
/// use sse_server::{Route, Shutdown};
///
/// let shutdown = Shutdown::new();
/// let request = Request::get("/events").extension(shutdown.clone()).body(()).unwrap();
/// let response = Route::new().respond(&request);
/// // The body ends after the messages that were published before this call.
/// shutdown.begin();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    /// Whether the signal was given. It is read without the lock.
    has_begun: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The time within which the streams end. `None` before the signal is given.
    begun: Option<Duration>,
    wakers: Wakers,
}

impl Shutdown {
    /// Returns a signal that has not been given.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the signal to the signals that end the stream of a request.
    ///
    /// ```
    /// use http::Request;
    /// use sse_server::{Route, Shutdown};
    ///
    /// let (server, tenant) = (Shutdown::new(), Shutdown::new());
    /// let mut request = Request::get("/events").body(()).unwrap();
    /// server.attach(request.extensions_mut());
    /// tenant.attach(request.extensions_mut());
    /// let response = Route::new().respond(&request);
    /// // Either of them ends the stream.
    /// tenant.begin();
    /// ```
    pub fn attach(&self, extensions: &mut Extensions) {
        let mut signals = extensions.get::<Signals>().cloned().unwrap_or_default();
        signals.0.push(self.clone());
        extensions.insert(signals);
    }

    /// Gives the signal. Each stream ends after the messages that were published before. Its client reconnects, to
    /// another server if there is one.
    pub fn begin(&self) {
        self.begin_within(Duration::ZERO);
    }

    /// Gives the signal. Each stream goes on until it ends at a random moment within `spread`, so that not all clients
    /// reconnect at once.
    pub fn begin_within(&self, spread: Duration) {
        let mut state = self.0.state.lock();
        state.begun.get_or_insert(spread);
        self.0.has_begun.store(true, Ordering::Release);
        let wakers = state.wakers.take();
        drop(state);
        wakers.into_iter().for_each(|(_, waiting)| waiting.wake());
    }

    /// Returns whether the signal was given.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Acquire)
    }

    /// Completes when the signal is given.
    pub async fn begun(&self) {
        let mut waiter = self.waiter();
        poll_fn(|cx| waiter.poll_begun(cx)).await;
    }

    /// Returns the signal for a future that also polls something else.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter { shutdown: self.clone(), ticket: Ticket::NONE, left: None }
    }

    /// Returns the signal for one stream.
    pub(crate) fn ending(&self) -> Ending {
        Ending { waiter: self.waiter(), delay: None }
    }
}

/// All signals that end the stream of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Vec<Shutdown>);

impl Signals {
    /// Returns the signals of a request.
    pub(crate) fn endings(extensions: &Extensions) -> Box<[Ending]> {
        let attached = extensions.get::<Self>().into_iter().flat_map(|signals| &signals.0);
        attached.chain(extensions.get::<Shutdown>()).map(Shutdown::ending).collect()
    }

    /// Returns the signals that end a stream.
    pub(crate) fn of(endings: &[Ending]) -> Self {
        Self(endings.iter().map(|ending| ending.waiter.shutdown.clone()).collect())
    }

    /// Returns whether any of the signals was given.
    pub(crate) fn have_begun(&self) -> bool {
        self.0.iter().any(Shutdown::has_begun)
    }
}

/// Waits for the signal.
#[derive(Debug)]
pub(crate) struct Waiter {
    shutdown: Shutdown,
    ticket: Ticket,
    /// The waker that it has left, as the two addresses of the waker.
    left: Option<(usize, usize)>,
}

impl Waiter {
    /// Returns whether it has left this waker, and the signal has not been given.
    pub(crate) fn is_quiet(&self, waker: &Waker) -> bool {
        self.left == Some(addresses(waker)) && !self.shutdown.has_begun()
    }

    pub(crate) fn poll_begun(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.is_quiet(cx.waker()) {
            return Poll::Pending;
        }
        if self.shutdown.has_begun() {
            return Poll::Ready(());
        }
        let signal = &self.shutdown.0;
        let own = Some(addresses(cx.waker()));
        let waker = cx.waker().clone();
        let mut state = signal.state.lock();
        if state.begun.is_some() {
            return Poll::Ready(());
        }
        let replaced = state.wakers.wait(&mut self.ticket, waker);
        drop(state);
        drop::<Option<Waker>>(replaced);
        self.left = own;
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.shutdown.0.state.lock();
        let waker = state.wakers.remove(&mut self.ticket);
        drop(state);
        drop(waker);
    }
}

/// The signal for one stream.
#[derive(Debug)]
pub(crate) struct Ending {
    waiter: Waiter,
    delay: Option<Delay>,
}

impl Ending {
    /// Returns whether it waits for this signal.
    pub(crate) fn is_of(&self, shutdown: &Shutdown) -> bool {
        Arc::ptr_eq(&self.waiter.shutdown.0, &shutdown.0)
    }

    /// Returns whether it has left this waker, and the signal has not been given.
    pub(crate) fn is_quiet(&self, waker: &Waker) -> bool {
        self.waiter.is_quiet(waker)
    }

    /// Ready when it is this stream's turn to end. It may be polled again after that.
    pub(crate) fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.waiter.poll_begun(cx));
        let state = &self.waiter.shutdown.0.state;
        let delay = self.delay.get_or_insert_with(|| {
            let spread = state.lock().begun.unwrap_or_default();
            Delay::new(spread.mul_f64(fastrand::f64()))
        });
        delay.poll(cx)
    }
}
