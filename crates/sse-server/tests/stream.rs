//! Streams of one request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream;
use http::Request;
use sse_server::{EventType, Message, MessageStream, Shutdown};
use sse_testing::Subscriber;
use tokio::sync::mpsc;
use tokio::time::{advance, pause};

fn reader(stream: MessageStream) -> Subscriber {
    let mut reader = Subscriber::of(stream.respond());
    assert_eq!(reader.read(), ":\n\n", "the first bytes are sent at once");
    reader
}

/// Messages from a queue.
struct Received(mpsc::UnboundedReceiver<&'static str>);

impl Stream for Received {
    type Item = Message<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|data| data.map(Message::new))
    }
}

#[test]
fn messages_that_are_ready_are_sent_together() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut reader = reader(MessageStream::new(Received(receiver)));
    assert_eq!(reader.read(), "-");
    sender.send("1").unwrap();
    sender.send("2").unwrap();
    assert_eq!(reader.frame(), "data: 1\n\ndata: 2\n\n");
    sender.send("3").unwrap();
    drop(sender);
    assert_eq!(reader.read_data(), ["3", "."]);
    assert_eq!(reader.read(), ".", "the stream has ended for good");
}

#[test]
fn an_endless_stream_is_sent_in_pieces() {
    let data = "x".repeat(1000);
    let mut reader = reader(MessageStream::new(stream::repeat_with(move || Message::new(data.clone()))));
    for _ in 0..3 {
        assert!((32_000..35_000).contains(&reader.frame().len()));
    }
}

#[test]
fn empty_messages_do_not_spin() {
    let mut reader = reader(MessageStream::new(stream::repeat_with(Message::empty)));
    assert!(reader.frame().len() < 1000);
}

#[test]
fn an_error_ends_the_stream_with_an_event_of_the_users_choice() {
    let results =
        stream::iter([Ok(Message::new("1")), Err("the model has stopped"), Ok(Message::new("never sent"))]);
    let mut reader = reader(MessageStream::fallible(results, |error| {
        Message::new(error).event_type(EventType::from_static("error"))
    }));
    assert_eq!(reader.frame(), "data: 1\n\nevent: error\ndata: the model has stopped\n\n");
    assert_eq!(reader.read(), ".");
}

#[test]
fn a_client_that_disconnects_drops_the_stream_at_once() {
    let alive = Arc::new(());
    let held = alive.clone();
    let endless = stream::poll_fn(move |_| {
        let _ = &held;
        Poll::Pending
    });
    let reader = reader(MessageStream::new(endless));
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(reader);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn a_stream_that_panics_ends() {
    let mut count = 0;
    let mut reader = reader(MessageStream::new(stream::poll_fn(move |_| {
        count += 1;
        assert!(count < 2, "a bug of the user's");
        Poll::Ready(Some(Message::new("1")))
    })));
    assert_eq!(reader.read_data(), ["1", "."]);
    assert_eq!(reader.read(), ".", "the stream is not polled again");
}

#[tokio::test]
async fn a_stream_without_messages_gets_a_comment() {
    pause();
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut reader = reader(MessageStream::new(Received(receiver)).heartbeat(Duration::from_secs(10)));
    assert_eq!(reader.read(), "-");
    advance(Duration::from_secs(9)).await;
    sender.send("1").unwrap();
    assert_eq!(reader.read_data(), ["1", "-"]);
    advance(Duration::from_secs(9)).await;
    assert_eq!(reader.read(), "-");
    advance(Duration::from_secs(2)).await;
    assert_eq!(reader.read(), ":\n\n");
    assert_eq!(reader.read(), "-");
}

#[tokio::test]
async fn a_shutdown_ends_the_stream_if_asked_to() {
    let shutdown = Shutdown::new();
    let request = Request::get("/").extension(shutdown.clone()).body(()).unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut ends = reader(MessageStream::new(Received(receiver)).until_shutdown_of(&request));
    let mut goes_on = reader(MessageStream::new(stream::pending()));
    assert_eq!([ends.read(), goes_on.read()], ["-", "-"]);
    sender.send("1").unwrap();
    shutdown.begin();
    assert_eq!(ends.read_data(), ["1", "."]);
    assert_eq!(goes_on.read(), "-");
}

#[tokio::test]
async fn a_shutdown_may_be_spread() {
    pause();
    let shutdown = Shutdown::new();
    let request = Request::get("/").extension(shutdown.clone()).body(()).unwrap();
    let mut readers: Vec<_> = (0..50)
        .map(|_| reader(MessageStream::new(stream::pending()).heartbeat(None).until_shutdown_of(&request)))
        .collect();
    let open = |readers: &mut Vec<Subscriber>| {
        readers.retain_mut(|reader| reader.read() != ".");
        readers.len()
    };
    shutdown.begin_within(Duration::from_secs(10));
    assert_eq!(open(&mut readers), 50);
    advance(Duration::from_secs(5)).await;
    assert!((5..45).contains(&open(&mut readers)));
    advance(Duration::from_secs(6)).await;
    assert_eq!(open(&mut readers), 0);
}
