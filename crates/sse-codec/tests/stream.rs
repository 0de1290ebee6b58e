//! The stream of events that is decoded from a stream of chunks.

#![cfg(feature = "stream")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::{FusedStream as _, Stream};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use sse_codec::{Decoder, EventId, Events, EventsError};

/// Decodes chunks, and returns the data of each event, `!` for an event that is too large, and the error of a chunk.
fn read(chunks: impl IntoIterator<Item = Result<&'static str, &'static str>>) -> Vec<String> {
    let events = Events::with_decoder(stream::iter(chunks), Decoder::with_limit(8));
    let seen = events.map(|item| match item {
        Ok(event) => event.into_data(),
        Err(EventsError::TooLarge(_)) => "!".to_owned(),
        Err(EventsError::Chunks(error)) => error.to_owned(),
        Err(error) => panic!("{error:?}"),
    });
    pollster::block_on(seen.collect())
}

#[test]
fn chunks_may_be_cut_anywhere() {
    assert_eq!(read([Ok("data: a\n\nda"), Ok(""), Ok("ta: b\n"), Ok("\ndata: c")]), ["a", "b"]);
    assert_eq!(read([]), [""; 0]);
}

#[test]
fn a_large_event_is_an_error_and_the_next_one_follows() {
    assert_eq!(read([Ok("data: 123456789"), Ok("\n\ndata: a\n\n")]), ["!", "a"]);
}

#[test]
fn the_stream_ends_after_an_error_of_the_chunks() {
    assert_eq!(read([Ok("data: a\n\ndata: "), Err("E"), Ok("b\n\ndata: c\n\n")]), ["a", "E"]);
}

#[test]
fn a_stream_that_has_ended_stays_ended() {
    let mut events = Events::new(stream::iter([Ok::<_, Infallible>("data: a\n\n")]));
    assert!(!events.is_terminated());
    assert!(pollster::block_on(events.next()).is_some());
    assert!(!events.is_terminated());
    assert!(pollster::block_on(events.next()).is_none());
    assert!(events.is_terminated());
    assert!(pollster::block_on(events.next()).is_none());
}

#[test]
fn the_decoder_is_used_for_the_next_connection() {
    let mut decoder = Decoder::new();
    decoder.set_last_event_id(&EventId::from(1));
    let mut events =
        Events::with_decoder(stream::iter([Ok::<_, Infallible>("data: a\n\nid: 2\n\ndata: half")]), decoder);
    assert_eq!(pollster::block_on(events.next()).unwrap().unwrap().last_event_id(), "1");
    assert!(pollster::block_on(events.next()).is_none());
    assert_eq!(events.decoder().last_event_id(), "2");
    let events =
        Events::with_decoder(stream::iter([Ok::<_, Infallible>("data: b\n\n")]), events.into_decoder());
    let seen: Vec<_> = pollster::block_on(events.map(Result::unwrap).collect());
    assert_eq!((seen[0].data(), seen[0].last_event_id()), ("b", "2"));
}

/// Counts the calls of a waker.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn many_ready_chunks_without_an_event_let_other_tasks_run() {
    let mut events = pin!(Events::new(stream::repeat_with(|| Ok::<_, Infallible>(": still nothing\n"))));
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    for round in 1..10 {
        assert!(events.as_mut().poll_next(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), round, "the task is woken to be polled again");
    }
}

#[test]
fn a_million_chunks_without_an_event_do_not_overflow_the_stack() {
    let chunks = stream::iter((0..1_000_000).map(|_| Ok::<_, Infallible>("\n")))
        .chain(stream::iter([Ok("data: a\n\n")]));
    assert_eq!(pollster::block_on(Events::new(chunks).next()).unwrap().unwrap().data(), "a");
}

/// A stream of chunks that is pending at every other poll.
struct Hesitant(VecDeque<&'static str>, bool);

impl Stream for Hesitant {
    type Item = Result<&'static str, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.1 = !self.1;
        if self.1 { Poll::Pending } else { Poll::Ready(self.0.pop_front().map(Ok)) }
    }
}

#[test]
fn dropping_a_future_loses_no_event() {
    let chunks = ["data: a\n\ndata: b\n", "\ndata:", " c\n\n"];
    let mut events = Events::new(Hesitant(chunks.into(), false));
    let mut seen = Vec::new();
    for _ in 0..20 {
        // Each future is polled once and dropped.
        if let Some(Some(event)) = events.next().now_or_never() {
            seen.push(event.unwrap().into_data());
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
}

#[test]
fn the_decoder_keeps_the_event_that_the_end_leaves_unfinished() {
    let mut events = Events::new(stream::iter([Ok::<_, Infallible>("data: a\n\ndata: b")]));
    assert!(pollster::block_on(events.next()).is_some());
    assert!(pollster::block_on(events.next()).is_none());
    events.decoder_mut().shrink_to(0);
    assert_eq!(events.into_decoder().finish().unwrap().unwrap().data(), "b");
}
