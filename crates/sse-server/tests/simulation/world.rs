//! The server and its publisher, and what the judges know of them.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sse_server::{EventId, Message, PublishError, Route, WriteDeadline};
use tokio::io::DuplexStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;

use crate::Seen;

/// The server, and what the judges know of it.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    history: usize,
    /// `None` if the history is limited by the number of messages alone.
    history_bytes: Option<usize>,
    burst_bytes: usize,
    heartbeat: Option<Duration>,
    deadline: Duration,
    max_buffer: usize,
    route: RefCell<Route>,
    /// The number of the present route: one for each start of the server.
    life: Cell<u64>,
    /// The newest number when this route was made.
    born: Cell<u64>,
    /// The padding of each published number, from 1 on.
    published: RefCell<Vec<usize>>,
    /// The ids that the publisher gave to this route, and their numbers.
    own_ids: RefCell<Vec<(String, u64)>>,
    /// One of this number of messages gets a publisher's id; none, if it is zero.
    own_id_share: u32,
    /// An id that this route or an earlier one gave.
    given_id: RefCell<Option<String>>,
    /// How often the streams of each client were ended.
    client_ends: RefCell<Vec<u64>>,
    connections: RefCell<Vec<AbortHandle>>,
    /// Whether crashes and lost connections have ended.
    is_calm: Cell<bool>,
    /// How many clients have not seen everything yet.
    waited_for: Cell<usize>,
    seen: RefCell<Seen>,
}

impl World {
    pub(crate) fn new(seed: u64, clients: usize, rng: &mut Rng) -> Self {
        let mut world = Self {
            seed,
            history: rng.usize(4..=64),
            history_bytes: rng.bool().then(|| rng.usize(1..40_000)),
            burst_bytes: rng.choice([0, 1_000, 30_000, 1 << 20]).unwrap(),
            heartbeat: rng.bool().then(|| Duration::from_millis(rng.u64(200..10_000))),
            deadline: Duration::from_millis(rng.u64(500..5_000)),
            // hyper allows no smaller size than the first.
            max_buffer: rng.choice([8 * 1024, 16 * 1024, 64 * 1024]).unwrap(),
            route: RefCell::default(),
            life: Cell::new(0),
            born: Cell::new(0),
            published: RefCell::default(),
            own_ids: RefCell::default(),
            own_id_share: rng.choice([0, 1, 2, 5]).unwrap(),
            given_id: RefCell::default(),
            client_ends: RefCell::new(vec![0; clients]),
            connections: RefCell::default(),
            is_calm: Cell::new(false),
            waited_for: Cell::new(clients),
            seen: RefCell::default(),
        };
        world.route = RefCell::new(world.new_route());
        world
    }

    fn new_route(&self) -> Route {
        let route =
            Route::builder().history(self.history).heartbeat(self.heartbeat).burst_bytes(self.burst_bytes);
        self.history_bytes.map_or(route.clone(), |bytes| route.history_bytes(bytes)).build()
    }

    /// Runs the publisher from its first to its last message.
    pub(crate) async fn publish_all(&self, rng: &mut Rng) {
        for _ in 0..rng.u32(10..60) {
            match rng.u32(0..40) {
                0 => self.restart(),
                1..4 => self.abort_one(rng),
                _ => {}
            }
            let most = match rng.u32(0..16) {
                0 => 500,
                1 | 2 => 2 * self.history,
                _ => 4,
            };
            let padding = rng.choice([1, 100, 1_000, 10_000]).unwrap();
            let messages: Vec<_> = (0..rng.usize(0..=most)).map(|_| rng.usize(0..padding)).collect();
            if rng.u32(0..4) == 0 {
                self.publish_batch(&messages, rng);
            } else {
                for padding in messages {
                    self.publish(padding, rng);
                    if rng.u32(0..8) == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            }
            if rng.u32(0..8) == 0 {
                self.end_client(rng);
            }
            let longest = rng.choice([1, 50, 500, 3_000]).unwrap();
            sleep(Duration::from_millis(rng.u64(0..longest))).await;
        }
        self.is_calm.set(true);
        // After this message, every client knows that the faults have ended.
        self.publish(0, rng);
    }

    fn publish(&self, padding: usize, rng: &mut Rng) {
        if rng.u32(0..8) == 0 {
            self.try_bad_id(rng);
        }
        let message = self.next_message(padding, rng);
        let published = self.route.borrow().publish(&message).expect("the route is open");
        assert!(!published.is_repeat(), "SSE_SIMULATION_SEED={}", self.seed);
        // A request whose response was lost is repeated.
        if rng.u32(0..8) == 0
            && let Some((id, number)) = rng.choice(&*self.own_ids.borrow())
        {
            let published = self
                .route
                .borrow()
                .publish(&self.message(*number, Some(id)))
                .expect("the message is the same");
            assert!(published.is_repeat(), "SSE_SIMULATION_SEED={}: {id}", self.seed);
            self.count("repeat");
        }
    }

    /// Publishes messages together, with repeats among them.
    fn publish_batch(&self, paddings: &[usize], rng: &mut Rng) {
        let before = (self.published.borrow().len(), self.own_ids.borrow().len());
        let mut batch = Vec::new();
        for &padding in paddings {
            batch.push(self.next_message(padding, rng));
            if rng.u32(0..8) == 0
                && let Some((id, number)) = rng.choice(&*self.own_ids.borrow())
            {
                batch.push(self.message(*number, Some(id)));
            }
        }
        match self.route.borrow().publish_all(&batch) {
            Ok(published) => assert_eq!(published.len(), batch.len()),
            Err(error) => {
                // None of them is published, so their numbers are used again.
                assert!(
                    matches!(error, PublishError::BatchTooLarge),
                    "SSE_SIMULATION_SEED={}: {error}",
                    self.seed
                );
                self.published.borrow_mut().truncate(before.0);
                self.own_ids.borrow_mut().truncate(before.1);
                return;
            }
        }
        self.count("batch");
    }

    /// Returns the message of the next number.
    fn next_message(&self, padding: usize, rng: &mut Rng) -> Message<'static> {
        self.published.borrow_mut().push(padding);
        let number = self.newest();
        if self.own_id_share == 0 || rng.u32(0..self.own_id_share) > 0 {
            return self.message(number, None);
        }
        let id =
            rng.choice([format!("{number}"), format!("{number}-{number}"), format!("é {number}")]).unwrap();
        self.own_ids.borrow_mut().push((id.clone(), number));
        self.count("own id");
        self.message(number, Some(&id))
    }

    fn message(&self, number: u64, id: Option<&str>) -> Message<'static> {
        let padding = self.padding(number).expect("the number is published");
        let message = Message::new(format!("{number} {}", "x".repeat(padding)));
        match id {
            Some(id) => message.id(EventId::new(id).unwrap().into_owned()),
            None => message,
        }
    }

    /// Tries an id that names another message, an id of the route's form, or an id that a client can't send back.
    fn try_bad_id(&self, rng: &mut Rng) {
        let taken = rng.choice(&*self.own_ids.borrow()).map(|(id, _)| id.clone());
        let own = self.given_id.borrow().clone();
        let Some(id) = rng.choice([taken, own, Some(String::new()), Some(" x".to_owned())]).unwrap() else {
            return;
        };
        let message = Message::new("0 other").id(EventId::new(&id).unwrap());
        let result = self.route.borrow().publish(&message);
        let is_refused = matches!(result, Err(PublishError::IdTaken | PublishError::InvalidId(_)));
        assert!(is_refused, "SSE_SIMULATION_SEED={}: {id:?}: {result:?}", self.seed);
        self.count("refused id");
    }

    /// Ends the streams of a client, as if its token were revoked.
    fn end_client(&self, rng: &mut Rng) {
        let client = rng.usize(..self.client_ends.borrow().len());
        self.client_ends.borrow_mut()[client] += 1;
        let _ = self.route.borrow().end_client(&client.to_string()).expect("the route has no log");
    }

    /// A crash and a new start: all connections are lost, and the server remembers only the next number.
    fn restart(&self) {
        self.connections.borrow_mut().drain(..).for_each(|connection| connection.abort());
        self.route.replace(self.new_route());
        self.own_ids.borrow_mut().clear();
        self.life.set(self.life.get() + 1);
        self.born.set(self.newest());
    }

    fn abort_one(&self, rng: &mut Rng) {
        let connections = self.connections.borrow();
        if !connections.is_empty() {
            connections[rng.usize(..connections.len())].abort();
        }
    }

    /// Serves a connection. When its request has come, `began_at` is set to the newest number.
    pub(crate) fn serve(
        self: &Rc<Self>,
        io: DuplexStream,
        began_at: Rc<Cell<Option<u64>>>,
        client: usize,
        until: Option<Duration>,
    ) {
        let (world, route) = (self.clone(), self.route.borrow().clone());
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).max_buf_size(self.max_buffer);
        let task = spawn_local(async move {
            let service = service_fn(|request: Request<Incoming>| {
                began_at.set(Some(world.newest()));
                let mut subscription = route.subscribe(&request).client(&client.to_string());
                if let Some(time) = until {
                    subscription = subscription.until(sleep(time));
                }
                std::future::ready(Ok::<_, Infallible>(subscription.respond()))
            });
            let io = TokioIo::new(WriteDeadline::new(io, world.deadline));
            if builder.serve_connection(io, service).await.is_err_and(|error| is_time_out(&error)) {
                world.count("stall cut");
            }
        });
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.is_finished());
        connections.push(task.abort_handle());
    }

    pub(crate) fn newest(&self) -> u64 {
        self.published.borrow().len() as u64
    }

    pub(crate) fn padding(&self, number: u64) -> Option<usize> {
        self.published.borrow().get(usize::try_from(number).ok()? - 1).copied()
    }

    /// Returns whether the messages after a number are surely within the limit of a burst.
    pub(crate) fn is_in_a_burst_after(&self, number: u64) -> bool {
        let first = usize::try_from(number).unwrap();
        let most_bytes: usize = self.published.borrow()[first..].iter().map(|padding| padding + 100).sum();
        most_bytes <= self.burst_bytes
    }

    /// Returns the newest number that the history may have evicted by now. If its bytes are limited, only the newest
    /// number is surely kept.
    pub(crate) fn evicted(&self) -> u64 {
        let kept = if self.history_bytes.is_some() { 1 } else { self.history as u64 };
        self.newest().saturating_sub(kept).max(self.born.get())
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of the present route.
    pub(crate) fn life(&self) -> u64 {
        self.life.get()
    }

    /// Returns the newest number when the present route was made.
    pub(crate) fn born(&self) -> u64 {
        self.born.get()
    }

    /// Returns how often the streams of a client were ended.
    pub(crate) fn client_ends(&self, client: usize) -> u64 {
        self.client_ends.borrow()[client]
    }

    /// Returns whether crashes and lost connections have ended.
    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.get()
    }

    /// Notes an id that a client got.
    pub(crate) fn note_id(&self, id: &str) {
        *self.given_id.borrow_mut() = Some(id.to_owned());
    }

    /// Notes that a client has seen everything. After the last one, the route is closed.
    pub(crate) fn one_is_done(&self) {
        self.waited_for.set(self.waited_for.get() - 1);
        if self.are_all_done() {
            self.route.borrow().close();
        }
    }

    /// Returns whether all clients have seen everything.
    pub(crate) fn are_all_done(&self) -> bool {
        self.waited_for.get() == 0
    }

    /// Waits until the route has no subscribers any more.
    pub(crate) async fn closed(&self) {
        let route = self.route.borrow().clone();
        route.closed().await;
    }

    pub(crate) fn take_seen(&self) -> Seen {
        self.seen.take()
    }

    pub(crate) fn count(&self, what: &'static str) {
        self.seen.borrow_mut().count(what);
    }
}

/// Returns whether the write deadline has passed.
fn is_time_out(error: &hyper::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|io| io.kind() == io::ErrorKind::TimedOut)
}
