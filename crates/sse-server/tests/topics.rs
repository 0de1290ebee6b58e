//! Topics: made on demand, read together, dropped when unused.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body::Body as _;
use sse_server::{EventId, Message, Route, TooManyTopics, Topics};
use sse_testing::{Subscriber, field, request};
use tokio::time::{advance, pause};

fn publish(topics: &Topics, data: &[(&str, &str)]) {
    for &(name, data) in data {
        topics.route(name).unwrap().publish(&Message::new(data)).unwrap();
    }
}

fn subscribe(topics: &Topics, last_event_id: &str, names: &[&str]) -> Subscriber {
    let names = names.iter().copied();
    Subscriber::of(topics.subscribe(&request(last_event_id), names).respond())
}

#[test]
fn several_topics_are_one_stream() {
    let topics = Topics::new();
    let mut both = subscribe(&topics, "", &["a", "b", "a"]);
    let mut one = subscribe(&topics, "", &["b"]);
    both.read();
    one.read();
    publish(&topics, &[("a", "1"), ("b", "2"), ("c", "3"), ("b", "4"), ("a", "5")]);
    assert_eq!(both.read_data(), ["1", "2", "4", "5", "-"]);
    assert_eq!(one.read_data(), ["2", "4", "-"]);
    assert_eq!(topics.route("b").unwrap().stats().delivered, 4);
}

#[test]
fn one_id_resumes_all_of_them() {
    let topics = Topics::new();
    let mut reader = subscribe(&topics, "", &["a", "b"]);
    let mut ids = vec![field(&reader.read(), "id").unwrap().to_owned()];
    publish(&topics, &[("a", "1"), ("b", "2"), ("c", "x"), ("a", "3"), ("b", "4")]);
    for _ in 0..4 {
        ids.push(field(&reader.read(), "id").unwrap().to_owned());
    }
    let all = ["1", "2", "3", "4", "-"];
    for (seen, id) in ids.iter().enumerate() {
        let mut reader = subscribe(&topics, id, &["a", "b"]);
        reader.read();
        assert_eq!(reader.read_data(), all[seen..], "after {seen}");
    }
    // A topic that is added resumes at the same position.
    let mut reader = subscribe(&topics, &ids[2], &["a", "b", "c"]);
    reader.read();
    assert_eq!(reader.read_data(), ["x", "3", "4", "-"]);
}

#[tokio::test]
async fn each_topic_wakes_and_the_last_one_ends_the_stream() {
    use http_body_util::BodyExt as _;

    let topics = Topics::new();
    let [a, b] = ["a", "b"].map(|name| topics.route(name).unwrap());
    let mut body = subscribe(&topics, "", &["a", "b"]).into_body();
    let reader = tokio::spawn(async move {
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap().into_data().unwrap());
        }
        String::from_utf8(frames.concat()).unwrap()
    });
    let publish = async |route: &Route, data: &str| {
        tokio::task::yield_now().await;
        route.publish(&Message::new(data)).unwrap();
    };
    publish(&a, "1").await;
    publish(&b, "2").await;
    a.close();
    publish(&b, "3").await;
    tokio::task::yield_now().await;
    b.close();
    let seen = reader.await.unwrap();
    assert_eq!(
        seen.lines().filter(|line| line.starts_with("data")).collect::<Vec<_>>(),
        ["data: 1", "data: 2", "data: 3"]
    );
    assert_eq!((a.subscribers(), b.subscribers()), (0, 0));
}

#[tokio::test]
async fn several_topics_have_one_heartbeat() {
    pause();
    let topics = Topics::new();
    let mut reader = subscribe(&topics, "", &["a", "b"]);
    reader.read();
    assert_eq!(reader.read(), "-");
    advance(Duration::from_secs(16)).await;
    assert_eq!(reader.read(), ":\n\n");
    assert_eq!(reader.read(), "-");
}

#[test]
fn topics_are_limited() {
    let topics = Topics::builder().max_topics(2).build();
    let a = topics.route("a").unwrap();
    let _b = topics.route("b").unwrap();
    let TooManyTopics { .. } = topics.route("c").unwrap_err();
    drop(a);
    assert!(topics.route("c").is_ok(), "an unused topic is dropped");
    assert!(topics.get("a").is_none());
    assert_eq!(topics.len(), 2);
}

#[test]
fn a_subscriber_keeps_its_topic() {
    let topics = Topics::builder().max_topics(1).build();
    let mut reader = subscribe(&topics, "", &["a"]);
    publish(&topics, &[("a", "1")]);
    assert!(topics.route("b").is_err());
    reader.read();
    assert_eq!(reader.read_data(), ["1", "-"]);
    drop(reader);
    assert!(topics.route("b").is_ok());
}

#[tokio::test]
async fn an_unused_topic_is_dropped_and_then_a_gap() {
    pause();
    let topics = Topics::new();
    let mut reader = subscribe(&topics, "", &["a"]);
    let id = field(&reader.read(), "id").unwrap().to_owned();
    publish(&topics, &[("a", "1")]);
    drop(reader);
    advance(Duration::from_secs(59)).await;
    let _b = topics.route("b").unwrap();
    let mut reader = subscribe(&topics, &id, &["a"]);
    reader.read();
    assert_eq!(reader.read_data(), ["1", "-"], "the topic is still kept");
    drop(reader);
    for _ in 0..3 {
        advance(Duration::from_secs(61)).await;
        assert!(topics.route("b").is_ok());
    }
    assert!(topics.get("a").is_none());
    let mut reader = subscribe(&topics, &id, &["a"]);
    reader.read();
    assert_eq!(reader.read_data(), [r#"{"missed":null}"#, "-"]);
}

#[test]
fn all_topics_can_be_shown() {
    let topics = Topics::builder().max_topics(2).build();
    assert!(topics.routes().is_empty());
    publish(&topics, &[("a", "1"), ("b", "2"), ("a", "3")]);
    let mut published: Vec<_> =
        topics.routes().iter().map(|(name, route)| (name.to_string(), route.stats().published)).collect();
    published.sort_unstable();
    assert_eq!(published, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert!(topics.route("c").is_ok(), "dropped handles keep no topic");
}

#[test]
fn without_a_topic_there_is_nothing_to_read() {
    let request = Request::get("/").body(()).unwrap();
    assert_eq!(Topics::new().subscribe(&request, []).respond().status(), StatusCode::NO_CONTENT);
}

#[test]
fn dropping_the_topics_closes_those_without_a_handle() {
    let topics = Topics::new();
    let mut reader = subscribe(&topics, "", &["a"]);
    let kept = topics.route("b").unwrap();
    publish(&topics, &[("a", "1")]);
    drop(topics);
    reader.read();
    assert_eq!(reader.read_data(), ["1", "."]);
    assert!(!kept.is_closed());
}

/// Calls a function when it is dropped, as the code of an executor may.
struct OnDrop(Box<dyn Fn() + Send + Sync>);

impl Wake for OnDrop {
    fn wake(self: Arc<Self>) {}
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_topic_that_is_made_again_before_the_last_is_dropped_has_a_gap() {
    let topics = Topics::builder().max_topics(1).build();
    let own = |data| Message::new(data).id(EventId::new("own").unwrap());
    let route = topics.route("a").unwrap();
    let start = field(&subscribe(&topics, "", &["a"]).read(), "id").unwrap().to_owned();
    route.publish(&own("1")).unwrap();
    publish(&topics, &[("a", "2")]);
    let mut body = route.subscribe_from("").respond().into_body();
    let again = topics.clone();
    // A subscriber drops its waker, and then its topic.
    let waker = Waker::from(Arc::new(OnDrop(Box::new(move || {
        drop(again.route("b").unwrap());
        drop(again.route("a").unwrap());
    }))));
    while Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker)).is_ready() {}
    drop((waker, route));
    drop(body);
    let route = topics.route("a").unwrap();
    assert_eq!(route.stats().published, 0, "it is a new topic");
    assert_eq!(subscribe(&topics, &start, &["a"]).read_data(), [r#"{"missed":null}"#, "-"]);
    publish(&topics, &[("a", "3")]);
    route.publish(&own("1")).unwrap();
    let mut body = Subscriber::of(route.subscribe_from("own").respond());
    assert_eq!(body.read_data(), [r#"{"missed":null}"#, "-"]);
}

#[test]
fn a_topic_is_not_dropped_while_somebody_subscribes() {
    let topics = Topics::builder().max_topics(1).build();
    let (is_done, other) = (Arc::new(AtomicBool::new(false)), topics.clone());
    let is_over = is_done.clone();
    let taker = thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            drop(other.route("b"));
        }
    });
    for _ in 0..20_000 {
        let response = topics.subscribe(&Request::new(()), ["a"]).respond();
        assert_ne!(response.status(), StatusCode::NO_CONTENT, "the topic is open");
        if response.status() == StatusCode::OK {
            assert_eq!(Subscriber::of(response).read_data(), ["-"]);
        }
    }
    is_done.store(true, Ordering::Relaxed);
    taker.join().unwrap();
}

/// A client that may subscribe can invent names. No invented name takes the room of a topic that has messages.
#[test]
fn invented_names_drop_no_topic_and_stop_no_publisher() {
    let topics = Topics::builder().max_topics(4).build();
    publish(&topics, &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    let head = |name: &str| {
        let request = Request::head("/events").body(()).unwrap();
        let both = [topics.subscribe(&request, [name, "a"]), topics.subscribe_to(&request, name)];
        both.map(|subscription| subscription.respond().status())
    };
    for number in 0..1000 {
        assert_eq!(head(&format!("head {number}")), [StatusCode::OK; 2]);
    }
    assert_eq!(topics.len(), 4, "HEAD makes no topic");
    for number in 0..1000 {
        assert!(topics.subscribe_to(&request(""), &format!("get {number}")).is_open());
    }
    assert_eq!(topics.len(), 8, "topics that only subscribers asked for are limited, too");
    let stayed = ["a", "b", "c", "d"].map(|name| topics.subscribe_to(&request(""), name).from_start());
    assert!(stayed.iter().all(sse_server::Subscription::is_open));
    let read = |subscription: sse_server::Subscription| Subscriber::of(subscription.respond()).read_data();
    assert_eq!(stayed.map(|subscription| read(subscription)[0].clone()), ["1", "2", "3", "4"]);

    // As many invented names as allowed, for as long as their streams last.
    let waiting: Vec<_> = (0..4).map(|number| subscribe(&topics, "", &[&format!("held {number}")])).collect();
    assert_eq!(
        topics.subscribe(&request(""), ["one more"]).respond().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    publish(&topics, &[("new", "5"), ("a", "6")]);
    drop(waiting);
    assert!(topics.subscribe(&request(""), ["one more"]).is_open());
}

#[test]
fn a_topic_that_subscribers_wait_for_is_made_by_its_publisher() {
    let topics = Topics::builder().max_topics(1).build();
    let mut early = Subscriber::of(topics.subscribe_to(&request(""), "a").respond());
    early.read();
    assert!(topics.get("a").is_none(), "no publisher has asked for it");
    publish(&topics, &[("a", "1")]);
    assert_eq!(early.read_data(), ["1", "-"]);
    assert_eq!(topics.get("a").unwrap().stats().published, 1);
    assert_eq!(topics.len(), 1);
    // The topic is in use, so there is no room for another. A topic that only subscribers asked for has its own room.
    let TooManyTopics { .. } = topics.route("b").unwrap_err();
    assert!(topics.subscribe_to(&request(""), "b").is_open());
    drop(early);
    assert!(topics.route("b").is_ok(), "the unused topic is dropped");
    assert_eq!(topics.len(), 1);
}

#[test]
fn one_topic_is_read_with_the_ids_of_its_publishers() {
    let topics = Topics::new();
    let message = Message::new("1").id(EventId::from(7));
    topics.route("a").unwrap().publish(&message).unwrap();
    let mut one = Subscriber::of(topics.subscribe_to(&request(""), "a").from_start().respond());
    assert_eq!(one.read_data(), ["1", "-"]);
    assert_eq!(one.last_event_id(), "7");
}
