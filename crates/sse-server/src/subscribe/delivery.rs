//! The stream of one subscriber as bytes: its opening, its filter, and its end.

mod member;

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use sse_codec::Message;

pub(crate) use self::member::Member;
use super::filter::{Filter, Panicked};
use super::observer::{EndReason, Observer, Tell};
use super::rewrite::Rewrite;
use super::shutdown::{Ending, Shutdown, Signals};
use super::stalled::Stalled;
use super::subscriber::{Item, Next, Subscriber};
use super::trace::Trace;
use crate::history::{Gap, Position};
use crate::hub::{Hub, Source, Topic, heartbeat};
use crate::sync::{Delay, Exclusive, Pulse};

/// How often in a row a filter may leave out everything before other tasks get their turn.
const ROUNDS: usize = 16;

#[derive(Debug)]
pub(crate) struct Delivery {
    subscriber: Subscriber,
    extras: Option<Box<Extras>>,
    endings: Box<[Ending]>,
    end: End,
    trace: Trace,
    observer: Option<Box<Observer>>,
}

/// What only some streams have, or what all have for a short time. It is in a box because there are many streams.
#[derive(Debug, Default)]
struct Extras {
    /// Sent at once, because some proxies and clients wait for the first byte of the body before they pass on the
    /// headers.
    opening: Option<Bytes>,
    filter: Option<Filter>,
    rewrite: Option<Rewrite>,
    /// A heartbeat of this stream alone.
    pulse: Option<Pulse>,
    /// Completes at the maximum age of the stream.
    age: Option<Delay>,
    /// Futures of the user's that end the stream.
    until: Vec<Exclusive<Until>>,
}

type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
enum End {
    Open,
    /// The topic has ended, and this subscriber waits for its turn to end.
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
        let extras = Extras { pulse: own.map(Pulse::new), age, ..Extras::default() };
        let mut delivery = Self {
            subscriber,
            extras: Some(Box::new(extras)),
            endings,
            end: End::Open,
            trace,
            observer: None,
        };
        delivery.tidy();
        delivery
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

    /// Returns whether nothing has been sent yet.
    pub(crate) fn has_opening(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.opening.is_some())
    }

    /// Returns the topic that it reads together with others, if it may.
    pub(crate) fn shared_topic(&self) -> Option<&Arc<Topic>> {
        self.subscriber.only_topic().filter(|_| self.is_plain())
    }

    fn is_plain(&self) -> bool {
        let is_plain =
            |extras: &Extras| extras.opening.is_none() && !extras.is_apart() && extras.pulse.is_none();
        matches!(self.end, End::Open) && self.extras.as_deref().is_none_or(is_plain)
    }

    /// Returns whether only its topic and the end of its client's streams can end it.
    pub(crate) fn has_no_end(&self) -> bool {
        let has_no_end = |extras: &Extras| extras.age.is_none() && extras.until.is_empty();
        self.endings.is_empty() && self.extras.as_deref().is_none_or(has_no_end)
    }

    /// Stops waiting for this shutdown, because the server tells the stream in another way.
    pub(crate) fn detach(&mut self, shutdown: &Shutdown) {
        let others: Vec<_> =
            mem::take(&mut self.endings).into_iter().filter(|ending| !ending.is_of(shutdown)).collect();
        self.endings = others.into();
    }

    /// Also ends at this shutdown.
    pub(crate) fn attach(&mut self, shutdown: &Shutdown) {
        let endings = mem::take(&mut self.endings).into_iter().chain([shutdown.ending()]);
        self.endings = endings.collect();
    }

    /// Watches whether its connection is cut by the write deadline. `None` if [`set_stalled`](Self::set_stalled) tells
    /// it.
    pub(crate) fn watch(&mut self, stalled: Option<Stalled>) {
        self.subscriber.watch(stalled.clone());
        if let Some(observer) = &mut self.observer {
            observer.watch(stalled);
        }
    }

    /// Notes that the connection is cut by the write deadline.
    pub(crate) fn set_stalled(&mut self) {
        let stalled = Stalled::default();
        stalled.set();
        self.watch(Some(stalled));
    }

    /// Calls `tell` when the stream is dropped, with how it has ended.
    pub(crate) fn observe(&mut self, tell: Tell, stalled: Option<Stalled>) {
        self.observer = Some(Box::new(Observer::new(tell, Signals::of(&self.endings), stalled)));
    }

    /// Counts what was sent, for the observer.
    pub(crate) fn count_sent(&mut self, events: u64, bytes: usize) {
        if events > 0 {
            self.subscriber.has_sent_events();
        }
        if let Some(observer) = &mut self.observer {
            observer.count(events, bytes as u64);
        }
    }

    fn ends(&mut self, reason: EndReason) {
        if let Some(observer) = &mut self.observer {
            observer.ends(reason);
        }
    }

    pub(crate) fn set_opening(&mut self, opening: Bytes) {
        self.extras_mut().opening = Some(opening);
    }

    pub(crate) fn set_filter(&mut self, filter: Filter) {
        self.extras_mut().filter = Some(filter);
    }

    pub(crate) fn set_rewrite(&mut self, rewrite: Rewrite) {
        self.extras_mut().rewrite = Some(rewrite);
    }

    /// Gives the stream a heartbeat of its own.
    pub(crate) fn set_pulse(&mut self, pulse: Option<Pulse>) {
        self.subscriber.ignore_heartbeat();
        self.extras_mut().pulse = pulse;
        self.tidy();
    }

    pub(crate) fn set_age(&mut self, age: Option<Delay>) {
        self.extras_mut().age = age;
        self.tidy();
    }

    pub(crate) fn add_until(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        self.extras_mut().until.push(Exclusive::new(Box::pin(end)));
    }

    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Drops the box if it is empty.
    fn tidy(&mut self) {
        self.extras.take_if(|extras| extras.is_empty());
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        self.extras.as_mut()?.filter.as_mut()
    }

    fn rewrite(&mut self) -> Option<&mut Rewrite> {
        self.extras.as_mut()?.rewrite.as_mut()
    }

    /// Returns whether it reads messages one by one.
    fn is_apart(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.is_apart())
    }

    fn has_filter(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.filter.is_some())
    }

    fn pulse(&mut self) -> Option<&mut Pulse> {
        self.extras.as_mut()?.pulse.as_mut()
    }

    /// Returns a gap event for the beginning of the stream, if messages are missing there.
    pub(crate) fn skip_to_start(&mut self) -> Option<Message<'static>> {
        let gap = self.subscriber.skip_to_start()?;
        self.trace.gap(&gap);
        Some(gap_event(self.subscriber.hub(), &gap))
    }

    /// Returns the next bytes, which are always whole blocks.
    #[inline]
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // hyper polls three times for each piece.
        if self.is_quiet(cx.waker()) { Poll::Pending } else { self.poll_bytes(cx) }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let opening = self.extras.as_mut().and_then(|extras| extras.opening.take());
        let bytes = if let Some(opening) = opening {
            self.tidy();
            opening
        } else if let Some(bytes) = ready!(self.poll_events(cx)) {
            bytes
        } else {
            self.end = End::Ended;
            return Poll::Ready(None);
        };
        if let Some(pulse) = self.pulse() {
            pulse.put_off();
        }
        self.count_sent(0, bytes.len());
        Poll::Ready(Some(bytes))
    }

    /// Returns whether it waits with this waker for its topics and for its end, and nothing has happened.
    fn is_quiet(&self, waker: &Waker) -> bool {
        matches!(self.end, End::Open)
            && self.extras.is_none()
            && self.subscriber.is_quiet(waker)
            && self.has_quiet_endings(waker)
    }

    fn has_quiet_endings(&self, waker: &Waker) -> bool {
        self.endings.iter().all(|ending| ending.is_quiet(waker))
    }

    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        for _ in 0..ROUNDS {
            // Asked again in each round, because a shutdown ends the stream when the filter has left out all that was
            // published.
            if matches!(self.end, End::Ended) || self.is_over(cx) {
                return Poll::Ready(None);
            }
            if let End::Closing(delay) = &mut self.end {
                return if delay.poll(cx).is_ready() { Poll::Ready(None) } else { self.poll_pulse(cx) };
            }
            let Poll::Ready(next) = self.subscriber.poll_next(cx, self.is_apart()) else {
                return self.poll_pulse(cx);
            };
            match next {
                Some(Next::Frame { bytes, messages }) => {
                    self.count_sent(messages, 0);
                    return Poll::Ready(Some(bytes));
                }
                Some(Next::Gap(gap)) => return Poll::Ready(self.gap(&gap)),
                Some(Next::Heartbeat) => return Poll::Ready(Some(self.heartbeat())),
                Some(Next::Messages(messages)) => match self.joined(&messages) {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Poll::Ready(Some(bytes)),
                    Err(Panicked) => {
                        self.trace.panicked();
                        self.ends(EndReason::FilterPanicked);
                        return Poll::Ready(None);
                    }
                },
                None => {
                    if let Some(id) = self.close() {
                        return Poll::Ready(Some(id));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for this stream's turn to end. The stream reads no more meanwhile, so it gets a heartbeat of its own.
    ///
    /// Returns its position as an id without an event, if the client may not have it: the last event of the client may be
    /// so old that only the log tells what came after it. With the position, the client gets 204 when it comes back.
    fn close(&mut self) -> Option<Bytes> {
        let reason = self.subscriber.end_reason();
        let id = self.subscriber.end_id().filter(|_| reason == EndReason::TopicClosed && self.has_ids());
        self.ends(reason);
        self.end = End::Closing(Delay::new(self.subscriber.closing_delay()));
        if self.subscriber.has_heartbeat() {
            self.set_pulse(self.subscriber.hub().settings().heartbeat.map(Pulse::new));
        }
        id.map(|id| heartbeat::block(Some(id)))
    }

    fn poll_pulse(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let pulse = self.pulse().map_or(Poll::Pending, |pulse| pulse.poll(cx));
        pulse.map(|()| Some(self.heartbeat()))
    }

    /// Returns whether the stream is too old, or was ended from outside, or its server is shutting down and everything
    /// in memory has been read.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(reason) = self.extras.as_mut().and_then(|extras| extras.end_reason(cx)) {
            self.ends(reason);
            return true;
        }
        if self.has_quiet_endings(cx.waker()) {
            return false;
        }
        // All are polled, so that each of them wakes the stream.
        let begun = self.endings.iter_mut().map(|ending| usize::from(ending.poll_begun(cx).is_ready()));
        let is_over = begun.sum::<usize>() > 0 && self.subscriber.is_idle();
        if is_over {
            self.ends(EndReason::Shutdown);
        }
        is_over
    }

    /// Joins the messages that the filter lets pass.
    fn joined(&mut self, messages: &[Item]) -> Result<Bytes, Panicked> {
        let mut joined = BytesMut::with_capacity(messages.iter().map(|item| item.bytes.len()).sum());
        let mut passed = 0;
        for item in messages {
            let topic = self.subscriber.topic(item.feed).name().clone();
            if self.filter().map_or(Ok(true), |filter| filter.passes(item, &topic))? {
                self.subscriber.count(item);
                passed += 1;
                match self.rewrite() {
                    Some(rewrite) => joined.extend_from_slice(&rewrite.rewrite(item, &topic)?),
                    None => joined.extend_from_slice(&item.bytes),
                }
            }
        }
        self.count_sent(passed, 0);
        Ok(joined.freeze())
    }

    /// Returns a gap event. Fails if the user's function for its data panics.
    fn gap(&mut self, gap: &Gap) -> Option<Bytes> {
        self.trace.gap(gap);
        let hub = self.subscriber.hub();
        let event = gap_event(hub, gap);
        // A log that has lost everything is at its beginning, so this position would be known there.
        let has_id = gap.end != Position::START || matches!(hub.source(), Source::Memory(_));
        let bytes = if has_id { event.id(hub.source().id(gap.end)) } else { event }.to_bytes();
        let topic = self.subscriber.only_topic().map_or_else(|| "".into(), |topic| topic.name().clone());
        let Some(rewrite) = self.rewrite() else { return Some(bytes) };
        let rewritten =
            rewrite.rewrite(&Item { feed: 0, bytes, key: None, tag: None, published: None }, &topic);
        if let Err(Panicked) = rewritten {
            self.trace.panicked();
            self.ends(EndReason::FilterPanicked);
        }
        rewritten.ok()
    }

    /// Returns a comment. A subscriber with a filter also gets its position in an id without an event, as does a
    /// subscriber of a route with a log. Its last event may be old, and the log does not keep old events for ever.
    fn heartbeat(&self) -> Bytes {
        heartbeat::block(if self.has_ids() { self.subscriber.id() } else { None })
    }

    /// Returns whether its position is sent without an event, too.
    fn has_ids(&self) -> bool {
        self.has_filter() || matches!(self.subscriber.hub().source(), Source::Log(_))
    }
}

impl Extras {
    /// Returns whether each message must be read one by one.
    fn is_apart(&self) -> bool {
        self.filter.is_some() || self.rewrite.is_some()
    }

    fn is_empty(&self) -> bool {
        self.opening.is_none()
            && !self.is_apart()
            && self.pulse.is_none()
            && self.age.is_none()
            && self.until.is_empty()
    }

    /// Returns why the stream ends, if it is too old or was ended from outside.
    fn end_reason(&mut self, cx: &mut Context<'_>) -> Option<EndReason> {
        if self.age.as_mut().is_some_and(|age| age.poll(cx).is_ready()) {
            return Some(EndReason::MaxAge);
        }
        let mut futures = self.until.iter_mut();
        futures.any(|until| until.get_mut().as_mut().poll(cx).is_ready()).then_some(EndReason::Until)
    }
}

/// Returns a gap event without an id.
fn gap_event(hub: &Hub, gap: &Gap) -> Message<'static> {
    let missed = gap.missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    let message = Message::new(format!("{{\"missed\":{missed}}}"));
    message.event_type(hub.settings().gap_event_type.clone())
}
