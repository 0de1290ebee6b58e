//! The route without a network: requests, order, resumes, gaps and the end.

use std::time::Duration;

use http::{Method, Request};
use sse_server::{EventId, EventType, LagPolicy, Message, PublishError, Route, Shutdown};
use sse_testing::{Subscriber, field, request, subscribe};

fn publish(route: &Route, data: &[&str]) {
    for &data in data {
        route.publish(&Message::new(data)).unwrap();
    }
}

#[test]
fn a_stream_has_the_headers_that_browsers_and_proxies_need() {
    for method in [Method::GET, Method::HEAD] {
        let response = Route::new().respond(&Request::builder().method(method).body(()).unwrap());
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store, no-transform");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["incremental"], "?1");
    }
}

#[test]
fn headers_for_proxies_can_be_switched_off() {
    let route = Route::builder().proxy_headers(false).build();
    let headers = route.respond(&request("")).headers().clone();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert!(!headers.contains_key("x-accel-buffering") && !headers.contains_key("incremental"));
}

#[test]
fn other_methods_are_refused() {
    for method in
        [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::from_bytes(b"ODD").unwrap()]
    {
        let response = Route::new().respond(&Request::builder().method(method).body(()).unwrap());
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
}

#[test]
fn a_stream_begins_with_a_comment_the_reconnection_time_and_an_id() {
    let route = Route::builder().reconnection_time(Duration::from_millis(1500)).build();
    let mut reader = Subscriber::of(route.respond(&request("")));
    let opening = reader.read();
    assert!(opening.starts_with(":\n") && opening.ends_with("\n\n"), "{opening:?}");
    assert_eq!(field(&opening, "retry"), Some("1500"));
    let id = field(&opening, "id").expect("an id to resume with");
    assert_eq!(reader.read(), "-");

    publish(&route, &["missed before the first event"]);
    assert_eq!(subscribe(&route, id).read_data(), ["missed before the first event", "-"]);
}

#[test]
fn every_subscriber_gets_every_event_in_order() {
    let route = Route::new();
    let mut readers = [subscribe(&route, ""), subscribe(&route, "")];
    publish(&route, &["1", "2"]);
    for reader in &mut readers {
        assert_eq!(reader.read_data(), ["1", "2", "-"]);
    }
    publish(&route, &["3"]);
    for reader in &mut readers {
        assert_eq!(reader.read_data(), ["3", "-"]);
    }
    assert_eq!(subscribe(&route, "").read_data(), ["-"], "a new subscriber reads from now on");
}

#[test]
fn a_subscriber_resumes_after_its_last_event_id() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    publish(&route, &["1", "2", "3"]);
    let id = field(&reader.read(), "id").unwrap().to_owned();
    drop(reader);
    let mut reader = subscribe(&route, &id);
    assert_eq!(reader.read_data(), ["2", "3", "-"]);
    publish(&route, &["4"]);
    assert_eq!(reader.read_data(), ["4", "-"]);
}

#[test]
fn a_publisher_may_give_the_ids() {
    let route = Route::new();
    for number in 1..=3 {
        route.publish(&Message::new(number.to_string()).id(EventId::from(number))).unwrap();
    }
    assert_eq!(subscribe(&route, "2").read_data(), ["3", "-"]);
    let mut reader = subscribe(&route, "");
    route.publish(&Message::new("x").id(EventId::from_static("ü"))).unwrap();
    assert_eq!(reader.read(), "data: x\nid: ü\n\n");
    let utf8 = String::from_utf8("ü".into()).unwrap();
    assert_eq!(subscribe(&route, &utf8).read_data(), ["-"], "the header is UTF-8");
}

#[test]
fn a_lagging_subscriber_gets_a_gap_event() {
    let route = Route::builder().history(2).burst_bytes(0).build();
    let mut reader = subscribe(&route, "");
    publish(&route, &["1", "2", "3", "4", "5"]);
    let gap = reader.read();
    assert_eq!(field(&gap, "event"), Some("gap"));
    assert_eq!(field(&gap, "data"), Some(r#"{"missed":3}"#));
    assert_eq!(reader.read_data(), ["4", "5", "-"]);

    let id = field(&gap, "id").expect("a gap has an id").to_owned();
    assert_eq!(
        subscribe(&route, &id).read_data(),
        ["4", "5", "-"],
        "a client that loses the connection at the gap misses nothing more"
    );
}

#[test]
fn an_id_of_another_history_is_a_gap() {
    let old = Route::new();
    let mut reader = subscribe(&old, "");
    publish(&old, &["1"]);
    let id = field(&reader.read(), "id").unwrap().to_owned();

    let route = Route::builder().gap_event_type(EventType::from_static("lost")).build();
    publish(&route, &["2"]);
    let mut reader = subscribe(&route, &id);
    let gap = reader.read();
    assert_eq!((field(&gap, "event"), field(&gap, "data")), (Some("lost"), Some(r#"{"missed":null}"#)));
    assert_eq!(reader.read_data(), ["2", "-"]);
}

#[test]
fn any_last_event_id_is_answered() {
    let route = Route::new();
    publish(&route, &["1"]);
    for id in
        ["\u{1F600}", "-", "18446744073709551616", "000000000000-99999999999999999999", &"9".repeat(8000)]
    {
        assert_eq!(subscribe(&route, id).read_data(), [r#"{"missed":null}"#, "1", "-"], "{id:?}");
    }
    let invalid = http::HeaderValue::from_bytes(b"\xFF\xFE").unwrap();
    let request = Request::get("/").header("last-event-id", invalid).body(()).unwrap();
    assert_eq!(route.respond(&request).status(), 200);
}

#[test]
fn a_writer_writes_field_by_field() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    route
        .publish_with(|event| {
            event.comment("why").event_type(&EventType::new("tick")?).data("a\nb").data("c");
            event.id(&EventId::new("7")?).reconnection_time(Duration::from_secs(1));
            Ok(())
        })
        .unwrap();
    assert_eq!(reader.read(), ": why\nevent: tick\ndata: a\ndata: b\ndata: c\nretry: 1000\nid: 7\n\n");
}

#[test]
fn a_writer_that_fails_publishes_nothing() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    let error = route.publish_with(|event| {
        event.data("half an event");
        event.event_type(&EventType::new("a\nb")?);
        Ok(())
    });
    let Err(PublishError::Writer(error)) = error else { panic!("{error:?}") };
    assert_eq!(
        error.to_string(),
        "LF at byte 1 can't be written in the field `event`; remove it or escape it"
    );
    route.publish_with(|_| Ok(())).unwrap();
    assert_eq!(reader.read(), "-");
}

#[tokio::test]
async fn the_end_wakes_a_waiting_subscriber() {
    use http_body_util::BodyExt as _;

    let route = Route::new();
    let mut body = subscribe(&route, "").into_body();
    let reader = tokio::spawn(async move { body.frame().await.is_none() });
    tokio::task::yield_now().await;
    route.close();
    assert!(reader.await.unwrap());
}

#[tokio::test]
async fn a_route_without_subscribers_is_closed_at_once() {
    let route = Route::new();
    let closed = tokio::spawn({
        let route = route.clone();
        async move { route.closed().await }
    });
    tokio::task::yield_now().await;
    route.close();
    closed.await.unwrap();
}

/// A waker is code of the executor. It may own anything, even another subscriber of the route.
#[test]
fn a_waker_may_own_a_subscriber() {
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Wake, Waker};

    struct Task(#[allow(dead_code, reason = "the waker owns it")] Mutex<Subscriber>);
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    let route = Route::new();
    let mut reader = subscribe(&route, "");
    let waker = Waker::from(Arc::new(Task(Mutex::new(subscribe(&route, "")))));
    let poll = http_body::Body::poll_frame(reader.body_mut(), &mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop(waker);
    assert_eq!(route.subscribers(), 2);
    // The last waker is the one in the slot. It is dropped when another waker replaces it.
    assert_eq!(reader.read(), "-");
    assert_eq!(route.subscribers(), 1);
}

/// Returns the first bytes of a stream.
fn request_opening(route: &Route) -> String {
    Subscriber::of(route.respond(&request(""))).read()
}

/// Publishes a message with an id. Returns `new`, `repeat`, or the text of the error.
fn publish_with_id(route: &Route, id: &str, data: &str) -> String {
    let id = EventId::new(id).unwrap();
    match route.publish(&Message::new(data).id(id.clone())) {
        Ok(published) if published.is_repeat() => {
            assert_eq!(published.id(), Some(&id));
            "repeat".to_owned()
        }
        Ok(published) => {
            assert_eq!(published.id(), Some(&id));
            "new".to_owned()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_id_that_a_client_cant_send_back_is_refused() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    for id in ["", " ", "\t", " a", "b\t", "a\u{1}b", "\u{7f}", &"x".repeat(1025)] {
        assert!(publish_with_id(&route, id, "x").starts_with("the id "), "{id:?}");
    }
    assert_eq!(reader.read_data(), ["-"]);
    assert_eq!(publish_with_id(&route, &"x".repeat(1024), "x"), "new");
}

#[test]
fn an_id_of_the_routes_own_form_is_refused() {
    let (route, other) = (Route::new(), Route::new());
    publish(&other, &["1"]);
    let mut reader = subscribe(&route, "");
    publish(&route, &["1"]);
    let own = field(&reader.read(), "id").unwrap().to_owned();
    let (epoch, _) = own.split_once('-').unwrap();
    let foreign = field(&request_opening(&other), "id").unwrap().to_owned();
    for id in [
        own.clone(),
        format!("{epoch}-0"),
        format!("{epoch}-2"),
        format!("{epoch}-18446744073709551615"),
        foreign,
    ] {
        assert!(
            publish_with_id(&route, &id, "x").contains("has the form of the ids that the server gives"),
            "{id}"
        );
    }
    // These don't have this form.
    for id in [
        format!("{epoch}-01"),
        format!("{epoch}-"),
        format!("x{own}"),
        format!("{epoch}-18446744073709551616"),
    ] {
        assert_eq!(publish_with_id(&route, &id, "x"), "new", "{id}");
        assert_eq!(subscribe(&route, &id).read_data(), ["-"]);
    }
}

#[test]
fn an_id_names_one_message() {
    let route = Route::builder().history(2).build();
    let mut reader = subscribe(&route, "");
    assert_eq!(publish_with_id(&route, "7", "a"), "new");
    assert_eq!(publish_with_id(&route, "7", "a"), "repeat");
    assert_eq!(publish_with_id(&route, "8", "a"), "new", "the data may be the same");
    let taken = "the id names another message of this topic; give each message its own id";
    assert_eq!(publish_with_id(&route, "7", "b"), taken);
    let typed = Message::new("a").id(EventId::from_static("7")).event_type(EventType::from_static("t"));
    assert!(matches!(route.publish(&typed), Err(PublishError::IdTaken)));
    assert!(matches!(
        route.publish_keyed("k", &Message::new("a").id(EventId::from_static("7"))),
        Err(PublishError::IdTaken)
    ));
    assert_eq!(reader.read_data(), ["a", "a", "-"]);
    drop(reader);
    // The same after the message was evicted. Its id still tells which messages came next.
    publish(&route, &["9", "10"]);
    assert_eq!(publish_with_id(&route, "7", "a"), "repeat");
    assert_eq!(publish_with_id(&route, "7", "b"), taken);
    assert_eq!(subscribe(&route, "7").read_data(), [r#"{"missed":1}"#, "9", "10", "-"]);
    assert_eq!(subscribe(&route, "8").read_data(), ["9", "10", "-"]);
    assert_eq!((route.stats().published, route.stats().repeated), (4, 2));
}

#[test]
fn messages_are_published_together_or_not_at_all() {
    let message = |id: u64, data: &'static str| Message::new(data).id(EventId::from(id));
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    let all = |messages: &[Message<'_>]| {
        let published = route.publish_all(messages)?;
        Ok::<Vec<bool>, PublishError>(published.iter().map(sse_server::Published::is_repeat).collect())
    };
    assert_eq!(all(&[]).unwrap(), [false; 0]);
    assert_eq!(all(&[message(1, "a"), message(2, "b"), Message::empty()]).unwrap(), [false; 3]);
    assert_eq!(all(&[message(2, "b"), message(3, "c"), message(3, "c")]).unwrap(), [true, false, true]);
    assert!(
        matches!(all(&[message(4, "d"), message(4, "e")]), Err(PublishError::IdTaken)),
        "within the batch"
    );
    assert!(
        matches!(all(&[message(4, "d"), message(1, "e")]), Err(PublishError::IdTaken)),
        "with an earlier one"
    );
    assert!(matches!(
        all(&[message(4, "d"), Message::new("x").id(EventId::from_static(""))]),
        Err(PublishError::InvalidId(_))
    ));
    assert_eq!(reader.frame(), "data: a\nid: 1\n\ndata: b\nid: 2\n\ndata: c\nid: 3\n\n", "in one piece");
    assert_eq!(reader.read_data(), ["-"]);
    route.close();
    assert!(matches!(all(&[message(4, "d")]), Err(PublishError::Closed)));
}

#[test]
fn a_burst_reaches_every_subscriber_that_reads() {
    for history in [0, 1, 100, 1024] {
        for is_batch in [false, true] {
            let route = Route::builder().history(history).history_age(Duration::ZERO).build();
            let mut readers = [subscribe(&route, ""), subscribe(&route, "")];
            for burst in 0..3 {
                let data: Vec<String> = (0..5_000).map(|number| format!("{burst} {number}")).collect();
                let messages: Vec<_> = data.iter().map(|data| Message::new(&**data)).collect();
                if is_batch {
                    route.publish_all(&messages).unwrap();
                } else {
                    assert!(messages.iter().all(|message| route.publish(message).is_ok()));
                }
                for reader in &mut readers {
                    let mut seen = reader.read_data();
                    assert_eq!(seen.pop().as_deref(), Some("-"));
                    assert_eq!(seen, data, "{history} {is_batch}");
                }
            }
        }
    }
}

#[test]
fn a_burst_is_limited() {
    let route = Route::builder().history(10).burst_bytes(10_000).build();
    let mut reader = subscribe(&route, "");
    let data = "x".repeat(100);
    for _ in 0..1000 {
        route.publish(&Message::new(&*data)).unwrap();
    }
    let mut seen = reader.read_data();
    assert_eq!(seen.pop().as_deref(), Some("-"));
    let gap = seen.remove(0);
    assert_eq!(gap, format!("{{\"missed\":{}}}", 1000 - seen.len()));
    assert!((70..100).contains(&seen.len()), "{} are kept", seen.len());
    // A batch that could not be kept whole is refused. A batch that fits into the history or the burst is not.
    let batch = |messages| route.publish_all(&vec![Message::new(&*data); messages]);
    assert!(matches!(batch(1000), Err(PublishError::BatchTooLarge)));
    assert_eq!(reader.read_data(), ["-"]);
    assert_eq!(batch(10).unwrap().len(), 10);
    assert_eq!(reader.read_data().len(), 11);
    // With their ids, 80 messages exceed the limit.
    assert!(matches!(batch(80), Err(PublishError::BatchTooLarge)));
    assert_eq!(batch(70).unwrap().len(), 70);
    assert_eq!(reader.read_data().len(), 71);
    let large = "x".repeat(100_000);
    assert_eq!(
        route.publish_all([&Message::new(&*large)]).unwrap().len(),
        1,
        "one message may have any size"
    );
}

#[test]
fn empty_data_is_an_event_and_gets_an_id() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    route.publish(&Message::new("")).unwrap();
    let block = reader.read();
    assert!(block.starts_with("data:\nid: "), "{block:?}");
}

#[test]
fn an_empty_message_is_not_sent() {
    let route = Route::builder().history(1).build();
    let mut reader = subscribe(&route, "");
    publish(&route, &["1"]);
    route.publish(&Message::empty()).unwrap();
    assert_eq!(reader.read_data(), ["1", "-"], "the empty message is not in the history");
}

#[test]
fn a_head_request_is_not_a_subscriber() {
    let route = Route::new();
    let head = || Request::head("/").body(()).unwrap();
    assert_eq!(route.respond(&head()).status(), 200);
    assert_eq!(route.subscribers(), 0);
    route.close();
    assert_eq!(route.respond(&head()).status(), 204, "as a GET would");
}

#[test]
fn a_body_of_text_has_a_length() {
    use futures_util::FutureExt as _;
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    let mut body = sse_server::Body::from("four");
    assert_eq!(body.size_hint().exact(), Some(4));
    assert!(!body.is_end_stream());
    assert_eq!(body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap(), "four");
    assert!(body.frame().now_or_never().unwrap().is_none());
    assert!(body.is_end_stream());
    assert!(sse_server::Body::empty().is_end_stream());
    let stream = Route::new().respond(&request("")).into_body();
    assert_eq!(stream.size_hint().exact(), None);
    assert!(!stream.is_end_stream());
}

#[test]
fn debugging_shows_no_messages() {
    let route = Route::new();
    let reader = subscribe(&route, "");
    publish(&route, &["secret"]);
    assert!(!format!("{route:?} {:?}", reader.body()).contains("secret"));
}

#[test]
fn a_message_without_data_gets_no_id() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    route.publish(&Message::empty().comment("hello")).unwrap();
    assert_eq!(reader.read(), ": hello\n\n");
}

#[test]
fn a_closed_route_drains_and_ends() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    publish(&route, &["1", "2"]);
    assert!(!route.is_closed());
    route.close();
    assert!(route.is_closed());
    assert_eq!(reader.read_data(), ["1", "2", "."]);
    assert_eq!(reader.read(), ".", "the stream has ended for good");
    assert!(matches!(route.publish(&Message::new("3")), Err(PublishError::Closed)));
    assert!(matches!(route.publish_with(|_| Ok(())), Err(PublishError::Closed)));
}

#[test]
fn clients_of_a_closed_route_get_the_rest_and_are_told_to_stop() {
    let route = Route::new();
    let mut reader = subscribe(&route, "");
    publish(&route, &["1", "2"]);
    let first = field(&reader.read(), "id").unwrap().to_owned();
    let last = field(&reader.read(), "id").unwrap().to_owned();
    route.close();
    assert_eq!(subscribe(&route, &first).read_data(), ["2", "."]);
    for id in ["", &last] {
        let request = Request::get("/").header("last-event-id", id).body(()).unwrap();
        assert_eq!(route.respond(&request).status(), 204, "{id:?}");
    }
}

#[test]
fn a_shutdown_ends_only_the_streams_of_its_requests() {
    let route = Route::new();
    let shutdown = Shutdown::new();
    let request = Request::get("/").extension(shutdown.clone()).body(()).unwrap();
    let mut reader = Subscriber::of(route.respond(&request));
    let mut other = subscribe(&route, "");
    reader.read();
    publish(&route, &["1"]);
    shutdown.begin();
    publish(&route, &["2"]);
    assert_eq!(reader.read_data(), ["1", "2", "."]);
    publish(&route, &["3"]);
    assert_eq!(reader.read(), ".", "the stream has ended for good");
    assert_eq!(other.read_data(), ["1", "2", "3", "-"]);
}

#[test]
fn dropping_the_last_handle_closes_the_route() {
    let route = Route::new();
    let other = route.clone();
    let mut reader = subscribe(&route, "");
    drop(route);
    assert_eq!(reader.read(), "-");
    publish(&other, &["1"]);
    drop(other);
    assert_eq!(reader.read_data(), ["1", "."]);
}

#[tokio::test]
async fn a_route_is_closed_when_its_last_subscriber_is_disconnected() {
    let route = Route::new();
    let [mut first, second] = [subscribe(&route, ""), subscribe(&route, "")];
    assert_eq!(route.subscribers(), 2);
    route.close();
    let closed = tokio::spawn({
        let route = route.clone();
        async move { route.closed().await }
    });
    tokio::task::yield_now().await;
    assert_eq!(first.read(), ".");
    drop(first);
    assert!(!closed.is_finished());
    drop(second);
    closed.await.unwrap();
    assert_eq!(route.subscribers(), 0);
    route.closed().await;
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken() {
    use http_body_util::BodyExt as _;

    let route = Route::new();
    let mut reader = subscribe(&route, "");
    assert_eq!(reader.read(), "-", "it has left another waker before");
    let mut body = reader.into_body();
    let reader = tokio::spawn(async move { body.frame().await.unwrap().unwrap().into_data().unwrap() });
    tokio::task::yield_now().await;
    publish(&route, &["1"]);
    assert!(reader.await.unwrap().starts_with(b"data: 1\n"));
}

/// Users rely on this: bodies and routes can be moved to other tasks, and need no pinning.
const _: fn() = || {
    fn is<T: Send + Sync + Unpin>() {}
    is::<Route>();
    is::<sse_server::Body>();
};

#[test]
fn ids_are_forgotten_though_the_latest_message_of_each_key_is_kept() {
    let route = Route::builder().history(2).lag_policy(LagPolicy::LatestPerKey).build();
    let publish = |key: &str, id: &str, data: &str| {
        let message = Message::new(data).id(EventId::new(id).unwrap());
        route.publish_keyed(key, &message).map(|published| published.is_repeat())
    };
    publish("quiet", "kept", "1").unwrap();
    publish("busy", "gone", "1").unwrap();
    for number in 0..20_000 {
        publish("busy", &number.to_string(), "1").unwrap();
    }
    assert!(publish("quiet", "kept", "1").unwrap(), "its message is kept");
    assert!(!publish("busy", "gone", "2").unwrap());
    assert!(matches!(publish("busy", "10000", "2"), Err(PublishError::IdTaken)));
}
