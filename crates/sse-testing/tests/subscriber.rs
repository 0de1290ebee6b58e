//! A subscriber without a socket, of routes and of other bodies.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use sse_server::{Message, Route};
use sse_testing::{Subscriber, cuts, field, request, subscribe};

/// A body of these chunks.
struct Chunks(Vec<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = (!self.0.is_empty()).then(|| self.0.remove(0));
        Poll::Ready(next.map(|chunk| Ok(Frame::data(chunk))))
    }
}

fn of(chunks: &[&[u8]]) -> Subscriber<Chunks> {
    Subscriber::of_body(Chunks(chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect()))
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_skipped_on_the_way_to_an_event() {
    let route = Route::new();
    let mut subscriber = subscribe(&route, "");
    let publisher = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        route.publish(&Message::new("1")).unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        route.close();
    });
    let event = subscriber.next_event().await.unwrap();
    assert_eq!((event.data(), event.last_event_id()), ("1", subscriber.last_event_id()));
    assert_eq!(subscriber.next_block().await.as_deref(), Some(":\n\n"));
    assert!(subscriber.next_event().await.is_none());
    publisher.await.unwrap();
}

#[tokio::test]
async fn data_of_so_many_events_is_read_or_of_all_that_come() {
    let route = Route::new();
    let mut subscriber = subscribe(&route, "");
    for data in ["1", "2", "3"] {
        route.publish(&Message::new(data)).unwrap();
    }
    assert_eq!(subscriber.next_data(2).await, ["1", "2"]);
    route.close();
    assert_eq!(subscriber.next_data(2).await, ["3"]);
}

#[tokio::test(start_paused = true)]
#[should_panic = "no event came within 60s"]
async fn an_event_that_does_not_come_is_reported() {
    let route = Route::new();
    subscribe(&route, "").patience(Duration::from_secs(60)).next_event().await;
}

#[test]
fn a_subscriber_resumes_with_its_last_event_id() {
    let route = Route::new();
    let mut first = subscribe(&route, "");
    for data in ["1", "2", "3"] {
        route.publish(&Message::new(data)).unwrap();
    }
    let block = first.read();
    assert_eq!((field(&block, "data"), field(&block, "id")), (Some("1"), Some(first.last_event_id())));
    let mut second = Subscriber::of(route.respond(&request(first.last_event_id())));
    second.read();
    assert_eq!(second.read_data(), ["2", "3", "-"]);
}

#[test]
fn any_body_in_any_cut_is_read() {
    let body = "\u{feff}data: Grüße\r\nid: 1\r\n\r\n:\n\nretry: 1\n\ndata: a\rdata: b\r\rid: 2\n\n";
    let seen = cuts::check(body.as_bytes(), |chunks| {
        let mut subscriber = of(chunks);
        let mut seen = subscriber.read_data();
        seen.push(subscriber.last_event_id().to_owned());
        seen
    });
    assert_eq!(seen, ["Grüße", "a\nb", ".", "2"]);
}

#[test]
#[should_panic = "the stream ends in the middle of a block: \"data: 2\\n\""]
fn an_unfinished_event_is_reported() {
    of(&[b"data: 1\n\ndata: 2\n"]).read_data();
}

#[test]
#[should_panic = "the content type is \"text/html\""]
fn a_page_is_not_a_stream() {
    let response = Response::builder().header("content-type", "text/html").body(Chunks(Vec::new())).unwrap();
    Subscriber::of(response);
}
