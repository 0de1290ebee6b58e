//! Subscribers inside the program, filters, and ids on streams of several topics.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt};
use sse_server::{EventId, Events, Item, Message, Publication, Route, Topics};
use sse_testing::log::MemoryLog;
use sse_testing::{Subscriber, field, request, subscribe};
use tokio::time::sleep;

fn publish(route: &Route, data: &str) {
    route.publish(&Message::new(data)).unwrap();
}

/// Returns what there is to read now: the data of events, `(gap N)`, then `-` to wait or `.` for the end.
fn read(events: &mut Events) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        match events.next().now_or_never() {
            Some(Some(Item::Event(received))) => seen.push(received.event().data().to_owned()),
            Some(Some(Item::Gap(gap))) => seen.push(format!("(gap {:?})", gap.missed)),
            Some(Some(other)) => panic!("{other:?}"),
            Some(None) => return [seen, vec![".".to_owned()]].concat(),
            None => return [seen, vec!["-".to_owned()]].concat(),
        }
    }
}

#[test]
fn a_program_subscribes_to_its_own_route() {
    let route = Route::builder().history(2).burst_bytes(0).build();
    publish(&route, "0");
    let mut events = route.subscribe_from("").into_events();
    assert_eq!(read(&mut events), ["-"]);
    publish(&route, "1");
    publish(&route, "2");
    assert_eq!(read(&mut events), ["1", "2", "-"]);
    for data in ["3", "4", "5"] {
        publish(&route, data);
    }
    assert_eq!(read(&mut events), ["(gap Some(1))", "4", "5", "-"], "it lags as a connection does");
    assert_eq!(read(&mut route.subscribe_from("unknown").into_events()), ["(gap None)", "4", "5", "-"]);
    assert_eq!(read(&mut route.subscribe_from("").from_start().into_events()), ["4", "5", "-"]);
    assert_eq!(route.subscribers(), 1);
    route.publish(&Message::empty().comment("no event")).unwrap();
    route.close();
    assert_eq!(read(&mut events), ["."]);
    assert_eq!(read(&mut events), ["."], "the stream has ended for good");
    assert_eq!(route.subscribers(), 0);
    assert_eq!(read(&mut route.subscribe_from("").into_events()), ["."]);
}

#[test]
fn it_resumes_after_the_ids_that_it_gets() {
    let route = Route::builder().history(1).burst_bytes(0).build();
    let mut events = route.subscribe_from("").into_events();
    publish(&route, "1");
    publish(&route, "2");
    let mut next = || events.next().now_or_never().flatten().expect("there is an item");
    let resume = |item: &Item| read(&mut route.subscribe_from(item.last_event_id()).into_events());
    let (gap, event) = (next(), next());
    assert!(matches!((&gap, &event), (Item::Gap(_), Item::Event(_))), "{gap:?} {event:?}");
    assert_eq!(resume(&gap), ["2", "-"]);
    assert_eq!(resume(&event), ["-"]);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_events_and_sees_no_heartbeats() {
    let route = Route::builder().heartbeat(Duration::from_secs(1)).build();
    let mut events = route.subscribe_from("").into_events();
    let publisher = route.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(10)).await;
        publish(&publisher, "1");
    });
    // The same as a `Stream`.
    let Some(Item::Event(received)) = StreamExt::next(&mut events).await else { panic!("the event comes") };
    assert_eq!(received.into_event().data(), "1");
}

#[test]
fn filters_see_the_key_and_the_tag() {
    let topics = Topics::new();
    let [a, b] = ["a", "b"].map(|name| topics.route(name).unwrap());
    let names = || ["a", "b"];
    let mut by_tag = topics.subscribe(&request(""), names()).filter(|event| event.tag() != Some("secret"));
    by_tag = by_tag.heartbeat(None);
    let mut by_tag = Subscriber::of(by_tag.respond());
    let by_key =
        topics.subscribe_from("", names()).filter(|event| event.topic() == "b" || event.key() == Some("k"));
    let mut by_key = by_key.into_events();
    a.publish(Publication::new(&Message::new("1")).key("k").tag("secret")).unwrap();
    a.publish(Publication::new(&Message::new("2")).tag("open")).unwrap();
    b.publish_all([Publication::new(&Message::new("3")), Publication::new(&Message::new("4")).tag("secret")])
        .unwrap();
    assert_eq!(by_tag.read_data(), ["2", "3", "-"]);
    let Some(Some(Item::Event(first))) = by_key.next().now_or_never() else { panic!("there is an event") };
    assert_eq!((first.topic(), first.key(), first.tag()), ("a", Some("k"), Some("secret")));
    assert_eq!(read(&mut by_key), ["3", "4", "-"]);
    // A filter that panics ends only its own stream.
    let mut panics = topics.subscribe_from("", names()).filter(|_| panic!("on purpose")).into_events();
    publish(&a, "5");
    assert_eq!(read(&mut panics), ["."]);
    assert_eq!(by_tag.read_data(), ["5", "-"]);
}

#[tokio::test(start_paused = true)]
async fn keys_and_tags_are_stored_in_a_log() {
    let log = MemoryLog::new();
    let here = Topics::builder().build_on(log.clone()).await.unwrap();
    let there = Topics::builder().build_on(log.clone()).await.unwrap();
    let mut events = there.route("a").unwrap().subscribe_from("").into_events();
    let tag = "user 7\r\n:é";
    here.route("a").unwrap().publish(Publication::new(&Message::new("1")).key("k\n").tag(tag)).unwrap();
    let Some(Item::Event(received)) = events.next().await else { panic!("the event comes") };
    assert_eq!((received.key(), received.tag(), received.topic()), (Some("k\n"), Some(tag), "a"));
    let mut later = subscribe(&Topics::builder().build_on(log).await.unwrap().route("a").unwrap(), "0");
    assert_eq!(later.read(), "data: 1\nid: 1\n\n", "clients see neither key nor tag");
}

/// Two topics whose publishers give row ids of two tables.
#[test]
fn streams_of_several_topics_carry_the_hubs_ids() {
    let topics = Topics::new();
    let [a, b] = ["a", "b"].map(|name| topics.route(name).unwrap());
    let both = |id: &str| Subscriber::of(topics.subscribe(&request(id), ["a", "b"]).respond());
    let publish = |route: &Route, id: u64, data: &'static str| {
        route.publish(&Message::new(data).id(EventId::from(id))).unwrap();
    };
    let (mut alone, mut together) = (subscribe(&a, ""), both(""));
    publish(&a, 1, "a1");
    publish(&b, 1, "b1");
    publish(&a, 2, "a2");
    publish(&b, 2, "b2");
    assert_eq!(alone.read_data(), ["a1", "a2", "-"]);
    assert_eq!(alone.last_event_id(), "2");
    assert_eq!(subscribe(&a, "1").read_data(), ["a2", "-"]);
    // Each id of the stream of both topics resumes both, and each of them alone.
    let mut rest = vec!["a1", "b1", "a2", "b2"];
    while !rest.is_empty() {
        let block = together.read();
        if let Some(data) = field(&block, "data") {
            assert_eq!(data, rest.remove(0));
        }
        let Some(id) = field(&block, "id") else { continue };
        let of = |topic: &str| {
            rest.iter().copied().filter(|data| data.starts_with(topic)).chain(["-"]).collect::<Vec<_>>()
        };
        assert_eq!(both(id).read_data(), [&rest[..], &["-"]].concat(), "{id}");
        assert_eq!(
            (subscribe(&a, id).read_data(), subscribe(&b, id).read_data()),
            (
                of("a").iter().map(ToString::to_string).collect(),
                of("b").iter().map(ToString::to_string).collect()
            )
        );
        assert_eq!(topics.topic_of(id).is_some(), block.contains("data"), "{id}");
    }
    // Also if the client chooses one of the topics.
    let chosen = |id: &str| Subscriber::of(topics.subscribe(&request(id), ["a"]).respond());
    let mut one = chosen(together.last_event_id());
    publish(&a, 3, "a3");
    assert_eq!(one.read_data(), ["a3", "-"]);
    assert_eq!(both(one.last_event_id()).read_data(), ["-"]);
    assert_eq!(chosen("1").read_data(), [r#"{"missed":null}"#, "a1", "a2", "a3", "-"]);
    // A publisher's id is unknown there, because it may name an event of each topic.
    assert_eq!(both("1").read_data(), [r#"{"missed":null}"#, "a1", "b1", "a2", "b2", "a3", "-"]);
}

/// A publisher repeats its request after the topic was dropped as unused.
#[test]
fn an_id_of_a_dropped_topic_is_a_gap() {
    let topics = Topics::builder().max_topics(1).build();
    let publish = |name: &str, id: u64| {
        let data = id.to_string();
        topics.route(name).unwrap().publish(&Message::new(&*data).id(EventId::from(id))).unwrap();
    };
    let resume = |name: &str, id: &str| subscribe(&topics.route(name).unwrap(), id).read_data();
    publish("a", 5);
    publish("a", 6);
    publish("b", 5);
    publish("a", 5);
    publish("a", 7);
    assert_eq!(resume("a", "5"), [r#"{"missed":null}"#, "7", "-"], "6 was evicted");
    assert_eq!(resume("a", "6"), [r#"{"missed":null}"#, "5", "7", "-"]);
    // If no ids were forgotten, all ids are known.
    publish("c", 1);
    publish("c", 2);
    assert_eq!(resume("c", "1"), ["2", "-"]);
}

#[tokio::test(start_paused = true)]
async fn an_id_leads_to_its_topic() {
    let memory = Topics::new();
    let log = Topics::builder().build_on(MemoryLog::new()).await.unwrap();
    for topics in [memory, log] {
        let mut ids = Vec::new();
        for name in ["a", "b", "a"] {
            let published = topics.route(name).unwrap().publish(&Message::new("x")).unwrap();
            ids.push((published.stored().await.unwrap().unwrap(), name));
        }
        sleep(Duration::from_millis(1)).await;
        for (id, name) in ids {
            assert_eq!(topics.topic_of(id.as_str()).as_deref(), Some(name));
        }
        for id in ["", "x", "99", "000000000000-1"] {
            assert_eq!(topics.topic_of(id), None, "{id:?}");
        }
    }
}
