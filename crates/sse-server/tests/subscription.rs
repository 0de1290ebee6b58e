//! Subscriptions with settings: their position, their snapshot, their filter, and refusals.

use std::time::Duration;

use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderValue, Request, StatusCode};
use sse_server::{EventId, EventType, LagPolicy, Message, Route, RouteBuilder, Topics};
use sse_testing::{Subscriber, field, request, subscribe};
use tokio::time::{advance, pause};

fn publish(route: &Route, data: &[&str]) {
    for &data in data {
        route.publish(&Message::new(data)).unwrap();
    }
}

/// Returns the id of the newest event.
fn last_id(route: &Route) -> String {
    let opening = Subscriber::of(route.respond(&request(""))).read();
    field(&opening, "id").expect("an opening has an id").to_owned()
}

/// Checks what a client reads that comes with this id, if its stream has a snapshot.
#[track_caller]
fn check_snapshot(route: &Route, last_event_id: &str, expected: &[&str]) {
    let snapshot = || [Message::new("snapshot"), Message::new("more").id(EventId::from_static("x"))];
    let mut reader = Subscriber::of(route.subscribe(&request(last_event_id)).snapshot(snapshot).respond());
    publish(route, &["live"]);
    assert_eq!(reader.read_data(), expected, "after {last_event_id:?}");
}

#[test]
fn a_snapshot_goes_before_later_events() {
    let route = Route::new();
    publish(&route, &["1", "2"]);
    check_snapshot(&route, "", &["snapshot", "more", "live", "-"]);
}

#[test]
fn a_client_that_can_resume_gets_no_snapshot() {
    let route = Route::new();
    publish(&route, &["1"]);
    let id = last_id(&route);
    publish(&route, &["2"]);
    check_snapshot(&route, &id, &["2", "live", "-"]);
}

#[test]
fn a_client_that_cant_resume_gets_a_gap_and_the_snapshot() {
    let route = Route::builder().history(1).build();
    let id = last_id(&route);
    publish(&route, &["1", "2", "3"]);
    check_snapshot(&route, &id, &[r#"{"missed":3}"#, "snapshot", "more", "live", "-"]);
    check_snapshot(&route, "unknown", &[r#"{"missed":null}"#, "snapshot", "more", "live", "-"]);
}

#[test]
fn the_last_message_of_a_snapshot_has_the_position() {
    #[track_caller]
    fn check(snapshot: &[&str], expected: &[Option<&str>]) {
        let route = Route::new();
        publish(&route, &["1"]);
        let id = subscribe(&route, "").last_event_id().to_owned();
        let messages = || snapshot.iter().map(|&data| Message::new(data).id(EventId::from_static("x")));
        let mut reader = Subscriber::of(route.subscribe(&request("")).snapshot(messages).respond());
        let blocks: Vec<String> = std::iter::repeat_with(|| reader.read()).take(expected.len() + 1).collect();
        let found: Vec<_> = blocks[1..].iter().map(|block| field(block, "data")).collect();
        assert_eq!(found, expected);
        let (last, rest) = blocks.split_last().expect("there are blocks");
        assert!(rest.iter().all(|block| field(block, "id").is_none()), "{blocks:?}");
        assert_eq!(field(last, "id"), Some(&*id), "{blocks:?}");
    }

    check(&["a", "b"], &[Some("a"), Some("b")]);
    check(&["a"], &[Some("a")]);
    // Without a message, the id is alone.
    check(&[], &[None]);

    let route = Route::new();
    publish(&route, &["1"]);
    let subscription = route.subscribe(&request("")).snapshot(|| [Message::new("a"), Message::new("b")]);
    publish(&route, &["2"]);
    let mut reader = Subscriber::of(subscription.respond());
    let blocks: Vec<String> = std::iter::repeat_with(|| reader.read()).take(3).collect();
    let ids: Vec<_> = blocks.iter().map(|block| field(block, "id")).collect();
    let [None, None, Some(id)] = ids[..] else { panic!("{blocks:?}") };
    assert!(field(&blocks[0], "retry").is_some());
    // A client that loses the connection before that id comes again without one, and gets the snapshot again.
    assert_eq!(subscribe(&route, id).read_data(), ["2", "-"]);
    assert_eq!(reader.read_data(), ["2", "-"]);
}

#[test]
fn a_filter_leaves_events_out() {
    let route = Route::new();
    let mut reader = Subscriber::of(
        route
            .subscribe(&request(""))
            .filter(|event| event.event_type() == "price" && event.data() != "2")
            .respond(),
    );
    reader.read();
    for data in ["1", "2", "3"] {
        route.publish(&Message::new(data).event_type(EventType::from_static("price"))).unwrap();
        route.publish(&Message::new(data)).unwrap();
    }
    route.publish(&Message::empty().comment("for all")).unwrap();
    let frame = reader.frame();
    assert_eq!((frame.matches("data: ").count(), frame.matches(": for all").count()), (2, 1), "{frame}");
    assert_eq!(reader.read(), "-");
    let stats = route.stats();
    assert_eq!((stats.published, stats.delivered), (7, 3));
}

#[test]
fn a_filter_that_lets_nothing_pass_waits() {
    let route = Route::builder().history(100_000).build();
    let mut reader = Subscriber::of(route.subscribe(&request("")).filter(|_| false).respond());
    reader.read();
    let data = "x".repeat(1000);
    (0..10_000).for_each(|_| publish(&route, &[&data]));
    assert_eq!(reader.read(), "-");
    route.close();
    while reader.read() != "." {}
}

#[test]
fn a_filter_that_panics_ends_only_its_own_stream() {
    let route = Route::new();
    let mut broken =
        Subscriber::of(route.subscribe(&request("")).filter(|_| panic!("a bug of the user's")).respond());
    let mut other = subscribe(&route, "");
    broken.read();
    publish(&route, &["1"]);
    assert_eq!(broken.read(), ".");
    assert_eq!(broken.read(), ".", "the stream has ended for good");
    assert_eq!(other.read_data(), ["1", "-"]);
}

#[tokio::test]
async fn a_filtered_stream_gets_its_position_with_the_heartbeat() {
    pause();
    let route = Route::builder().history(1).build();
    let mut reader = Subscriber::of(route.subscribe(&request("")).filter(|_| false).respond());
    reader.read();
    publish(&route, &["1", "2", "3"]);
    while reader.read() != "-" {}
    tokio::task::yield_now().await;
    advance(Duration::from_secs(16)).await;
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    let heartbeat = reader.read();
    let id = field(&heartbeat, "id").expect("the heartbeat has an id");
    assert_eq!(subscribe(&route, id).read_data(), ["-"], "nothing is missing after it");
}

#[test]
fn the_last_event_id_may_be_in_the_query() {
    #[track_caller]
    fn check(route: &Route, query: &str, header: &str, expected: &[&str]) {
        let request =
            Request::get(format!("/events?{query}")).header("Last-Event-ID", header).body(()).unwrap();
        let mut reader = Subscriber::of(route.respond(&request));
        reader.read();
        assert_eq!(reader.read_data(), expected, "{query} {header}");
    }

    let publish = |builder: RouteBuilder| {
        let route = builder.build();
        for id in ["a", "b c", "ü"] {
            route.publish(&Message::new(id).id(EventId::from_static(id))).unwrap();
        }
        route
    };
    let route = publish(Route::builder());
    check(&route, "lastEventId=a", "", &["b c", "ü", "-"]);
    check(&route, "x=y&lastEventId=b+c&lastEventId=a", "", &["ü", "-"]);
    check(&route, "lastEventId=%C3%BC", "", &["-"]);
    check(&route, "lastEventId=a", "b c", &["ü", "-"]);
    check(&route, "lastEventId=", "", &["-"]);
    check(&route, "last-event-id=a", "", &["-"]);
    check(&route, "lastEventId=%FF%00", "", &[r#"{"missed":null}"#, "a", "b c", "ü", "-"]);
    check(&publish(Route::builder().last_event_id_parameter("from")), "from=a", "", &["b c", "ü", "-"]);
    check(&publish(Route::builder().last_event_id_parameter(None)), "lastEventId=a", "", &["-"]);
}

#[test]
fn a_full_route_refuses() {
    let route = Route::builder().max_subscribers(2).build();
    let first = route.respond(&request(""));
    let second = route.respond(&request(""));
    let refused = route.respond(&request(""));
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((5..=10).contains(&seconds), "{seconds}");
    assert_eq!(route.stats().refused, 1);
    drop(first);
    assert_eq!(
        route.respond(&request("")).status(),
        StatusCode::OK,
        "the route has room for one subscriber again"
    );
    drop(second);
}

#[test]
fn a_client_has_a_limit_of_its_own() {
    let route = Route::builder().max_subscribers_per_client(1).build();
    let subscribe = |client: &str| route.subscribe(&request("")).client(client);
    let first = subscribe("a");
    assert!(first.is_open());
    assert!(!subscribe("a").is_open());
    let refused = subscribe("a").respond();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(subscribe("b").is_open());
    assert!(first.client("b").is_open(), "the last client counts");
    assert!(subscribe("a").is_open());
    assert_eq!((route.subscribers(), route.stats().refused), (0, 2));
}

#[test]
fn a_refused_subscription_ignores_settings() {
    let route = Route::builder().max_subscribers(0).build();
    let subscription = route.subscribe(&request(""));
    assert!(!subscription.is_open());
    let response = subscription
        .snapshot(|| -> [Message<'_>; 0] { panic!("no client gets it") })
        .from_start()
        .filter(|_| true)
        .heartbeat(None)
        .max_age(None)
        .client("a")
        .header(SET_COOKIE, HeaderValue::from_static("a=b"))
        .respond();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!response.headers().contains_key(SET_COOKIE));
}

#[test]
fn a_stream_may_begin_with_the_oldest_message() {
    let route = Route::builder().history(2).build();
    publish(&route, &["1", "2", "3"]);
    let subscribe = |id| Subscriber::of(route.subscribe(&request(id)).from_start().respond());
    let mut first = subscribe("");
    assert_eq!(field(&first.read(), "id"), None, "a client that loses the connection here begins again");
    let id = field(&first.read(), "id").unwrap().to_owned();
    assert_eq!(first.read_data(), ["3", "-"]);
    publish(&route, &["4"]);
    assert_eq!(first.read_data(), ["4", "-"]);
    let mut resumed = subscribe(&id);
    resumed.read();
    assert_eq!(resumed.read_data(), ["3", "4", "-"], "an id counts more");
}

#[test]
fn a_stream_may_begin_with_the_newest_messages() {
    let topics = Topics::new();
    for (topic, data) in [("a", "1"), ("b", "2"), ("other", "3"), ("a", "4"), ("a", "5"), ("b", "6")] {
        topics.route(topic).unwrap().publish(&Message::new(data)).unwrap();
    }
    let check = |messages: usize, expected: &[&str]| {
        let subscription = topics.subscribe(&request(""), ["a", "b"]).from_newest(messages);
        let mut subscriber = Subscriber::of(subscription.respond());
        subscriber.read();
        assert_eq!(subscriber.read_data(), expected, "{messages}");
    };
    check(0, &["-"]);
    check(1, &["6", "-"]);
    check(3, &["4", "5", "6", "-"]);
    check(4, &["2", "4", "5", "6", "-"]);
    check(5, &["1", "2", "4", "5", "6", "-"]);
    check(usize::MAX, &["1", "2", "4", "5", "6", "-"]);

    // An id counts more, and evicted messages are not a gap.
    let route = Route::builder().history(2).build();
    publish(&route, &["1", "2", "3"]);
    let mut first = Subscriber::of(route.subscribe(&request("")).from_newest(3).respond());
    first.read();
    let id = field(&first.read(), "id").unwrap().to_owned();
    assert_eq!(first.read_data(), ["3", "-"]);
    let mut resumed = Subscriber::of(route.subscribe(&request(&id)).from_newest(0).respond());
    resumed.read();
    assert_eq!(resumed.read_data(), ["3", "-"]);
}

#[test]
fn a_post_may_be_answered_by_a_stream() {
    let request = Request::post("/").body(()).unwrap();
    let route = Route::new();
    assert_eq!(route.subscribe(&request).respond().status(), StatusCode::OK);
    assert_eq!(
        route.respond(&request).status(),
        StatusCode::METHOD_NOT_ALLOWED,
        "unless the handler subscribes"
    );
}

#[test]
fn headers_can_be_added_and_replaced() {
    let cache = HeaderName::from_static("cache-control");
    let response = Route::new()
        .subscribe(&request(""))
        .header(SET_COOKIE, HeaderValue::from_static("a=b"))
        .header(cache.clone(), HeaderValue::from_static("private"))
        .respond();
    assert_eq!(response.headers()[SET_COOKIE], "a=b");
    assert_eq!(response.headers().get_all(cache).iter().count(), 1);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
}

#[test]
fn reconnection_times_are_spread() {
    let route = Route::new();
    let times: Vec<u64> = (0..100)
        .map(|_| {
            field(&Subscriber::of(route.respond(&request(""))).read(), "retry").unwrap().parse().unwrap()
        })
        .collect();
    assert!(times.iter().all(|time| (2000..=4000).contains(time)), "{times:?}");
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() > 1000, "{times:?}");
}

#[tokio::test]
async fn a_subscription_may_have_a_heartbeat_of_its_own() {
    pause();
    let route = Route::builder().heartbeat(Duration::from_secs(1)).build();
    let mut rare = Subscriber::of(route.subscribe(&request("")).heartbeat(Duration::from_secs(10)).respond());
    let mut never = Subscriber::of(route.subscribe(&request("")).heartbeat(None).respond());
    for reader in [&mut rare, &mut never] {
        reader.read();
        assert_eq!(reader.read(), "-");
    }
    advance(Duration::from_secs(9)).await;
    assert_eq!(rare.read(), "-");
    publish(&route, &["1"]);
    assert_eq!(rare.read_data(), ["1", "-"]);
    advance(Duration::from_secs(9)).await;
    assert_eq!(rare.read(), "-", "an event delays the heartbeat");
    advance(Duration::from_secs(2)).await;
    assert_eq!(rare.read(), ":\n\n");
    assert_eq!(rare.read(), "-");
    assert_eq!(never.read_data(), ["1", "-"]);
}

#[tokio::test]
async fn a_stream_ends_at_its_maximum_age() {
    pause();
    let route = Route::builder().heartbeat(None).max_age(Duration::from_secs(100)).build();
    let mut readers: Vec<_> = (0..50).map(|_| Subscriber::of(route.respond(&request("")))).collect();
    let mut short = Subscriber::of(route.subscribe(&request("")).max_age(Duration::from_secs(1)).respond());
    let open = |readers: &mut Vec<Subscriber>| {
        readers.retain_mut(|reader| reader.read_data() != ["."]);
        readers.len()
    };
    short.read();
    assert_eq!((short.read(), open(&mut readers)), ("-".to_owned(), 50));
    advance(Duration::from_millis(1101)).await;
    assert_eq!(short.read(), ".");
    advance(Duration::from_secs(88)).await;
    assert_eq!(open(&mut readers), 50);
    advance(Duration::from_secs(11)).await;
    let left = open(&mut readers);
    assert!((5..45).contains(&left), "the streams do not end together: {left}");
    advance(Duration::from_secs(11)).await;
    assert_eq!(open(&mut readers), 0);
    assert!(!route.is_closed());
}

#[tokio::test]
async fn the_longest_times_never_end() {
    let route =
        Route::builder().max_age(Duration::MAX).heartbeat(Duration::MAX).history_age(Duration::MAX).build();
    let subscription = route.subscribe(&request("")).heartbeat(Duration::MAX);
    let mut reader = Subscriber::of(subscription.respond());
    reader.read();
    publish(&route, &["1"]);
    assert_eq!(reader.read_data(), ["1", "-"]);
    route.close_within(Duration::MAX);
    assert_eq!(reader.read(), "-");
}

#[test]
fn a_lagging_subscriber_may_be_disconnected() {
    let route = Route::builder().history(2).burst_bytes(0).lag_policy(LagPolicy::Disconnect).build();
    let mut reader = subscribe(&route, "");
    publish(&route, &["1"]);
    let id = field(&reader.read(), "id").unwrap().to_owned();
    assert_eq!(reader.read(), "-");
    publish(&route, &["2", "3", "4"]);
    assert_eq!(reader.read(), ".");
    assert_eq!(reader.read(), ".", "the stream has ended for good");
    assert_eq!(subscribe(&route, &id).read_data(), [r#"{"missed":1}"#, "3", "4", "-"]);
    let stats = route.stats();
    assert_eq!((stats.lagged, stats.gaps), (1, 1));
}

#[test]
fn a_lagging_subscriber_may_get_the_latest_of_each_key() {
    let route = Route::builder().history(2).burst_bytes(0).lag_policy(LagPolicy::LatestPerKey).build();
    let mut reader = subscribe(&route, "");
    for (key, data) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1"), ("c", "c2"), ("c", "c3")] {
        route.publish_keyed(key, &Message::new(data)).unwrap();
    }
    assert_eq!(reader.read_data(), ["b1", "a2", "c2", "c3", "-"]);
    publish(&route, &["1", "2", "3"]);
    assert_eq!(reader.read_data(), [r#"{"missed":null}"#, "2", "3", "-"]);
}

#[test]
fn expired_messages_are_a_gap() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let route = Route::builder().history_age(Duration::from_secs(10)).build();
        let id = last_id(&route);
        publish(&route, &["1"]);
        advance(Duration::from_secs(6)).await;
        publish(&route, &["2"]);
        advance(Duration::from_secs(5)).await;
        assert_eq!(subscribe(&route, &id).read_data(), [r#"{"missed":1}"#, "2", "-"]);
    });
}

#[test]
fn the_counts_add_up() {
    let route = Route::builder().history(2).burst_bytes(0).build();
    let mut reader = subscribe(&route, "");
    let stats = route.stats();
    assert_eq!((stats.subscribers, stats.catching_up), (1, 1));
    assert_eq!(reader.read(), "-");
    assert_eq!(route.stats().catching_up, 0);
    publish(&route, &["1", "2", "3"]);
    assert_eq!(route.stats().catching_up, 1);
    let blocks: String = std::iter::repeat_with(|| reader.read()).take_while(|block| block != "-").collect();
    let stats = route.stats();
    assert_eq!((stats.published, stats.delivered, stats.replayed), (3, 2, 0));
    assert_eq!((stats.gaps, stats.lagged, stats.catching_up), (1, 1, 0));
    let (_, events) = blocks.split_once("\n\n").expect("the blocks are a gap event and others");
    assert_eq!(usize::try_from(stats.bytes).unwrap(), events.len());
    // A client that comes late: its gap is not a lag, and its messages from the history are a replay.
    let mut late = subscribe(&route, "unknown");
    publish(&route, &["4"]);
    late.read_data();
    let stats = route.stats();
    assert_eq!((stats.published, stats.delivered, stats.replayed), (4, 4, 1));
    assert_eq!((stats.gaps, stats.lagged), (2, 1));
}

#[tokio::test]
async fn a_closing_route_ends_its_streams_one_by_one() {
    pause();
    let route = Route::builder().heartbeat(None).build();
    let mut readers: Vec<_> = (0..50).map(|_| subscribe(&route, "")).collect();
    publish(&route, &["1"]);
    route.close_within(Duration::from_secs(10));
    for reader in &mut readers {
        assert_eq!(reader.read_data(), ["1", "-"]);
    }
    assert!(route.publish(&Message::new("2")).is_err());
    advance(Duration::from_secs(5)).await;
    readers.retain_mut(|reader| reader.read() != ".");
    assert!((5..45).contains(&readers.len()), "the streams do not end together: {}", readers.len());
    advance(Duration::from_secs(6)).await;
    assert!(readers.iter_mut().all(|reader| reader.read() == "."));
    readers.clear();
    route.closed().await;
}

#[test]
fn a_snapshot_goes_before_the_start_in_either_order() {
    let route = Route::new();
    publish(&route, &["1", "2"]);
    let state = || [Message::new("state")];
    let subscribe = || route.subscribe(&request(""));
    for subscription in [subscribe().from_start().snapshot(state), subscribe().snapshot(state).from_start()] {
        assert_eq!(Subscriber::of(subscription.respond()).read_data(), ["state", "-"]);
    }
}

#[test]
fn the_data_may_be_changed_for_one_subscriber() {
    let topics = Topics::builder().route(Route::builder().history(2).burst_bytes(0)).build();
    let subscription = topics.subscribe(&request("unknown"), ["a", "b"]);
    let subscription = subscription
        .filter(|event| event.data() != "debug")
        .map_data(|event| format!("{}/{}/{}", event.topic(), event.event_type(), event.data()));
    let mut one = Subscriber::of(subscription.respond());
    let mut other = Subscriber::of(topics.subscribe_to(&request(""), "b").respond());
    for (topic, data) in [("a", "1"), ("b", "debug"), ("b", "2")] {
        topics.route(topic).unwrap().publish(&Message::new(data)).unwrap();
    }
    assert_eq!(one.read_data(), [r#"/gap/{"missed":null}"#, "a/message/1", "b/message/2", "-"]);
    assert_eq!(other.read_data(), ["debug", "2", "-"]);
    let mut panics =
        Subscriber::of(topics.subscribe_to(&request(""), "b").map_data(|_| panic!("for the test")).respond());
    panics.read();
    topics.route("b").unwrap().publish(&Message::new("3")).unwrap();
    assert_eq!(panics.read_data(), ["."]);
    assert_eq!(other.read_data(), ["3", "-"]);
}
