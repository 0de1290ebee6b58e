//! The limit of the memory of all topics: which messages are evicted first, and who is told of a gap.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use sse_server::{
    EventId, Events, Item, LagPolicy, Message, Publication, PublishError, Route, RouteBuilder, Topics,
};
use sse_testing::log::MemoryLog;
use sse_testing::{Subscriber, request};

/// How many bytes a message takes beside its text, and how many a publisher's id takes.
const MESSAGE: usize = 256;
const ID: usize = 64;

/// No burst is kept, unless a test asks for it.
fn plain() -> RouteBuilder {
    Route::builder().burst_bytes(0)
}

fn topics(max_memory: usize, route: RouteBuilder) -> Topics {
    Topics::builder().route(route).max_memory(max_memory).build()
}

/// Returns the memory of this number of messages of 100 bytes.
fn room(messages: usize) -> usize {
    messages * (100 + MESSAGE)
}

/// Publishes an event whose block has 100 bytes.
fn publish(topics: &Topics, topic: &str, data: char) -> String {
    let block = |size: usize| Message::new(data.to_string().repeat(size));
    let route = topics.route(topic).unwrap();
    // In these tests, an id is as long as the id of the message before it.
    let published = route.publish(&block(100 - "data: \nid: 000000000000-1\n\n".len())).unwrap();
    published.id().unwrap().to_string()
}

/// Returns what there is to read now: the first characters of the data, `!` for a gap.
fn read(events: &mut Events) -> String {
    let items = std::iter::from_fn(|| events.next().now_or_never().flatten());
    let shown = items.map(|item| match item {
        Item::Event(received) => received.event().data().chars().next().unwrap_or('-'),
        _ => '!',
    });
    shown.collect()
}

/// Returns what a topic keeps.
fn kept(topics: &Topics, topic: &str) -> String {
    read(&mut topics.subscribe_from("", [topic]).from_start().into_events())
}

#[test]
fn the_oldest_message_of_all_topics_is_evicted_first() {
    let topics = topics(room(3), plain());
    let _idle = topics.route("a").unwrap();
    let id = publish(&topics, "a", '1');
    for (topic, data) in [("b", '2'), ("a", '3')] {
        publish(&topics, topic, data);
    }
    assert_eq!((kept(&topics, "a"), kept(&topics, "b")), ("13".to_owned(), "2".to_owned()));
    publish(&topics, "c", '4');
    publish(&topics, "c", '5');
    assert_eq!([kept(&topics, "a"), kept(&topics, "b"), kept(&topics, "c")], ["3", "", "45"]);
    let mut again = topics.subscribe_from(&id, ["a", "b"]).into_events();
    assert_eq!(read(&mut again), "!3", "2 is missing");
    let stats = |topic: &str| topics.route(topic).unwrap().stats();
    assert_eq!([stats("a").evicted, stats("b").evicted, stats("c").evicted], [1, 1, 0]);
    assert_eq!([stats("a").history, stats("b").history, stats("c").history], [1, 0, 2]);
    assert_eq!((stats("c").memory, topics.stats().total.memory), (room(2), room(3)));
}

#[test]
fn the_newest_message_is_kept_whatever_its_size() {
    let topics = topics(1, plain());
    publish(&topics, "a", '1');
    publish(&topics, "b", '2');
    assert_eq!((kept(&topics, "a"), kept(&topics, "b")), (String::new(), "2".to_owned()));
}

#[test]
fn a_connected_subscriber_that_lags_gets_a_gap() {
    let topics = topics(room(2), plain().burst_bytes(1 << 20));
    let mut events = topics.subscribe_from("", ["a"]).into_events();
    let mut body = Subscriber::of(topics.subscribe_to(&request(""), "a").respond());
    body.read();
    for data in ['1', '2', '3'] {
        publish(&topics, "a", data);
    }
    assert_eq!(read(&mut events), "!23");
    assert!(body.read().contains("event: gap"));
    // Evictions because of another topic are a gap, too.
    publish(&topics, "a", '4');
    publish(&topics, "b", '5');
    publish(&topics, "b", '6');
    assert_eq!(read(&mut events), "!");
    publish(&topics, "a", '7');
    assert_eq!(read(&mut events), "7");
}

#[test]
fn a_batch_without_room_is_refused_whole() {
    let topics = topics(room(3), plain().burst_bytes(1 << 20));
    let route = topics.route("a").unwrap();
    let batch = |messages: usize| vec![Message::new("1"); messages];
    assert!(matches!(route.publish_all(&batch(4)), Err(PublishError::BatchTooLarge)));
    assert_eq!(route.stats().published, 0);
    route.publish_all(&batch(3)).unwrap();
    assert_eq!(kept(&topics, "a"), "111");
}

#[test]
fn an_id_is_remembered_longer_than_its_message_only_while_there_is_room() {
    let topics = topics(3 * (MESSAGE + 30 + ID), plain().history(1));
    let publish = |topic: &str, id: u64| {
        let message = Message::new("x").id(EventId::from(id));
        topics.route(topic).unwrap().publish(&message).unwrap().is_repeat()
    };
    assert!(!publish("a", 1));
    assert!(!publish("a", 2));
    assert!(publish("a", 1), "its message is evicted, but there is room for the id");
    publish("b", 1);
    publish("c", 1);
    assert!(publish("a", 2), "the message is kept");
    assert!(!publish("a", 1), "the oldest id was forgotten");
}

#[test]
fn frames_of_subscribers_count_until_they_are_evicted() {
    let topics = topics(room(3), plain());
    let id = publish(&topics, "a", '1');
    publish(&topics, "a", '2');
    publish(&topics, "a", '3');
    let mut body = Subscriber::of(topics.route("a").unwrap().subscribe(&request(&id)).respond());
    body.read();
    assert_eq!(body.read().matches("data: ").count(), 1);
    assert_eq!(topics.stats().total.memory, room(3) + 200);
    publish(&topics, "b", '4');
    assert!(topics.stats().total.memory <= room(3));
}

#[test]
fn counts_survive_their_topics() {
    let topics = Topics::builder().max_topics(1).max_memory(room(2)).build();
    for (topic, data) in [("a", '1'), ("b", '2'), ("c", '3')] {
        publish(&topics, topic, data);
    }
    let stats = topics.stats().total;
    assert_eq!((topics.len(), stats.published), (1, 3));
    assert_eq!((stats.history, stats.memory, stats.evicted), (1, room(1), 0), "dropped topics hold nothing");
}

#[tokio::test]
async fn messages_that_memory_has_evicted_come_from_the_log() {
    let topics = Topics::builder().max_memory(1).build_on(MemoryLog::new()).await.unwrap();
    let route = topics.route("a").unwrap();
    let mut ids = Vec::new();
    for data in ["1", "2", "3"] {
        ids.push(route.publish(&Message::new(data)).unwrap().stored().await.unwrap().unwrap());
    }
    let mut live = topics.subscribe_from("", ["a"]).into_events();
    route.publish(&Message::new("4")).unwrap().stored().await.unwrap();
    live.next().await;
    assert_eq!(route.stats().history, 1);
    let mut events = topics.subscribe_from(ids[0].as_str(), ["a"]).into_events();
    for data in ["2", "3", "4"] {
        let Some(Item::Event(received)) = events.next().await else { panic!("there is a gap before {data}") };
        assert_eq!(received.event().data(), data);
    }
}

/// The messages and ids that the topics must keep, each at its position.
#[derive(Default)]
struct Model {
    things: BTreeSet<(u64, Thing)>,
    sizes: Vec<usize>,
    topic_of: Vec<usize>,
}

/// A message is evicted before its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Message,
    Id,
}

impl Model {
    fn held(&self) -> usize {
        let size = |&(position, thing)| match thing {
            Thing::Message => self.sizes[usize::try_from(position).unwrap()],
            Thing::Id => ID,
        };
        self.things.iter().map(size).sum()
    }

    fn messages(&self, topic: usize) -> Vec<u64> {
        let messages = self.things.iter().filter(|(_, thing)| *thing == Thing::Message);
        let of_topic = messages.filter(|(at, _)| self.topic_of[usize::try_from(*at).unwrap()] == topic);
        of_topic.map(|(at, _)| *at).collect()
    }

    fn publish(
        &mut self,
        position: u64,
        topic: usize,
        size: usize,
        has_id: bool,
        history: usize,
        bound: usize,
    ) {
        let at = usize::try_from(position).unwrap();
        self.sizes.resize(at + 1, 0);
        self.topic_of.resize(at + 1, usize::MAX);
        (self.sizes[at], self.topic_of[at]) = (size + MESSAGE, topic);
        self.things.insert((position, Thing::Message));
        if has_id {
            self.things.insert((position, Thing::Id));
        }
        let messages = self.messages(topic);
        for evicted in &messages[..messages.len().saturating_sub(history)] {
            self.things.remove(&(*evicted, Thing::Message));
        }
        while self.held() > bound
            && let Some(&oldest) = self.things.first()
            && oldest.0 < position
        {
            self.things.remove(&oldest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Publishers and subscribers of several topics act at random. The topics keep exactly what a simple model keeps.
    /// Each subscriber gets the kept messages in order, and a gap if messages are missing.
    #[test]
    fn the_topics_keep_what_the_model_keeps(
        room in 1usize..3000,
        history in 1usize..5,
        steps in prop::collection::vec((0usize..4, 0usize..300, any::<bool>(), prop::option::of(0usize..3)), 1..80),
    ) {
        let names = ["a", "b", "c", "d"];
        let topics = topics(room, plain().history(history));
        let routes = names.map(|name| topics.route(name).unwrap());
        // The topics of each subscriber, and the position up to which it was sent or told of everything.
        let mut readers: Vec<_> = [&names[..1], &names[1..3], &names[..]].into_iter().map(|names| {
            (names, topics.subscribe_from("", names.iter().copied()).into_events(), 0)
        }).collect();
        let mut model = Model::default();
        for (position, (topic, size, has_id, reader)) in (1u64..).zip(steps) {
            let data = format!("{position}:{}", "x".repeat(size));
            let message = Message::new(&*data);
            let message = if has_id { message.id(EventId::from(position)) } else { message };
            let published = routes[topic].publish(&message).unwrap();
            let text = message.id(published.id().unwrap().clone()).encoded_len();
            model.publish(position, topic, text, has_id, history, room);
            prop_assert_eq!(topics.stats().total.memory, model.held());
            for (topic, route) in routes.iter().enumerate() {
                prop_assert_eq!(route.stats().history, model.messages(topic).len(), "{}", names[topic]);
            }
            let Some((subscribed, events, seen)) = reader.map(|reader| &mut readers[reader]) else { continue };
            let is_of_reader = |at: &u64| subscribed.contains(&names[model.topic_of[usize::try_from(*at).unwrap()]]);
            let published: Vec<u64> = (*seen + 1..=position).filter(is_of_reader).collect();
            let kept: Vec<u64> =
                published.iter().copied().filter(|at| model.things.contains(&(*at, Thing::Message))).collect();
            let (mut numbers, mut gaps) = (Vec::new(), 0);
            while let Some(item) = events.next().now_or_never() {
                match item.expect("no topic has ended") {
                    Item::Event(received) => {
                        numbers.push(received.event().data().split(':').next().unwrap().parse::<u64>().unwrap());
                    }
                    _ => gaps += 1,
                }
            }
                    prop_assert_eq!(gaps > 0, kept.len() < published.len(), "missing messages are a gap");
            prop_assert_eq!(numbers, kept);
            *seen = position;
        }
    }

    /// The same with keys. The newest message of each key outlives the others, and the limit holds.
    #[test]
    fn the_limit_holds_for_the_latest_of_each_key(
        room in 1usize..6000,
        steps in prop::collection::vec((0usize..3, 0usize..9, 0usize..300), 1..80),
    ) {
        let topics = topics(room, plain().history(2).lag_policy(LagPolicy::LatestPerKey));
        for (topic, key, size) in steps {
            let route = topics.route(["a", "b", "c"][topic]).unwrap();
            let data = "x".repeat(size);
            let (message, key) = (Message::new(&*data), key.to_string());
            route.publish(Publication::new(&message).key(&key)).unwrap();
            let stats = topics.stats().total;
            prop_assert!(stats.memory <= room || stats.history == 1, "{:?}", stats);
        }
    }
}
