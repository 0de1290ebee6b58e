//! Scenes on one shard that a random run seldom has.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Request;
use sse_codec::{EventId, Message};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::advance;

use super::super::open::Origin;
use super::pipe::{End, Socket, leave, origin, request};
use super::queue::{Message as Told, Queue};
use super::stream::Adopted;
use super::streams::Streams;
use crate::log::{Batch, Entry, Log, LogError, Position};
use crate::subscribe::{Ahead, Group, Shutdown, Subscription};
use crate::{Route, Topics};

const WRITE_DEADLINE: Duration = Duration::from_secs(30);

struct Shard {
    queue: Arc<Queue<Adopted<Socket>>>,
    streams: Streams<Socket>,
    origin: Arc<Origin>,
    now: Instant,
}

impl Shard {
    fn new() -> Self {
        let queue = Queue::new(|| {});
        let streams = Streams::new(queue.clone(), WRITE_DEADLINE, Shutdown::new());
        Self { queue, streams, origin: origin(), now: Instant::now() }
    }

    /// Takes over a stream whose socket takes this number of bytes.
    fn adopt(&mut self, room: usize, subscribe: impl FnOnce(&Request<()>) -> Subscription) -> End {
        let (request, handover) = request("");
        let (_, handed) = leave(subscribe(&request), &handover);
        let end = End::with_room(room);
        let (socket, alive) = (Socket(end.clone()), self.origin.accept().stream());
        self.streams.adopt(Adopted { handed, ahead: Vec::new(), alive, socket }, self.now);
        end
    }

    /// Gives one turn to each stream and group that was woken.
    fn turn(&mut self) {
        for message in self.queue.take() {
            let Told::Turn(turn) = message else { panic!("no test sends {message:?}") };
            self.streams.push(turn);
        }
        self.streams.run(self.now);
    }

    /// Runs until no stream and no group has a turn.
    fn rest(&mut self) {
        self.turn();
        while self.streams.has_turns() {
            self.turn();
        }
    }
}

/// If a message is published at each turn, or at some turns, a large group never has read everything.
#[test]
fn nobody_gets_a_second_piece_before_all_have_got_their_first() {
    for every in [1, 2, 4, 7] {
        let route = Route::builder().heartbeat(None).build();
        let mut shard = Shard::new();
        let ends: Vec<_> =
            (0..1000).map(|_| shard.adopt(usize::MAX, |request| route.subscribe(request))).collect();
        for turn in 0..200 {
            if turn % every == 0 {
                route.publish(&Message::new("x")).unwrap();
            }
            shard.turn();
        }
        let counts: Vec<_> = ends.iter().map(|end| end.taken().matches("\n\n\r\n").count()).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least > 0 && most - least <= 1, "a message every {every} turns: {least} to {most} pieces");
    }
}

/// What happens between a look of a group and its read concerns the members as if it had happened before the look.
#[test]
fn a_read_sees_nothing_that_the_look_has_not_seen() {
    let topics = Topics::builder().route(Route::builder().heartbeat(None)).build();
    let route = topics.route("a").unwrap();
    let changes: [(&str, &dyn Fn()); 3] = [
        ("a publisher's own id", &|| {
            route.publish(&Message::new("late").id(EventId::from(7))).unwrap();
        }),
        ("the end of a client", &|| {
            topics.end_client("c").unwrap();
            route.publish(&Message::new("late")).unwrap();
        }),
        ("the end of the topic", &|| _ = route.close()),
    ];
    for (name, change) in changes {
        let (request, handover) = request("");
        // The first change concerns only streams with the hub's ids, and no such stream joins the group after it.
        let subscription = route.subscribe(&request).client("c");
        let (_, handed) = leave(subscription, &handover);
        let mut group = Group::new(handed.delivery.shared_topic().unwrap().clone());
        group.look();
        let member = handed.delivery.join(&group).unwrap();
        let position = member.position();
        route.publish(&Message::new("early")).unwrap();
        group.look();
        assert!(matches!(group.ahead(position), Ahead::Frame(_)), "{name}");
        change();
        assert!(matches!(group.ahead(position), Ahead::Unseen), "{name}");
    }
}

/// A stream that ends has a deadline half a minute later. If deadlines stayed, many streams that come and go would fill
/// the memory.
#[test]
fn deadlines_of_streams_that_are_gone_are_dropped() {
    let route = Route::builder().heartbeat(None).build();
    let mut shard = Shard::new();
    let stays = shard.adopt(0, |request| route.subscribe(request));
    for _ in 0..1000 {
        let key = shard.streams.next_key();
        let end = shard.adopt(0, |request| route.subscribe(request));
        route.publish(&Message::new("more than the socket takes")).unwrap();
        shard.rest();
        assert_eq!(end.taken(), "", "the socket is full");
        shard.streams.closed(key);
        shard.now += Duration::from_millis(1);
    }
    assert_eq!(shard.streams.len(), 1);
    assert_eq!(shard.streams.deadlines(), 1);
    shard.streams.cut(shard.now + WRITE_DEADLINE);
    assert!(stays.pipe().is_dropped, "the stream that stays has kept its deadline");
}

/// With a log, a heartbeat has a position of the log. A client that comes back with an older position gets events
/// twice.
#[tokio::test(start_paused = true)]
async fn a_heartbeat_tells_no_older_id_than_the_events_before_it() {
    let topics = Topics::builder().route(Route::builder().heartbeat(Duration::from_secs(1)));
    let topics = topics.build_on(Arc::<Entries>::default()).await.unwrap();
    let route = topics.route("a").unwrap();
    let publish = async |data: &str| {
        route.publish(&Message::new(data)).unwrap().stored().await.unwrap();
        for _ in 0..10 {
            yield_now().await;
        }
    };
    publish("1").await;
    let mut shard = Shard::new();
    // More streams than can have a turn at once.
    let ends: Vec<_> =
        (0..300).map(|_| shard.adopt(usize::MAX, |request| route.subscribe(request))).collect();
    shard.adopt(usize::MAX, |request| route.subscribe(request).client("c"));
    shard.rest();
    advance(Duration::from_millis(1_100)).await;
    yield_now().await;
    shard.turn();
    let beats = ends.iter().filter(|end| end.taken().contains("id: 1")).count();
    assert!(0 < beats && beats < ends.len(), "some of the streams have had the heartbeat: {beats}");
    publish("2").await;
    shard.turn();
    // All streams are looked at again, also those that have read everything.
    topics.end_client("c").unwrap();
    shard.rest();
    for end in ends {
        let taken = end.taken();
        let (_, after) = taken.split_once("data: 2").expect("each stream gets the event");
        assert!(!after.contains("id: 1"), "{taken:?}");
    }
}

/// A log in memory.
#[derive(Debug, Default)]
struct Entries {
    entries: Mutex<Vec<Entry>>,
    grown: Notify,
}

impl Log for Arc<Entries> {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        let mut entries = self.entries.lock().unwrap();
        let positions = batch.records().iter().map(|record| {
            let previous = entries.last().map_or(Position::START, |entry| entry.position);
            let position = Position::new(previous.get() + 1);
            entries.push(Entry::new(position, previous, Some(record.clone())));
            position
        });
        let positions = positions.collect();
        self.grown.notify_one();
        Ok(positions)
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        let entries = self.entries.lock().unwrap();
        let before = entries.iter().filter(|entry| position.is_none_or(|position| entry.position < position));
        let mut newest: Vec<_> = before.rev().take(limit).cloned().collect();
        newest.reverse();
        Ok(newest)
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let entries = self.entries.lock().unwrap();
        Ok(Some(entries.iter().filter(|entry| entry.position > position).take(limit).cloned().collect()))
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        loop {
            let entries = self.after(position, limit).await?;
            if entries.as_ref().is_none_or(|entries| !entries.is_empty()) {
                return Ok(entries);
            }
            self.grown.notified().await;
        }
    }
}
