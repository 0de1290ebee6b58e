//! The ends of streams: of one stream, of one client's streams, of a server's streams, and of a topic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use http::{Request, StatusCode};
use sse_server::log::{Batch, Entry, Log, LogError, Position, Publisher, PublisherBuilder};
use sse_server::{EndReason, LagPolicy, Message, PublishError, Route, Shutdown, Subscription, Topics};
use sse_testing::log::MemoryLog;
use sse_testing::{Subscriber, request, subscribe};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep;

fn publish(route: &Route, data: &str) {
    route.publish(&Message::new(data)).unwrap();
}

/// Subscribes a client with this name.
fn of_client(route: &Route, client: &str) -> Subscriber {
    Subscriber::of(route.subscribe(&request("")).client(client).respond())
}

#[test]
fn a_stream_ends_when_a_future_completes() {
    let route = Route::new();
    let (first, second) = (oneshot::channel::<()>(), oneshot::channel::<()>());
    let until = |end: oneshot::Receiver<()>| async { _ = end.await };
    let subscription = route.subscribe(&request("")).until(until(first.1)).until(until(second.1));
    let mut subscriber = Subscriber::of(subscription.respond());
    publish(&route, "1");
    assert_eq!(subscriber.read_data(), ["1", "-"]);
    publish(&route, "2");
    drop(second.0);
    assert_eq!(subscriber.read_data(), ["."], "the stream ends at once, because the token has expired");
    assert_eq!(subscribe(&route, subscriber.last_event_id()).read_data(), ["2", "-"]);
    drop(first.0);
    assert!(!route.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_stream_is_woken_when_its_future_completes() {
    let route = Route::builder().heartbeat(None).build();
    let subscription = route.subscribe(&request("")).until(sleep(Duration::from_secs(60)));
    let mut subscriber = Subscriber::of(subscription.respond()).patience(Duration::from_secs(61));
    assert_eq!(subscriber.next_event().await, None);
}

#[test]
fn the_streams_of_a_client_end_at_once() {
    let route = Route::builder().max_subscribers_per_client(2).build();
    let [mut first, mut second, mut other] = ["a", "a", "b"].map(|client| of_client(&route, client));
    first.read_data();
    publish(&route, "1");
    let _ = route.end_client("a").unwrap();
    let _ = route.end_client("nobody").unwrap();
    assert_eq!(first.read_data(), ["."], "unsent messages are not sent");
    assert_eq!(second.read_data(), ["."]);
    assert_eq!(other.read_data(), ["1", "-"]);
    // The application decides whether the client may come back.
    drop((first, second));
    let mut back = of_client(&route, "a");
    publish(&route, "2");
    assert_eq!(back.read_data(), ["2", "-"]);
    assert_eq!(other.read_data(), ["2", "-"]);
}

#[test]
fn a_client_is_ended_on_all_topics() {
    let topics = Topics::new();
    let stream = |names: &[&str], client: &str| {
        let subscription = topics.subscribe(&request(""), names.iter().copied());
        Subscriber::of(subscription.client(client).respond())
    };
    let mut streams =
        [stream(&["a"], "1"), stream(&["b"], "1"), stream(&["a", "b"], "1"), stream(&["a", "b"], "2")];
    assert_eq!(streams.each_mut().map(|stream| stream.read_data().pop().unwrap()), ["-"; 4]);
    let _ = topics.route("a").unwrap().end_client("1").unwrap();
    assert_eq!(streams.each_mut().map(|stream| stream.read_data().pop().unwrap()), [".", "-", ".", "-"]);
    let _ = topics.end_client("1").unwrap();
    assert_eq!(streams.each_mut().map(|stream| stream.read_data().pop().unwrap()), [".", ".", ".", "-"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_ended_on_every_replica() {
    let log = MemoryLog::new();
    let builder = Topics::builder().route(Route::builder().heartbeat(None));
    let replicas =
        [builder.clone().build_on(log.clone()).await.unwrap(), builder.build_on(log).await.unwrap()];
    for everywhere in [true, false] {
        let mut streams = Vec::new();
        for topics in &replicas {
            for client in ["a b\n", "other"] {
                streams.push(of_client(&topics.route("t").unwrap(), client));
            }
        }
        assert!(streams.iter_mut().all(|stream| stream.read_data() == ["-"]));
        let told = if everywhere {
            replicas[0].end_client("a b\n").unwrap()
        } else {
            replicas[0].route("t").unwrap().end_client("a b\n").unwrap()
        };
        assert_eq!(told.stored().await.unwrap(), None);
        sleep(Duration::from_millis(1)).await;
        let ends: Vec<_> = streams.iter_mut().map(|stream| stream.read_data().pop().unwrap()).collect();
        assert_eq!(ends, [".", "-", ".", "-"], "{everywhere}");
    }
    let mut other = subscribe(&replicas[1].route("t").unwrap(), "");
    replicas[0].route("t").unwrap().publish(&Message::new("1")).unwrap().stored().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(other.read_data(), ["1", "-"], "subscribers see no commands to the replicas");
}

#[test]
fn the_first_of_several_signals_ends_a_stream() {
    for ended in 0..3 {
        let route = Route::new();
        let signals = [Shutdown::new(), Shutdown::new(), Shutdown::new()];
        let mut request = Request::get("/events").body(()).unwrap();
        // One signal of the server, one of a layer, and one of the handler.
        signals[0].attach(request.extensions_mut());
        request.extensions_mut().insert(signals[1].clone());
        signals[2].attach(request.extensions_mut());
        let mut subscriber = Subscriber::of(route.respond(&request));
        publish(&route, "1");
        assert_eq!(subscriber.read_data(), ["1", "-"]);
        publish(&route, "2");
        signals[ended].begin();
        assert_eq!(subscriber.read_data(), ["2", "."], "{ended}: the stream ends after its last message");
    }
}

#[test]
fn a_closed_topic_can_be_opened_again() {
    let topics = Topics::new();
    let route = topics.route("a").unwrap();
    let mut subscriber = subscribe(&route, "");
    publish(&route, "1");
    route.close();
    assert_eq!(subscriber.read_data(), ["1", "."]);
    let id = subscriber.last_event_id().to_owned();
    assert!(matches!(route.publish(&Message::new("x")), Err(PublishError::Closed)));
    assert_eq!(topics.route("a").unwrap().respond(&request(&id)).status(), StatusCode::NO_CONTENT);
    assert!(!topics.open("a").unwrap().is_closed());
    let mut subscriber = subscribe(&route, &id);
    publish(&route, "2");
    assert_eq!(subscriber.read_data(), ["2", "-"]);
    route.close();
    route.close();
    assert_eq!(subscriber.read_data(), ["."]);
    assert!(topics.open("a").is_ok() && topics.open("a").is_ok() && topics.open("new").is_ok());
    assert!(!route.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_opened_again_on_every_replica() {
    let log = MemoryLog::new();
    let builder = Topics::builder().route(Route::builder().heartbeat(None));
    let here = builder.clone().build_on(log.clone()).await.unwrap();
    let there = builder.clone().build_on(log.clone()).await.unwrap();
    let store = async |topics: &Topics, data: &str| {
        let published = topics.route("a").unwrap().publish(&Message::new(data))?;
        let id = published.stored().await?;
        sleep(Duration::from_millis(1)).await;
        Ok::<_, PublishError>(id)
    };
    let first = store(&here, "1").await.unwrap().unwrap();
    here.route("a").unwrap().close().stored().await.unwrap();
    // A publisher that has not read the end. Its later messages reach no subscriber.
    let late = Publisher::new(log.clone()).publish("a", &Message::new("late")).unwrap();
    late.stored().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert!(matches!(store(&there, "x").await, Err(PublishError::Closed)));
    there.open("a").unwrap();
    store(&there, "2").await.unwrap();
    store(&here, "3").await.unwrap();
    let later = builder.build_on(log).await.unwrap();
    for topics in [&here, &there, &later] {
        let mut subscriber = subscribe(&topics.route("a").unwrap(), first.as_str());
        assert_eq!(subscriber.read_data(), ["2", "3", "-"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_opened_again_by_a_replica_that_has_not_seen_its_end() {
    let log = MemoryLog::new();
    let builder = Topics::builder().recent(2);
    let here = builder.clone().build_on(log.clone()).await.unwrap();
    let id = here.route("a").unwrap().publish(&Message::new("1")).unwrap().stored().await.unwrap().unwrap();
    here.route("a").unwrap().close().stored().await.unwrap();
    for _ in 0..10 {
        here.route("b").unwrap().publish(&Message::new("other")).unwrap().stored().await.unwrap();
    }
    // The part of the log that it has in memory begins after the end.
    let later = builder.build_on(log.clone()).await.unwrap();
    for _ in 0..2 {
        later.open("a").unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    later.route("a").unwrap().publish(&Message::new("2")).unwrap().stored().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    for topics in [&here, &later] {
        let mut subscriber = subscribe(&topics.route("a").unwrap(), id.as_str());
        assert_eq!(all(&mut subscriber).await, ["2"]);
    }
}

/// Reads the answer of a model, or the log of a build, from the start to the end. Then there is 204.
#[tokio::test(start_paused = true)]
async fn the_stream_of_a_task_is_read_from_its_start_to_its_end() {
    let log = MemoryLog::new();
    let builder = Topics::builder().linger(Duration::from_secs(600));
    let replicas = [
        builder.clone().build(),
        builder.clone().build_on(log.clone()).await.unwrap(),
        builder.build_on(log).await.unwrap(),
    ];
    for [writer, reader] in [[0, 0], [1, 1], [1, 2]] {
        let (writer, reader, name) =
            (&replicas[writer], &replicas[reader], format!("task {writer} {reader}"));
        let read = |id: &str| reader.route(&name).unwrap().subscribe(&request(id)).from_start().respond();
        let task = writer.route(&name).unwrap();
        for data in ["1", "2"] {
            task.publish(&Message::new(data)).unwrap().stored().await.unwrap();
        }
        sleep(Duration::from_millis(1)).await;
        let mut early = Subscriber::of(read(""));
        assert_eq!(early.read_data(), ["1", "2", "-"], "{name}");
        task.publish(&Message::new("3")).unwrap();
        task.close().stored().await.unwrap();
        drop(task);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(early.read_data(), ["3", "."], "{name}");
        // While the topic is kept, later clients get the same.
        sleep(Duration::from_secs(500)).await;
        assert_eq!(Subscriber::of(read("")).read_data(), ["1", "2", "3", "."], "{name}");
        assert_eq!(read(early.last_event_id()).status(), StatusCode::NO_CONTENT, "{name}");
    }
}

/// A log whose appends can fail, and whose follower gets one entry at a time.
#[derive(Clone, Default)]
struct SlowLog {
    log: MemoryLog,
    fails: Arc<AtomicBool>,
}

impl Log for SlowLog {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(LogError::refused("the test log is down"));
        }
        self.log.append(batch).await
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        self.log.before(position, limit).await
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.log.after(position, limit).await
    }

    async fn follow(&self, position: Position, _: usize) -> Result<Option<Vec<Entry>>, LogError> {
        yield_now().await;
        self.log.follow(position, 1).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_was_not_stored_is_asked_for_again() {
    let log = SlowLog::default();
    let impatient = PublisherBuilder::default().patience(Duration::ZERO);
    let topics = Topics::builder().publisher(impatient).build_on(log.clone()).await.unwrap();
    let route = topics.route("a").unwrap();
    route.close().stored().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    for fails in [true, false] {
        log.fails.store(fails, Ordering::SeqCst);
        topics.open("a").unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    route.publish(&Message::new("1")).unwrap().stored().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    let mut subscriber = Subscriber::of(route.subscribe(&request("")).from_start().respond());
    assert_eq!(subscriber.read_data(), ["1", "-"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_of_several_ends_and_openings_counts() {
    let topics = Topics::builder().build_on(SlowLog::default()).await.unwrap();
    let route = topics.route("a").unwrap();
    let mut subscriber = subscribe(&route, "");
    let _ = route.close();
    topics.open("a").unwrap();
    let _ = route.close();
    // Their answers come back one by one.
    for _ in 0..100 {
        assert!(route.is_closed());
        yield_now().await;
    }
    sleep(Duration::from_millis(1)).await;
    assert!(route.is_closed());
    assert_eq!(subscriber.read_data(), ["."]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_the_log_is_ended_at_once() {
    let log = MemoryLog::new();
    let writer = Publisher::new(log.clone());
    let mut first = None;
    for number in 0..2000 {
        let id = writer.publish("a", &Message::new(number.to_string())).unwrap().stored().await.unwrap();
        first.get_or_insert(id.unwrap());
    }
    let topics = Topics::builder()
        .route(Route::builder().history(4).burst_bytes(0))
        .recent(4)
        .build_on(log)
        .await
        .unwrap();
    let route = topics.route("a").unwrap();
    let subscription = route.subscribe(&request(first.unwrap().as_str())).client("c");
    let mut subscriber = Subscriber::of(subscription.respond());
    subscriber.read();
    assert_eq!(subscriber.read(), "-", "the log is asked");
    sleep(Duration::from_millis(1)).await;
    let _ = route.end_client("c").unwrap();
    assert_eq!(subscriber.read_data(), ["."]);
}

/// Returns a log in which a topic has ended, and was opened again after `between` messages of another topic; and the id
/// of the topic's first message.
async fn reopened(between: usize, last_end: bool) -> (MemoryLog, String) {
    let log = MemoryLog::new();
    let topics = Topics::builder().build_on(log.clone()).await.unwrap();
    let route = topics.route("a").unwrap();
    let id = route.publish(&Message::new("first")).unwrap().stored().await.unwrap().unwrap();
    route.close().stored().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    let other = topics.route("b").unwrap();
    for _ in 0..between {
        other.publish(&Message::new("other")).unwrap().stored().await.unwrap();
    }
    topics.open("a").unwrap();
    for number in 0..5 {
        route.publish(&Message::new(number.to_string())).unwrap().stored().await.unwrap();
    }
    if last_end {
        route.close().stored().await.unwrap();
    } else {
        for _ in 0..10 {
            other.publish(&Message::new("other")).unwrap().stored().await.unwrap();
        }
    }
    sleep(Duration::from_millis(1)).await;
    (log, id.as_str().to_owned())
}

async fn all(subscriber: &mut Subscriber) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..20 {
        let mut data = subscriber.read_data();
        let end = data.pop().unwrap();
        seen.append(&mut data);
        if end == "." {
            seen.push(end);
            break;
        }
        sleep(Duration::from_millis(1)).await;
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn an_end_in_an_old_page_does_not_end_a_topic_that_was_opened_since() {
    for (between, last_end) in [(0, false), (600, false), (600, true), (0, true)] {
        let (log, id) = reopened(between, last_end).await;
        let topics = Topics::builder()
            .route(Route::builder().history(4).burst_bytes(0).heartbeat(None))
            .recent(2)
            .build_on(log)
            .await
            .unwrap();
        let route = topics.route("a").unwrap();
        assert_eq!(route.is_closed(), last_end);
        let mut subscriber = subscribe(&route, &id);
        let seen = all(&mut subscriber).await;
        let mut expected = vec!["0", "1", "2", "3", "4"];
        if last_end {
            expected.push(".");
        }
        assert_eq!(seen, expected, "{between} {last_end}");
        assert_eq!(route.is_closed(), last_end, "{between} {last_end}");
    }
}

#[test]
fn a_shutdown_ends_a_stream_whose_filter_leaves_out_the_rest() {
    let route = Route::builder().heartbeat(None).build();
    let shutdown = Shutdown::new();
    let request = Request::get("/events").extension(shutdown.clone()).body(()).unwrap();
    let mut subscriber = Subscriber::of(route.subscribe(&request).filter(|_| false).respond());
    subscriber.read();
    publish(&route, "1");
    // No heartbeat and no message would wake the stream again.
    shutdown.begin();
    assert_eq!(subscriber.read_data(), ["."]);
}

#[tokio::test(start_paused = true)]
async fn a_closing_stream_can_end_for_other_reasons() {
    let route = Route::builder().heartbeat(None).build();
    let shutdown = Shutdown::new();
    let request = Request::get("/events").extension(shutdown.clone()).body(()).unwrap();
    let mut by_shutdown = Subscriber::of(route.respond(&request));
    let mut by_until =
        Subscriber::of(route.subscribe(&request).until(sleep(Duration::from_secs(1))).respond());
    route.close_within(Duration::from_secs(3_600_000));
    assert_eq!(by_shutdown.read_data(), ["-"]);
    assert_eq!(by_until.read_data(), ["-"]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(by_until.read_data(), ["."]);
    shutdown.begin();
    assert_eq!(by_shutdown.read_data(), ["."]);
}

#[tokio::test(start_paused = true)]
async fn a_closing_stream_has_heartbeats() {
    let route = Route::new();
    let mut subscriber = subscribe(&route, "");
    route.close_within(Duration::from_secs(3_600_000));
    assert_eq!(subscriber.read(), "-");
    sleep(Duration::from_secs(40)).await;
    assert_eq!(subscriber.read(), ":\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_lagging_subscriber_is_disconnected_at_once_though_an_earlier_end_was_slow() {
    let route = Route::builder().history(1).burst_bytes(0).lag_policy(LagPolicy::Disconnect).heartbeat(None);
    let topics = Topics::builder().route(route).build();
    let route = topics.route("a").unwrap();
    route.close_within(Duration::from_secs(3_600_000));
    topics.open("a").unwrap();
    let mut subscriber = subscribe(&route, "");
    assert_eq!(subscriber.read_data(), ["-"]);
    for data in ["1", "2", "3"] {
        publish(&route, data);
    }
    assert_eq!(subscriber.read_data(), ["."]);
}

/// Checks how the stream of a subscription ends after `act` was called.
#[track_caller]
fn check_end(
    route: &Route,
    prepare: impl FnOnce(Subscription) -> Subscription,
    act: impl FnOnce(&mut Subscriber),
    reason: EndReason,
    events: u64,
) {
    let (sender, receiver) = mpsc::channel();
    let subscription = prepare(route.subscribe(&request("")));
    let subscription = subscription.on_end(move |ended| sender.send(ended).unwrap());
    let mut subscriber = Subscriber::of(subscription.respond());
    act(&mut subscriber);
    drop(subscriber);
    let ended = receiver.try_recv().unwrap();
    assert_eq!((ended.reason, ended.events), (reason, events));
    assert!(ended.bytes > 0, "the opening was sent");
    assert!(receiver.try_recv().is_err(), "once");
}

#[test]
fn the_observer_gets_the_reason_and_the_counts() {
    let route = Route::new();
    let read_two = |subscriber: &mut Subscriber| {
        publish(&route, "1");
        publish(&route, "2");
        assert_eq!(subscriber.read_data(), ["1", "2", "-"]);
    };
    check_end(&route, |subscription| subscription, read_two, EndReason::ClientGone, 2);
    let odd = |subscription: Subscription| subscription.filter(|event| event.data() != "2");
    let read_one = |subscriber: &mut Subscriber| {
        publish(&route, "1");
        publish(&route, "2");
        assert_eq!(subscriber.read_data(), ["1", "-"]);
    };
    check_end(&route, odd, read_one, EndReason::ClientGone, 1);
    let read_to_end = |subscriber: &mut Subscriber| assert_eq!(subscriber.read_data(), ["."]);
    check_end(&route, |subscription| subscription.until(async {}), read_to_end, EndReason::Until, 0);
    let end_client = |subscriber: &mut Subscriber| {
        let _ = route.end_client("a").unwrap();
        assert_eq!(subscriber.read_data(), ["."]);
    };
    check_end(&route, |subscription| subscription.client("a"), end_client, EndReason::ClientEnded, 0);
    let panics = |subscription: Subscription| subscription.filter(|_| panic!("a filter's own"));
    let publish_one = |subscriber: &mut Subscriber| {
        publish(&route, "1");
        assert_eq!(subscriber.read_data(), ["."]);
    };
    check_end(&route, panics, publish_one, EndReason::FilterPanicked, 0);
    let close = |subscriber: &mut Subscriber| {
        publish(&route, "last");
        route.close();
        assert_eq!(subscriber.read_data(), ["last", "."]);
    };
    check_end(&route, |subscription| subscription, close, EndReason::TopicClosed, 1);
}

#[test]
fn the_observer_is_told_of_a_lagging_subscriber() {
    let route = Route::builder().history(1).burst_bytes(0).lag_policy(LagPolicy::Disconnect).build();
    let lag = |subscriber: &mut Subscriber| {
        subscriber.read_data();
        (0..3).for_each(|_| publish(&route, "x"));
        assert_eq!(subscriber.read_data(), ["."]);
    };
    check_end(&route, |subscription| subscription, lag, EndReason::Lagged, 0);
}

#[tokio::test(start_paused = true)]
async fn the_observer_is_told_of_an_end_by_age_or_shutdown() {
    let route = Route::new();
    let (sender, receiver) = mpsc::channel();
    let subscription = route.subscribe(&request("")).max_age(Duration::from_secs(60));
    let subscription = subscription.on_end(move |ended| sender.send(ended).unwrap());
    let mut subscriber = Subscriber::of(subscription.respond()).patience(Duration::from_secs(90));
    while subscriber.next_event().await.is_some() {}
    drop(subscriber);
    assert_eq!(receiver.recv().unwrap().reason, EndReason::MaxAge);
    for reads in [true, false] {
        let shutdown = Shutdown::new();
        let mut request = request("");
        request.extensions_mut().insert(shutdown.clone());
        let (sender, receiver) = mpsc::channel();
        let subscription = route.subscribe(&request).on_end(move |ended| sender.send(ended).unwrap());
        let mut subscriber = Subscriber::of(subscription.respond());
        subscriber.read();
        shutdown.begin();
        // A client that does not read is cut after the grace.
        if reads {
            assert_eq!(subscriber.read_data(), ["."]);
        }
        drop(subscriber);
        assert_eq!(receiver.recv().unwrap().reason, EndReason::Shutdown);
    }
}

#[test]
fn the_observer_is_not_called_for_a_refused_request() {
    let route = Route::builder().max_subscribers(0).build();
    let response =
        route.subscribe(&request("")).on_end(|_| unreachable!("the request was refused")).respond();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
