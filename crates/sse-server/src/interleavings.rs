//! Runs publishers, subscribers and other threads at once, in many of the orders that their locks and counters allow:
//! `cargo xtask interleavings`.
//!
//! The model checker is shuttle. It runs each test in thousands of orders, one thread at a time:
//!
//! - A lost wake is a deadlock. It is reported, with the order as a text for `shuttle::replay`.
//! - A waker that is woken or dropped under the hub's lock takes that lock again, which is reported.
//! - Every atomic access is sequentially consistent. So these tests can't show that weaker orderings suffice.
//! - tokio's `Notify` is not a step of its own. No other thread runs between it and the code directly before or after
//!   it.
//! - There is no runtime, so no timer runs, and delays are over at once.

use std::env;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use http::Request;
use http_body::Body as _;
use shuttle::future::block_on;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::sync::Condvar;
use shuttle::thread::{self, JoinHandle};
use sse_codec::{Decoder, Message};
use tokio::time::Instant;

use crate::hub::{Beating, Hub, heartbeat};
use crate::route::Route;
use crate::subscribe::{Body, Shutdown, Subscription};
use crate::sync::{Mutex, MutexGuard};
use crate::topics::Topics;

/// How many switches between threads the second scheduler places freely. Most faults need one or two.
const SWITCHES: usize = 3;

/// Runs a test in random orders, and in orders with few switches, which are rare among random orders.
fn explore(test: fn()) {
    let iterations = env::var("ITERATIONS").map_or(1_000, |number| number.parse().unwrap());
    shuttle::check_random(test, iterations);
    shuttle::check_pct(test, iterations, SWITCHES);
}

/// A subscriber's connection. Each event that it reads must be the next one after the last, or must come after a gap
/// event.
struct Reader {
    body: Body,
    hub: Arc<Hub>,
    bell: Arc<Bell>,
    decoder: Decoder,
    /// The data of the events.
    seen: Vec<String>,
    missed: u64,
    heartbeats: usize,
}

impl Reader {
    fn new(hub: &Arc<Hub>, subscription: Subscription) -> Self {
        let (body, bell, decoder) = (subscription.respond().into_body(), Bell::new(hub), Decoder::new());
        let mut reader =
            Self { body, hub: hub.clone(), bell, decoder, seen: Vec::new(), missed: 0, heartbeats: 0 };
        // The opening is always there at once. It has an id unless the subscriber came with one.
        assert_eq!(reader.poll(), Poll::Ready(true));
        reader
    }

    /// Subscribes to a route with a request.
    fn with(route: &Route, request: http::request::Builder) -> Self {
        Self::new(route.topic().hub(), route.subscribe(&request.body(()).unwrap()))
    }

    fn of(route: &Route) -> Self {
        Self::with(route, Request::get("/"))
    }

    /// The connection is lost, and the client comes back.
    fn reconnect(self, route: &Route) -> Self {
        let Self { body, mut decoder, seen, missed, heartbeats, .. } = self;
        drop(body);
        decoder.reset();
        let request = Request::get("/").header("last-event-id", decoder.last_event_id());
        Self { decoder, seen, missed, heartbeats, ..Self::with(route, request) }
    }

    /// Returns the position of the message that it has read last.
    fn position(&self) -> u64 {
        self.hub.source().position(self.decoder.last_event_id()).unwrap().get()
    }

    /// Waits for the next bytes; `false` at the end.
    fn read(&mut self) -> bool {
        loop {
            match self.poll() {
                Poll::Ready(is_open) => return is_open,
                // Sometimes it polls again without having been woken.
                Poll::Pending if chance() => {}
                Poll::Pending => self.bell.wait(),
            }
        }
    }

    fn read_to(mut self, position: u64) -> Self {
        while self.position() < position {
            assert!(self.read(), "ended at {}", self.position());
        }
        self
    }

    fn read_to_end(mut self) -> Self {
        while self.read() {}
        self
    }

    /// Polls for the next bytes; `false` at the end.
    fn poll(&mut self) -> Poll<bool> {
        if chance() {
            // As if another task polled: the waker that was left before wakes nobody.
            self.bell = Bell::new(&self.hub);
        }
        *self.bell.is_rung.lock() = false;
        let waker = Waker::from(self.bell.clone());
        let frame = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(&waker));
        frame.map(|frame| {
            let Some(Ok(frame)) = frame else { return false };
            self.take(&frame.into_data().unwrap());
            true
        })
    }

    fn take(&mut self, mut bytes: &[u8]) {
        self.heartbeats += usize::from(bytes == heartbeat::BLOCK);
        loop {
            let before = self.hub.source().position(self.decoder.last_event_id());
            let Some(event) = self.decoder.next_event(&mut bytes).unwrap() else { return };
            let passed = self.hub.source().position(event.last_event_id()).unwrap().since(before.unwrap());
            if event.event_type() == "gap" {
                assert_eq!(event.data(), format!("{{\"missed\":{passed}}}"));
                self.missed += passed;
            } else {
                assert_eq!(passed, 1, "{:?} after {:?}", event.data(), self.seen);
                self.seen.push(event.data().to_owned());
            }
        }
    }
}

/// A bell on which a subscriber sleeps, and which its wakers ring.
struct Bell {
    is_rung: Mutex<bool>,
    rings: Condvar,
    hub: Arc<Hub>,
}

impl Bell {
    fn new(hub: &Arc<Hub>) -> Arc<Self> {
        Arc::new(Self { is_rung: Mutex::new(false), rings: Condvar::new(), hub: hub.clone() })
    }

    fn wait(&self) {
        let guard: MutexGuard<'_, bool> = self.is_rung.lock();
        drop(self.rings.wait_while(guard, |is_rung| !*is_rung).unwrap());
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // An executor may poll the subscriber during the wake.
        drop(self.hub.lock());
        *self.is_rung.lock() = true;
        self.rings.notify_one();
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // The last waker of a task may drop the task, and with it the subscriber.
        drop(self.hub.lock());
    }
}

fn chance() -> bool {
    thread_rng().gen_ratio(1, 4)
}

/// Starts a publisher. Its thread returns how many messages it has published until the route was closed.
fn publish(route: &Route, messages: &'static [&'static str]) -> JoinHandle<usize> {
    let route = route.clone();
    thread::spawn(move || {
        messages.iter().take_while(|&&message| route.publish(&Message::new(message)).is_ok()).count()
    })
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Checks that all messages of one publisher were read, in its order.
#[track_caller]
fn assert_has(seen: &[String], published: &[&str]) {
    let theirs: Vec<_> = seen.iter().filter(|data| published.contains(&data.as_str())).collect();
    assert_eq!(theirs, published, "of {seen:?}");
}

#[test]
fn no_wake_is_lost() {
    explore(|| {
        let route = Route::new();
        let readers = [Reader::of(&route), Reader::of(&route)];
        let readers = readers.map(|reader| thread::spawn(move || reader.read_to(4).seen));
        let publishers = [publish(&route, &["a1", "a2"]), publish(&route, &["b1", "b2"])];
        for seen in join(readers) {
            assert_has(&seen, &["a1", "a2"]);
            assert_has(&seen, &["b1", "b2"]);
        }
        join(publishers);
        let stats = route.stats();
        assert_eq!((stats.subscribers, stats.catching_up, stats.delivered), (0, 0, 8));
    });
}

#[test]
fn streams_of_a_closed_route_end_after_all_that_was_published() {
    explore(|| {
        let route = Route::new();
        let readers = [Reader::of(&route), Reader::of(&route)];
        let readers = readers.map(|reader| thread::spawn(move || reader.read_to_end().seen.len()));
        let author = publish(&route, &["1", "2", "3"]);
        let closer = thread::spawn({
            let route = route.clone();
            move || route.close()
        });
        block_on(route.closed());
        assert_eq!(route.subscribers(), 0);
        let published = author.join().unwrap();
        assert_eq!(join(readers), [published; 2]);
        closer.join().unwrap();
    });
}

#[test]
fn streams_end_when_the_last_handle_of_the_route_is_dropped() {
    explore(|| {
        let route = Route::new();
        let readers = [Reader::of(&route), Reader::of(&route)];
        let readers = readers.map(|reader| thread::spawn(move || reader.read_to_end().seen));
        let publishers = [publish(&route, &["a1", "a2"]), publish(&route, &["b1"])];
        drop(route);
        for seen in join(readers) {
            assert_has(&seen, &["a1", "a2"]);
            assert_has(&seen, &["b1"]);
        }
        join(publishers);
    });
}

#[test]
fn a_client_that_comes_back_amid_publishing_misses_nothing() {
    explore(|| {
        let route = Route::new();
        let publishers = [publish(&route, &["a1", "a2"]), publish(&route, &["b1", "b2"])];
        let mut reader = Reader::of(&route);
        let start = reader.position();
        if chance() {
            // It comes back at once, with the id of the opening.
            reader = reader.reconnect(&route);
        }
        if reader.position() < 4 {
            assert!(reader.read());
        }
        let reader = reader.reconnect(&route).read_to(4);
        assert_eq!((reader.seen.len() as u64, reader.missed), (4 - start, 0));
        join(publishers);
    });
}

#[test]
fn a_subscriber_that_leaves_takes_no_other_waker() {
    explore(|| {
        let route = Route::new();
        let (mut leaver, stayer) = (Reader::of(&route), Reader::of(&route));
        let stayer = thread::spawn(move || stayer.read_to(3).seen);
        let leaver = thread::spawn({
            let route = route.clone();
            move || {
                // Without a waker, with one, or with one that is being woken.
                for _ in 0..thread_rng().gen_range(0..3) {
                    let _ = leaver.poll();
                }
                drop(leaver);
                // Another subscriber takes the freed slot.
                let _ = Reader::of(&route).poll();
            }
        });
        join([publish(&route, &["a1", "a2"]), publish(&route, &["b1"])]);
        let seen = stayer.join().unwrap();
        assert_has(&seen, &["a1", "a2"]);
        assert_has(&seen, &["b1"]);
        leaver.join().unwrap();
        assert_eq!(route.subscribers(), 0);
        let stats = route.stats();
        assert_eq!((stats.subscribers, stats.catching_up), (0, 0));
        assert_eq!(route.topic().waiting(), 0, "a waker was left");
    });
}

#[test]
fn events_and_gaps_of_a_lagging_subscriber_add_up() {
    explore(|| {
        let route = Route::builder().history(1).burst_bytes(0).build();
        let reader = Reader::of(&route);
        let reader = thread::spawn(move || reader.read_to(5));
        let published = join([publish(&route, &["a1", "a2", "a3"]), publish(&route, &["b1", "b2"])]);
        let reader = reader.join().unwrap();
        assert_eq!(published, [3, 2]);
        assert_eq!(reader.seen.len() as u64 + reader.missed, 5);
        let stats = route.stats();
        assert_eq!(stats.delivered, reader.seen.len() as u64);
        assert_eq!(stats.gaps > 0, reader.missed > 0);
    });
}

#[test]
fn streams_end_with_their_server_after_what_was_published_before() {
    explore(|| {
        let (route, shutdown) = (Route::new(), Shutdown::new());
        let request = || Request::get("/").extension(shutdown.clone());
        let readers = [Reader::with(&route, request()), Reader::with(&route, request())];
        let readers = readers.map(|reader| thread::spawn(move || reader.read_to_end().seen));
        let other = publish(&route, &["b1", "b2"]);
        let server = thread::spawn({
            let (route, shutdown) = (route.clone(), shutdown.clone());
            move || {
                route.publish(&Message::new("a1")).unwrap();
                shutdown.begin();
            }
        });
        block_on(shutdown.begun());
        for seen in join(readers) {
            assert_has(&seen, &["a1"]);
        }
        server.join().unwrap();
        assert_eq!(other.join().unwrap(), 2);
        assert_eq!(route.subscribers(), 0);
    });
}

#[test]
fn several_topics_are_read_in_the_order_of_publishing() {
    explore(|| {
        let topics = Topics::new();
        let [a, b] = ["a", "b"].map(|name| topics.route(name).unwrap());
        let subscription = topics.subscribe(&Request::get("/").body(()).unwrap(), ["a", "b"]);
        let both = Reader::new(a.topic().hub(), subscription);
        let both = thread::spawn(move || both.read_to(4).seen);
        join([publish(&a, &["a1", "a2"]), publish(&b, &["b1", "b2"])]);
        let seen = both.join().unwrap();
        assert_has(&seen, &["a1", "a2"]);
        assert_has(&seen, &["b1", "b2"]);
        assert_eq!((a.subscribers(), b.subscribers()), (0, 0));
    });
}

#[test]
fn a_burst_reaches_all_subscribers_whole() {
    explore(|| {
        let route = Route::builder().history(1).build();
        let reader = Reader::of(&route);
        let reader = thread::spawn(move || reader.read_to(5));
        let batch = thread::spawn({
            let route = route.clone();
            move || route.publish_all(&["a1", "a2", "a3"].map(Message::new)).unwrap().len()
        });
        join([publish(&route, &["b1", "b2"])]);
        let reader = reader.join().unwrap();
        assert_eq!((batch.join().unwrap(), reader.missed), (3, 0));
        assert_has(&reader.seen, &["a1", "a2", "a3"]);
        assert_has(&reader.seen, &["b1", "b2"]);
    });
}

#[test]
fn a_client_is_ended_wherever_it_is() {
    explore(|| {
        let route = Route::new();
        let subscription = |client| route.subscribe(&Request::get("/").body(()).unwrap()).client(client);
        let revoked = Reader::new(route.topic().hub(), subscription("a"));
        let other = Reader::new(route.topic().hub(), subscription("b"));
        let revoked = thread::spawn(move || revoked.read_to_end());
        let other = thread::spawn(move || other.read_to(2).seen);
        let publisher = publish(&route, &["1", "2"]);
        let _ = route.end_client("a").unwrap();
        let seen = revoked.join().unwrap().seen;
        assert!(["1", "2"].starts_with(&seen.iter().map(String::as_str).collect::<Vec<_>>()), "{seen:?}");
        assert_eq!(other.join().unwrap(), ["1", "2"]);
        assert_eq!(publisher.join().unwrap(), 2);
    });
}

#[test]
fn a_heartbeat_reaches_all_that_wait() {
    explore(|| {
        let route = Route::new();
        let readers = [Reader::of(&route), Reader::of(&route)];
        let readers = readers.map(|mut reader| {
            thread::spawn(move || {
                while reader.heartbeats == 0 {
                    assert!(reader.read());
                }
            })
        });
        let setter = thread::spawn({
            let route = route.clone();
            move || route.set_heartbeat(Duration::from_secs(1))
        });
        assert!(route.topic().beat(Instant::now() + heartbeat::DEFAULT).is_some());
        join(readers);
        setter.join().unwrap();
    });
}
