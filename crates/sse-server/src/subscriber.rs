//! One subscriber: what its stream begins with, what it reads from the route, and when it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use sse_codec::Message;

use crate::cursor::Gap;
use crate::deadline::Stalled;
use crate::filter::Filter;
use crate::heartbeat;
use crate::hub::Hub;
use crate::place::Place;
use crate::reader::Next;
use crate::shutdown::Ending;
use crate::timer::{Delay, Pulse};
use crate::trace::Trace;

/// How often in a row a filter may leave everything out before others get their turn.
const ROUNDS: usize = 16;

#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) place: Place,
    /// Goes out first, at once: headers wait for the first byte of the body in some proxies and clients.
    pub(crate) ahead: Option<Bytes>,
    pub(crate) filter: Option<Box<Filter>>,
    /// A heartbeat of its own.
    pub(crate) pulse: Option<Box<Pulse>>,
    /// Its maximum age.
    pub(crate) age: Option<Delay>,
    pub(crate) ending: Option<Ending>,
    pub(crate) stalled: Option<Stalled>,
    pub(crate) end: End,
    pub(crate) trace: Trace,
}

#[derive(Debug)]
pub(crate) enum End {
    Open,
    /// The route is closed, and it is not yet this subscriber's turn.
    Closed(Delay),
    Ended,
}

impl Subscriber {
    /// The next bytes: always whole blocks.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let bytes = if let Some(ahead) = self.ahead.take() {
            ahead
        } else if let Some(bytes) = ready!(self.poll_route(cx)) {
            bytes
        } else {
            self.end = End::Ended;
            return Poll::Ready(None);
        };
        if let Some(pulse) = &mut self.pulse {
            pulse.put_off();
        }
        Poll::Ready(Some(bytes))
    }

    fn poll_route(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.end {
            End::Open => {}
            End::Closed(delay) => return delay.poll(cx).map(|()| None),
            End::Ended => return Poll::Ready(None),
        }
        if self.is_over(cx) {
            return Poll::Ready(None);
        }
        for _ in 0..ROUNDS {
            let Poll::Ready(next) = self.place.poll_next(cx, self.filter.is_some()) else {
                let pulse = self.pulse.as_mut().map_or(Poll::Pending, |pulse| pulse.poll(cx));
                return pulse.map(|()| Some(self.heartbeat()));
            };
            match next {
                Some(Next::Frame(bytes)) => return Poll::Ready(Some(bytes)),
                Some(Next::Gap(gap)) => {
                    self.trace.gap(&gap);
                    return Poll::Ready(Some(
                        gap_event(self.place.hub(), &gap, self.place.hub().replica.is_none()).to_bytes(),
                    ));
                }
                Some(Next::Heartbeat) => return Poll::Ready(Some(self.heartbeat())),
                Some(Next::Messages(messages)) => match self.join(messages) {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Poll::Ready(Some(bytes)),
                    Err(Panicked) => {
                        self.trace.panicked();
                        return Poll::Ready(None);
                    }
                },
                None => {
                    self.end = End::Closed(Delay::new(self.place.closing_delay()));
                    return self.poll_route(cx);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether it is too old, or the server is shutting down and has nothing more for it at hand.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if self.age.as_mut().is_some_and(|age| age.poll(cx).is_ready()) {
            return true;
        }
        let begun = self.ending.as_mut().is_some_and(|ending| ending.poll_begun(cx).is_ready());
        begun && self.place.is_idle()
    }

    /// Joins the messages that the filter lets pass.
    fn join(&mut self, messages: Vec<(usize, Bytes)>) -> Result<Bytes, Panicked> {
        let mut joined = BytesMut::with_capacity(messages.iter().map(|(_, block)| block.len()).sum());
        for (feed, block) in messages {
            if self.filter.as_mut().map_or(Ok(true), |filter| filter.passes(&block))? {
                self.place.count(feed, block.len());
                joined.extend_from_slice(&block);
            }
        }
        Ok(joined.freeze())
    }

    /// A comment. A subscriber with a filter gets its place, too, as does one of a route with a log: what it got last
    /// may be far behind, and the log does not go back for ever.
    fn heartbeat(&self) -> Bytes {
        let is_placed = self.filter.is_some() || self.place.hub().replica.is_some();
        let id = if is_placed { self.place.id() } else { None };
        id.map_or(Bytes::from_static(heartbeat::BLOCK), |id| Message::empty().comment("").id(id).to_bytes())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let is_stalled = self.stalled.as_ref().is_some_and(|stalled| stalled.load(Ordering::Relaxed));
        if is_stalled {
            self.trace.stalled();
            self.place.channels().for_each(|channel| channel.count_stalled());
        }
    }
}

/// The user's filter has panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

/// The event that tells of a gap.
pub(crate) fn gap_event(hub: &Arc<Hub>, gap: &Gap, has_id: bool) -> Message<'static> {
    let missed = gap.missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    let message = Message::new(format!("{{\"missed\":{missed}}}"));
    let message = message.event_type(hub.settings.gap_event_type.clone());
    if has_id { message.id(hub.ids.of(gap.behind)) } else { message }
}
