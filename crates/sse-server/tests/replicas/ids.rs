//! Publishers' ids, where the log keeps them.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sse_server::log::Publisher;
use sse_server::{EventId, InvalidId, Message, Publication, PublishError, Receipt, Topics};
use sse_testing::{Subscriber, field, request};

use crate::log::{Link, Store};
use crate::scene::{
    GAP, all, builder, log_stats, numbers, publish, replica, settle, small, store, subscribe,
};

fn with_ids() -> Arc<Store> {
    Arc::new(Store::with_ids())
}

fn named(id: &str, data: &str) -> Message<'static> {
    Message::new(data.to_owned()).id(EventId::try_from(id.to_owned()).unwrap())
}

async fn store_named(topics: &Topics, id: &str, data: &str) -> Result<Receipt, PublishError> {
    let receipt = topics.route("a").unwrap().publish(&named(id, data)).unwrap().receipt().await;
    settle().await;
    receipt
}

/// A stream of one topic, which has the publishers' ids.
fn subscribe_to(topics: &Topics, last_event_id: &str) -> Subscriber {
    let mut reader = Subscriber::of(topics.subscribe_to(&request(last_event_id), "a").respond());
    assert!(reader.read().starts_with(":\n"));
    reader
}

#[tokio::test(start_paused = true)]
async fn an_id_names_one_message_on_all_replicas() {
    let log = with_ids();
    let (here, there) = (replica(&log).await, replica(&log).await);
    let mut readers = [subscribe_to(&here, ""), subscribe_to(&there, "")];
    let first = store_named(&here, "order 1", "x").await.unwrap();
    assert_eq!((first.id().map(EventId::as_str), first.is_repeat()), (Some("order 1"), false));
    for topics in [&here, &there] {
        assert!(store_named(topics, "order 1", "x").await.unwrap().is_repeat());
        assert!(matches!(store_named(topics, "order 1", "y").await, Err(PublishError::IdTaken)));
        let keyed = named("order 1", "x");
        let keyed = topics.route("a").unwrap().publish(Publication::new(&keyed).key("k")).unwrap();
        assert!(matches!(keyed.stored().await, Err(PublishError::IdTaken)));
    }
    // A replica that was not there, and a publisher without topics.
    let later = replica(&log).await;
    assert!(store_named(&later, "order 1", "x").await.unwrap().is_repeat());
    let publisher = Publisher::new(Link::new(&log));
    let repeat = publisher.publish("a", &named("order 1", "x")).unwrap();
    assert_eq!((repeat.id().map(EventId::as_str), repeat.is_repeat()), (Some("order 1"), false));
    assert!(repeat.receipt().await.unwrap().is_repeat());
    assert_eq!(log.data(), ["x"]);
    for reader in &mut readers {
        assert_eq!(reader.read(), "data: x\nid: order 1\n\n");
    }
    assert_eq!((log_stats(&here).appended, log_stats(&here).repeated), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_published_together_are_stored_together_or_not_at_all() {
    let log = with_ids();
    let topics = replica(&log).await;
    store_named(&topics, "o1", "x").await.unwrap();
    let route = topics.route("a").unwrap();
    for published in route.publish_all(&[named("o2", "y"), named("o1", "z"), Message::new("w")]).unwrap() {
        assert!(matches!(published.stored().await, Err(PublishError::IdTaken)));
    }
    let mut repeats = Vec::new();
    for published in route.publish_all(&[named("o2", "y"), named("o1", "x"), Message::new("w")]).unwrap() {
        repeats.push(published.receipt().await.unwrap().is_repeat());
    }
    assert_eq!(repeats, [false, true, false]);
    assert_eq!(log.data(), ["x", "y", "w"]);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_the_log_could_give_is_refused_at_once() {
    let log = with_ids();
    let topics = replica(&log).await;
    let publisher = Publisher::new(Link::new(&log));
    for (id, reason) in [
        ("17", InvalidId::Reserved),
        ("31043490a327-6", InvalidId::Reserved),
        ("", InvalidId::NotAHeader),
        (" a", InvalidId::NotAHeader),
        (&"x".repeat(1025), InvalidId::TooLong),
    ] {
        for refused in
            [topics.route("a").unwrap().publish(&named(id, "x")), publisher.publish("a", &named(id, "x"))]
        {
            let Err(PublishError::InvalidId(invalid)) = refused else { panic!("{id:?} is taken") };
            assert_eq!(invalid, reason, "{id:?}");
        }
    }
    assert!(log.data().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_resumes_by_a_publishers_id_wherever_its_message_is() {
    let log = with_ids();
    // One has only the newest messages in memory, and the other one was not there.
    let ((few, _), here) = (small(&log).await, replica(&log).await);
    for number in 1..=20 {
        store_named(&here, &format!("e{number}"), &number.to_string()).await.unwrap();
        store(&here, "b", number).await;
    }
    let (later, (few_later, _)) = (replica(&log).await, small(&log).await);
    for topics in [&few, &here, &later, &few_later] {
        for last in [1, 10, 17, 19, 20] {
            let mut reader = subscribe_to(topics, &format!("e{last}"));
            assert_eq!(all(&mut reader).await, numbers(last + 1..=20), "after e{last}");
        }
    }
    assert_eq!(log_stats(&later).reads, 0, "all is in memory");
    // An id that nobody has given, or that another topic has given: a gap, and what is kept in memory.
    for (topics, id, kept) in [(&here, "e21", 1..=20), (&here, "order", 1..=20), (&few, "e21", 19..=20)] {
        let expected = [vec![GAP.to_owned()], numbers(kept)].concat();
        assert_eq!(all(&mut subscribe_to(topics, id)).await, expected, "after {id}");
    }
    // A stream of topics that the client chooses has the log's ids, and knows no other.
    let mut reader = subscribe(&here, "e19", &["a"]);
    assert_eq!(all(&mut reader).await.len(), 21);
    store_named(&here, "e21", "21").await.unwrap();
    let block = reader.read();
    assert!(field(&block, "id").is_some_and(|id| id.parse::<u64>().is_ok()), "{block}");
}

#[tokio::test(start_paused = true)]
async fn an_id_of_a_message_that_is_gone_is_a_gap() {
    let log = with_ids();
    let (topics, _) = small(&log).await;
    for number in 1..=20 {
        store_named(&topics, &format!("e{number}"), &number.to_string()).await.unwrap();
    }
    log.trim(10);
    for topics in [&topics, &small(&log).await.0] {
        let mut reader = subscribe_to(topics, "e5");
        assert_eq!(all(&mut reader).await, [vec![GAP.to_owned()], numbers(17..=20)].concat());
        // What follows the last one that is gone is known.
        assert_eq!(all(&mut subscribe_to(topics, "e10")).await, numbers(11..=20));
        assert!(store_named(topics, "e5", "5").await.unwrap().is_repeat());
    }
    log.lose(10);
    let later = replica(&log).await;
    assert!(!store_named(&later, "e20", "20").await.unwrap().is_repeat(), "the log has lost it");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_all_of_a_finished_topic_is_told_to_stop() {
    let log = with_ids();
    let here = replica(&log).await;
    store_named(&here, "first", "1").await.unwrap();
    store_named(&here, "last", "2").await.unwrap();
    here.route("a").unwrap().close().stored().await.unwrap();
    settle().await;
    for topics in [here, replica(&log).await] {
        let status = |id| topics.subscribe_to(&request(id), "a").respond().status();
        assert_eq!([status("first"), status("last")], [StatusCode::OK, StatusCode::NO_CONTENT]);
        let mut reader = subscribe_to(&topics, "first");
        assert_eq!(all(&mut reader).await, ["2", "."]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_is_looked_for_until_the_log_answers() {
    let log = with_ids();
    let (topics, link) = small(&log).await;
    for number in 1..=9 {
        store_named(&topics, &format!("e{number}"), &number.to_string()).await.unwrap();
    }
    link.set(|weather| weather.is_down = true);
    let (mut reader, gone) = (subscribe_to(&topics, "e2"), subscribe_to(&topics, "e3"));
    assert!(all(&mut reader).await.is_empty());
    // One that has gone is not looked for.
    drop(gone);
    link.set(|weather| weather.is_down = false);
    assert_eq!(all(&mut reader).await, numbers(3..=9));
    let reads = log_stats(&topics).reads;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(log_stats(&topics).reads, reads);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_makes_no_double() {
    let log = with_ids();
    let link = Link::new(&log);
    let topics = builder(10, 10).build_on(link.clone()).await.unwrap();
    for (number, lost) in [(1, 0), (2, 1), (3, 3)] {
        link.set(|weather| weather.lost_answers = lost);
        let id = format!("e{number}");
        let receipt = store_named(&topics, &id, "x").await.unwrap();
        assert!(!receipt.is_repeat(), "the batch is the same");
        link.set(|weather| weather.lost_answers = lost);
        assert!(store_named(&topics, &id, "x").await.unwrap().is_repeat());
    }
    publish(&topics, "a", "end").stored().await.unwrap();
    assert_eq!(log.data(), ["x", "x", "x", "end"]);
}
