//! The stream of one subscriber as bytes: what it begins with, what its filter leaves out, and when it ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use sse_codec::Message;

use super::filter::{Filter, Panicked};
use super::shutdown::Ending;
use super::subscriber::{Item, Next, Subscriber};
use super::trace::Trace;
use crate::history::Gap;
use crate::hub::{Hub, Source, heartbeat};
use crate::sync::{Delay, Exclusive, Pulse};

/// How often in a row a filter may leave everything out before others get their turn.
const ROUNDS: usize = 16;

#[derive(Debug)]
pub(crate) struct Delivery {
    subscriber: Subscriber,
    /// Goes out first, at once: headers wait for the first byte of the body in some proxies and clients.
    opening: Option<Bytes>,
    filter: Option<Box<Filter>>,
    /// A heartbeat of its own.
    pulse: Option<Box<Pulse>>,
    /// Its maximum age.
    age: Option<Delay>,
    /// Futures that end it.
    until: Vec<Exclusive<Until>>,
    endings: Box<[Ending]>,
    end: End,
    trace: Trace,
}

type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
enum End {
    Open,
    /// The topic has ended, and it is not yet this subscriber's turn.
    Closing(Delay),
    Ended,
}

impl Delivery {
    pub(crate) fn new(
        subscriber: Subscriber,
        age: Option<Delay>,
        endings: Box<[Ending]>,
        trace: Trace,
    ) -> Self {
        let interval = subscriber.hub().settings().heartbeat;
        let own = interval.filter(|_| !subscriber.has_heartbeat());
        let pulse = own.map(|interval| Box::new(Pulse::new(interval)));
        Self {
            subscriber,
            opening: None,
            filter: None,
            pulse,
            age,
            until: Vec::new(),
            endings,
            end: End::Open,
            trace,
        }
    }

    pub(crate) fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }

    pub(crate) fn subscriber_mut(&mut self) -> &mut Subscriber {
        &mut self.subscriber
    }

    pub(crate) fn into_subscriber(self) -> Subscriber {
        self.subscriber
    }

    pub(crate) fn set_opening(&mut self, opening: Bytes) {
        self.opening = Some(opening);
    }

    pub(crate) fn set_filter(&mut self, filter: Filter) {
        self.filter = Some(Box::new(filter));
    }

    /// Gives the stream a heartbeat of its own.
    pub(crate) fn set_pulse(&mut self, pulse: Option<Pulse>) {
        self.subscriber.ignore_heartbeat();
        self.pulse = pulse.map(Box::new);
    }

    pub(crate) fn set_age(&mut self, age: Option<Delay>) {
        self.age = age;
    }

    pub(crate) fn add_until(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        self.until.push(Exclusive::new(Box::pin(end)));
    }

    /// The event that tells of a gap before the stream's beginning, if something is missing there.
    pub(crate) fn skip_to_start(&mut self) -> Option<Message<'static>> {
        let gap = self.subscriber.skip_to_start()?;
        self.trace.gap(&gap);
        Some(gap_event(self.subscriber.hub(), &gap, false))
    }

    /// The next bytes: always whole blocks.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let bytes = if let Some(opening) = self.opening.take() {
            opening
        } else if let Some(bytes) = ready!(self.poll_events(cx)) {
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

    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        for _ in 0..ROUNDS {
            // Anew in each round: when the filter has left out the rest, a shutdown ends the stream.
            if matches!(self.end, End::Ended) || self.is_over(cx) {
                return Poll::Ready(None);
            }
            if let End::Closing(delay) = &mut self.end {
                return if delay.poll(cx).is_ready() { Poll::Ready(None) } else { self.poll_pulse(cx) };
            }
            let Poll::Ready(next) = self.subscriber.poll_next(cx, self.filter.is_some()) else {
                return self.poll_pulse(cx);
            };
            match next {
                Some(Next::Frame(bytes)) => return Poll::Ready(Some(bytes)),
                Some(Next::Gap(gap)) => return Poll::Ready(Some(self.gap(&gap))),
                Some(Next::Heartbeat) => return Poll::Ready(Some(self.heartbeat())),
                Some(Next::Messages(messages)) => match self.join(&messages) {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Poll::Ready(Some(bytes)),
                    Err(Panicked) => {
                        self.trace.panicked();
                        return Poll::Ready(None);
                    }
                },
                None => self.close(),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for this stream's turn to end. It reads no more, so it needs a heartbeat of its own.
    fn close(&mut self) {
        self.end = End::Closing(Delay::new(self.subscriber.closing_delay()));
        if self.subscriber.has_heartbeat() {
            self.set_pulse(self.subscriber.hub().settings().heartbeat.map(Pulse::new));
        }
    }

    fn poll_pulse(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let pulse = self.pulse.as_mut().map_or(Poll::Pending, |pulse| pulse.poll(cx));
        pulse.map(|()| Some(self.heartbeat()))
    }

    /// Whether the stream is too old, or was ended from outside, or its server is shutting down and has nothing more
    /// for it at hand.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if self.age.as_mut().is_some_and(|age| age.poll(cx).is_ready()) {
            return true;
        }
        if self.until.iter_mut().any(|until| until.get_mut().as_mut().poll(cx).is_ready()) {
            return true;
        }
        // All are asked, so that each of them wakes the stream.
        let begun = self.endings.iter_mut().map(|ending| usize::from(ending.poll_begun(cx).is_ready()));
        begun.sum::<usize>() > 0 && self.subscriber.is_idle()
    }

    /// Joins the messages that the filter lets pass.
    fn join(&mut self, messages: &[Item]) -> Result<Bytes, Panicked> {
        let mut joined = BytesMut::with_capacity(messages.iter().map(|item| item.bytes.len()).sum());
        for item in messages {
            let topic = self.subscriber.topic(item.feed).name();
            if self.filter.as_mut().map_or(Ok(true), |filter| filter.passes(item, topic))? {
                self.subscriber.count(item);
                joined.extend_from_slice(&item.bytes);
            }
        }
        Ok(joined.freeze())
    }

    fn gap(&self, gap: &Gap) -> Bytes {
        self.trace.gap(gap);
        let hub = self.subscriber.hub();
        // With a log, the position may be one that it does not hold.
        let has_id = matches!(hub.source(), Source::Memory(_));
        gap_event(hub, gap, has_id).to_bytes()
    }

    /// A comment. A subscriber with a filter gets its position, too, as does one of a route with a log: what it got
    /// last may be long ago, and the log does not go back for ever.
    fn heartbeat(&self) -> Bytes {
        let has_id = self.filter.is_some() || matches!(self.subscriber.hub().source(), Source::Log(_));
        let id = if has_id { self.subscriber.id() } else { None };
        id.map_or(Bytes::from_static(heartbeat::BLOCK), |id| Message::empty().comment("").id(id).to_bytes())
    }
}

/// The event that tells of a gap.
fn gap_event(hub: &Hub, gap: &Gap, has_id: bool) -> Message<'static> {
    let missed = gap.missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    let message = Message::new(format!("{{\"missed\":{missed}}}"));
    let message = message.event_type(hub.settings().gap_event_type.clone());
    if has_id { message.id(hub.source().id(gap.end)) } else { message }
}
