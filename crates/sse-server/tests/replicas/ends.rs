//! A replica knows the ends of topics from before it was started, if the log lists them.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sse_server::{LagPolicy, Message, PublishError, Route, Topics};
use sse_testing::request;
use tokio::time::sleep;

use crate::log::{Link, Store};
use crate::scene::{GAP, all, publish, replica, settle, small, store, store_all, subscribe};

/// What happens in the log. The topic `a` is looked at.
#[derive(Clone, Copy, Debug)]
enum Step {
    Message,
    End,
    Open,
    /// More messages of another topic than a replica reads when it starts.
    Others,
    /// Only the newest entry is kept.
    Trim,
    /// The newest 13 entries are lost.
    Lose,
}

use Step::*;

/// Makes the steps, with a replica that sees all of them. Returns the id of the first message.
async fn run(log: &Arc<Store>, topics: &Topics, steps: &[Step]) -> String {
    let first = store(topics, "a", "first").await;
    for step in steps {
        match step {
            Message => drop(store(topics, "a", "more").await),
            End => drop(topics.route("a").unwrap().close().stored().await.unwrap()),
            Open => drop(topics.open("a").unwrap()),
            Others => drop(store_all(topics, "b", 1..=12).await),
            Trim => log.trim(1),
            Lose => log.lose(13),
        }
        settle().await;
    }
    first
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_starts_knows_which_topics_have_ended() {
    for (steps, is_ended) in [
        (&[Others][..], false),
        (&[End], true),
        (&[End, Others], true),
        (&[End, Others, Trim], true),
        (&[End, Open, Others], false),
        (&[End, Others, Open], false),
        (&[End, Others, Open, Others], false),
        (&[End, Open, Message, End, Others], true),
        (&[End, Others, Open, Others, End, Others, Trim], true),
        // The end is lost, too; or only what came after it.
        (&[End, Others, Lose], false),
        (&[Message, End, Others, Others, Lose], true),
        (&[End, Open, Others, Lose], true),
    ] {
        let log = Arc::new(Store::with_ends());
        let topics = replica(&log).await;
        run(&log, &topics, steps).await;
        let (late, _) = small(&log).await;
        let route = late.route("a").unwrap();
        assert_eq!(route.is_closed(), is_ended, "{steps:?}");
        let published = route.publish(&Message::new("late"));
        assert_eq!(matches!(published, Err(PublishError::Closed)), is_ended, "{steps:?}");
    }
}

/// Without a list of ends, such a replica takes the topic for open.
#[tokio::test(start_paused = true)]
async fn a_log_without_a_list_of_ends_tells_only_the_newest() {
    for (steps, is_ended) in [(&[End][..], true), (&[End, Others], false)] {
        let log = Arc::new(Store::default());
        let topics = replica(&log).await;
        run(&log, &topics, steps).await;
        assert_eq!(small(&log).await.0.route("a").unwrap().is_closed(), is_ended, "{steps:?}");
    }
}

/// A replica that has lost its place in the log asks for the ends again.
#[tokio::test(start_paused = true)]
async fn a_replica_that_begins_anew_keeps_the_ends_that_the_log_has() {
    let log = Arc::new(Store::with_ends());
    let (topics, _) = small(&log).await;
    run(&log, &topics, &[End, Others, Others, Lose]).await;
    // The replica notices the loss, which is of the other topic alone.
    let mut other = subscribe(&topics, "", &["b"]);
    sleep(Duration::from_secs(10)).await;
    publish(&topics, "b", "after the loss").stored().await.unwrap();
    assert_eq!(all(&mut other).await, ["after the loss"]);
    assert!(topics.route("a").unwrap().is_closed());
}

/// Returns the status of the response to a client with this id.
fn status(topics: &Topics, last_event_id: &str) -> StatusCode {
    topics.subscribe(&request(last_event_id), ["a"]).respond().status()
}

/// What a client gets that comes back with this id: first the rest of the topic, and at last 204.
async fn check(topics: &Topics, last_event_id: &str, expected: &[&str]) {
    let mut reader = subscribe(topics, last_event_id, &["a"]);
    assert_eq!(all(&mut reader).await, expected, "after {last_event_id}");
    let last = reader.last_event_id();
    assert_eq!(status(topics, last), StatusCode::NO_CONTENT, "after {last_event_id}, and then {last}");
}

#[tokio::test(start_paused = true)]
async fn a_client_of_an_ended_topic_reads_the_rest_and_comes_no_more() {
    let log = Arc::new(Store::with_ends());
    let topics = replica(&log).await;
    let first = run(&log, &topics, &[Message, Message]).await;
    let last = store(&topics, "a", "last").await;
    let mut early = subscribe(&topics, &last, &["a"]);
    run(&log, &topics, &[]).await;
    topics.route("a").unwrap().close().stored().await.unwrap();
    assert_eq!(all(&mut early).await, ["first", "."]);
    run_others(&topics).await;
    for _ in 0..2 {
        let (late, _) = small(&log).await;
        assert_eq!(status(&late, ""), StatusCode::NO_CONTENT);
        check(&late, &first, &["more", "more", "last", "first", "."]).await;
        check(&late, &last, &["first", "."]).await;
        // It has read everything, and only the log knows that.
        check(&late, early.last_event_id(), &["."]).await;
        check(&late, "77777", &[GAP, "."]).await;
    }
    log.trim(1);
    let (late, _) = small(&log).await;
    check(&late, &first, &[GAP, "."]).await;
    // It is opened again, and goes on.
    let route = late.open("a").unwrap();
    let again = route.publish(&Message::new("again")).unwrap().stored().await.unwrap().unwrap();
    settle().await;
    let (late, _) = small(&log).await;
    let mut reader = subscribe(&late, again.as_str(), &["a"]);
    store(&late, "a", "and again").await;
    assert_eq!(all(&mut reader).await, ["and again"]);
}

/// The replica could not reach the log while the message and the end were trimmed. The client of a stream that ends there
/// comes back with the id that it has, and learns that it has missed something.
#[tokio::test(start_paused = true)]
async fn a_lagging_client_of_an_ended_topic_keeps_its_id() {
    let log = Arc::new(Store::with_ends());
    let link = Link::new(&log);
    let route = Route::builder().heartbeat(None).lag_policy(LagPolicy::Disconnect);
    let topics = Topics::builder().route(route).build_on(link.clone()).await.unwrap();
    let mut lagging = subscribe(&topics, "", &["a"]);
    let id = store(&topics, "a", "seen").await;
    assert_eq!(all(&mut lagging).await, ["seen"]);

    link.set(|weather| weather.is_down = true);
    let other = replica(&log).await;
    run(&log, &other, &[Message, End, Others, Trim]).await;
    link.set(|weather| weather.is_down = false);
    sleep(Duration::from_secs(10)).await;

    assert_eq!(all(&mut lagging).await, ["."]);
    assert_eq!(lagging.last_event_id(), id);
    check(&topics, &id, &[GAP, "."]).await;
}

async fn run_others(topics: &Topics) {
    store_all(topics, "b", 1..=12).await;
}
