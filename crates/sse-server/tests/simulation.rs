//! Tests the promise of sse-server's front page in random runs.
//!
//! One run is one seed. A publisher publishes bursts, batches and ids of all kinds, and makes pauses. A server crashes,
//! starts anew, and ends the streams of single clients. Some clients are slow, stall, lose their connections and
//! resume. The pipes have small buffers, and the clock goes on only when all tasks wait. So hours pass in seconds, and
//! a seed always gives the same run.
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test -p sse-server --release --test simulation
//! SSE_SIMULATION_SEED=42 cargo test -p sse-server --test simulation
//! ```

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::ops::AddAssign;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sse_codec::{Decoder, EventRef};
use sse_server::{EventId, Message, PublishError, Route, WriteDeadline};
use sse_testing::ChunkedResponse;
use sse_testing::simulation::Simulation;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::{AbortHandle, JoinSet, spawn_local};
use tokio::time::{Instant, sleep, timeout, timeout_at};

#[test]
fn each_client_gets_all_events_in_order_or_a_gap_event() {
    let Some(seen) = Simulation::new().runs(100).run(simulate) else { return };
    // If one of these things does not happen, the runs do not test the promise.
    let Seen { numbers, gaps_by_lag, gaps_by_restart, gaps_of_late_comers, .. } = seen;
    let Seen { resumes_without_loss, fresh_starts, stalls_cut, ends, .. } = seen;
    assert!(numbers > 0 && gaps_by_lag > 0 && gaps_by_restart > 0 && gaps_of_late_comers > 0, "{seen:?}");
    let Seen { early_ends, own_ids, repeats, refused_ids, batches, .. } = seen;
    assert!(resumes_without_loss > 0 && fresh_starts > 0 && stalls_cut > 0 && ends > 0, "{seen:?}");
    assert!(early_ends > 0 && own_ids > 0 && repeats > 0 && refused_ids > 0 && batches > 0, "{seen:?}");
}

/// How often each thing has happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    numbers: u64,
    gaps_by_lag: u64,
    gaps_by_restart: u64,
    /// Clients that came back too late.
    gaps_of_late_comers: u64,
    resumes_without_loss: u64,
    /// Streams that began without an id and brought an event: first streams, and streams after one that was lost too
    /// soon.
    fresh_starts: u64,
    /// Connections that were cut by the write deadline.
    stalls_cut: u64,
    /// Streams that were read to the end.
    ends: u64,
    /// Streams that were ended though the route is open, by the end of a client or after a time.
    early_ends: u64,
    /// Messages that were published with ids of their own.
    own_ids: u64,
    /// Messages of these that were published again.
    repeats: u64,
    /// Ids that were refused.
    refused_ids: u64,
    batches: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.numbers += other.numbers;
        self.gaps_by_lag += other.gaps_by_lag;
        self.gaps_by_restart += other.gaps_by_restart;
        self.gaps_of_late_comers += other.gaps_of_late_comers;
        self.resumes_without_loss += other.resumes_without_loss;
        self.fresh_starts += other.fresh_starts;
        self.stalls_cut += other.stalls_cut;
        self.ends += other.ends;
        self.early_ends += other.early_ends;
        self.own_ids += other.own_ids;
        self.repeats += other.repeats;
        self.refused_ids += other.refused_ids;
        self.batches += other.batches;
    }
}

async fn simulate(seed: u64) -> Seen {
    let mut rng = Rng::with_seed(seed);
    let clients = rng.usize(3..=8);
    let world = Rc::new(World::new(seed, clients, &mut rng));
    let mut tasks = JoinSet::new();
    for name in 0..clients {
        tasks.spawn_local(Client::new(name, world.clone(), rng.fork()).run());
    }
    tasks.spawn_local({
        let world = world.clone();
        async move { world.publish_all(&mut rng).await }
    });
    let all = async {
        // The first failure ends the run, because later ones say nothing.
        while let Some(end) = tasks.join_next().await {
            end.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        }
        let route = world.route.borrow().clone();
        route.closed().await;
    };
    let end = timeout(Duration::from_secs(3600), all).await;
    assert!(end.is_ok(), "SSE_SIMULATION_SEED={seed}: a client waits for ever: {world:?}");
    world.seen.get()
}

/// The server, and what the judges know of it.
#[derive(Debug)]
struct World {
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
    seen: Cell<Seen>,
}

impl World {
    fn new(seed: u64, clients: usize, rng: &mut Rng) -> Self {
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
            seen: Cell::default(),
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
    async fn publish_all(&self, rng: &mut Rng) {
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
            self.count(|seen| seen.repeats += 1);
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
        self.count(|seen| seen.batches += 1);
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
        self.count(|seen| seen.own_ids += 1);
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
        self.count(|seen| seen.refused_ids += 1);
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
    fn serve(
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
                world.count(|seen| seen.stalls_cut += 1);
            }
        });
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.is_finished());
        connections.push(task.abort_handle());
    }

    fn newest(&self) -> u64 {
        self.published.borrow().len() as u64
    }

    fn padding(&self, number: u64) -> Option<usize> {
        self.published.borrow().get(usize::try_from(number).ok()? - 1).copied()
    }

    /// Returns how many bytes the messages after a number have at most.
    fn most_bytes_after(&self, number: u64) -> usize {
        let first = usize::try_from(number).unwrap();
        self.published.borrow()[first..].iter().map(|padding| padding + 100).sum()
    }

    /// Returns the newest number that the history may have evicted by now. If its bytes are limited, only the newest
    /// number is surely kept.
    fn evicted(&self) -> u64 {
        let kept = if self.history_bytes.is_some() { 1 } else { self.history as u64 };
        self.newest().saturating_sub(kept).max(self.born.get())
    }

    fn count(&self, count: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.get();
        count(&mut seen);
        self.seen.set(seen);
    }
}

/// Returns whether the write deadline has passed.
fn is_time_out(error: &hyper::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|io| io.kind() == io::ErrorKind::TimedOut)
}

/// A client, without its connection. It acts on what a client knows.
#[derive(Debug)]
struct Client {
    name: usize,
    world: Rc<World>,
    rng: Rng,
    decoder: Decoder,
    standing: Standing,
    /// Whether it has reported that it has seen everything.
    is_done: bool,
}

/// What a client was told by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing: it has no id.
    Nowhere,
    /// Everything up to this number, by the server of this route.
    After { life: u64, number: u64 },
    /// That an unknown number of messages after this number is missing.
    Unknown { life: u64, number: u64 },
}

/// What the server and the judge know of a client's connection.
#[derive(Debug)]
struct Connection {
    life: u64,
    /// The newest number when the request was answered.
    began_at: Rc<Cell<Option<u64>>>,
    has_id: bool,
    /// Whether it has brought no event yet.
    is_new: bool,
}

impl Client {
    fn new(name: usize, world: Rc<World>, rng: Rng) -> Self {
        Self { name, world, rng, decoder: Decoder::new(), standing: Standing::Nowhere, is_done: false }
    }

    async fn run(mut self) {
        loop {
            let pause = self.rng.choice([1, 100, 3_000]).unwrap();
            sleep(Duration::from_millis(self.rng.u64(0..pause))).await;
            if self.world.is_calm.get() {
                if self.connect(false).await {
                    return;
                }
                continue;
            }
            if self.rng.u32(0..20) == 0 {
                // The client forgets its id, like a page that is loaded anew.
                (self.decoder, self.standing) = (Decoder::new(), Standing::Nowhere);
            }
            let longest = self.rng.choice([3, 300, 10_000, 100_000]).unwrap();
            let cut = Instant::now() + Duration::from_millis(self.rng.u64(0..longest));
            if timeout_at(cut, self.connect(true)).await.unwrap_or(false) {
                return;
            }
        }
    }

    /// Connects once, and reads until the connection ends. Returns whether the stream has ended, too.
    async fn connect(&mut self, may_stall: bool) -> bool {
        let (mut io, far) = duplex(self.rng.usize(16..4096));
        let (id, began_at) = (self.decoder.last_event_id().to_owned(), Rc::default());
        self.decoder.reset();
        let until =
            (may_stall && self.rng.u32(0..8) == 0).then(|| Duration::from_millis(self.rng.u64(0..20_000)));
        let ends = self.world.client_ends.borrow()[self.name];
        self.world.serve(far, Rc::clone(&began_at), self.name, until);
        let mut connection =
            Connection { life: self.world.life.get(), began_at, has_id: !id.is_empty(), is_new: true };
        let header = if id.is_empty() { String::new() } else { format!("Last-Event-ID: {id}\r\n") };
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        if io.write_all(request.as_bytes()).await.is_err() {
            return false;
        }
        let mut response = ChunkedResponse::new();
        let mut buffer = vec![0; self.rng.usize(1..4096)];
        // How often a read is late, and by how much.
        let patience = self.rng.u32(2..200);
        let delay = self.rng.choice([20, 300, 10_000]).unwrap();
        loop {
            if may_stall && self.rng.u32(0..patience) == 0 {
                sleep(Duration::from_millis(self.rng.u64(0..delay))).await;
            }
            let newest = self.world.newest();
            let read = if let Ok(read) = timeout(Duration::from_millis(1), io.read(&mut buffer)).await {
                read
            } else {
                self.check_that_all_is_here(&connection, newest);
                io.read(&mut buffer).await
            };
            let Ok(len @ 1..) = read else { return false };
            let body = response.feed(&buffer[..len]);
            self.read(&mut connection, &body);
            let was_ended = until.is_some() || ends != self.world.client_ends.borrow()[self.name];
            let status = response.status();
            if response.is_whole() && was_ended && self.world.waited_for.get() > 0 {
                self.world.count(|seen| seen.early_ends += 1);
                return false;
            }
            if response.is_whole() || status == Some(204) {
                self.end(&connection, status.expect("the response has come"));
                return true;
            }
            assert!(status.is_none_or(|status| status == 200), "{response:?}");
        }
    }

    fn read(&mut self, connection: &mut Connection, mut body: &[u8]) {
        let (mut standing, world) = (self.standing, &self.world);
        while let Some(event) = self.decoder.next_event(&mut body).expect("the event is small") {
            standing = connection.starting(standing).and_then(|at| connection.judge(at, event, world)).unwrap_or_else(
                |fault| {
                    let data = event.data().get(..40).unwrap_or(event.data());
                    panic!(
                        "SSE_SIMULATION_SEED={}: client {}, {standing:?}, got {data:?} ({}) over {connection:?}: {fault}",
                        world.seed, self.name, event.event_type()
                    )
                },
            );
        }
        let id = self.decoder.last_event_id();
        if id.split_once('-').is_some_and(|(epoch, _)| epoch.len() == 12) {
            *world.given_id.borrow_mut() = Some(id.to_owned());
        }
        // The opening has an id, but is not an event.
        if !self.decoder.last_event_id().is_empty() {
            standing = connection.starting(standing).expect("the request was answered");
        }
        self.standing = standing;
        let has_all = matches!(standing, Standing::After { number, .. } if number == world.newest());
        if has_all && world.is_calm.get() && !self.is_done {
            self.is_done = true;
            world.waited_for.set(world.waited_for.get() - 1);
            if world.waited_for.get() == 0 {
                world.route.borrow().close();
            }
        }
    }

    /// The clock went on while the client read. So no task had anything to do, and everything must have come.
    fn check_that_all_is_here(&self, connection: &Connection, newest: u64) {
        let Self { name, world, .. } = self;
        let standing = connection.starting(self.standing).expect("the request has come");
        let has_all = match standing {
            Standing::Nowhere => false,
            Standing::After { life, number } => life == connection.life && number >= newest,
            Standing::Unknown { life, .. } => life == connection.life && newest == world.born.get(),
        };
        assert!(
            has_all,
            "SSE_SIMULATION_SEED={}: client {name}, {standing:?}, waits for {newest} without an end over {connection:?}",
            world.seed
        );
    }

    /// Checks the end of a stream: the route must be closed, and nothing may be left to read.
    fn end(&self, connection: &Connection, status: u16) {
        let Self { name, world, .. } = self;
        let standing = connection.starting(self.standing).expect("the request was answered");
        let has_all = standing == Standing::After { life: connection.life, number: world.newest() };
        assert!(
            world.waited_for.get() == 0 && has_all,
            "SSE_SIMULATION_SEED={}: client {name}, {standing:?}, is told by a {status} that this is all",
            world.seed
        );
        world.count(|seen| seen.ends += 1);
    }
}

impl Connection {
    /// Returns the standing of a client that came without an id: the number at which it came.
    fn starting(&self, standing: Standing) -> Result<Standing, String> {
        if standing != Standing::Nowhere {
            return Ok(standing);
        }
        let number = self.began_at.get().ok_or("a response comes without a request")?;
        Ok(Standing::After { life: self.life, number })
    }

    /// Returns the standing of a client after this event, if it may get the event.
    fn judge(&mut self, standing: Standing, event: EventRef<'_>, world: &World) -> Result<Standing, String> {
        let is_new = std::mem::replace(&mut self.is_new, false);
        if is_new && !self.has_id {
            world.count(|seen| seen.fresh_starts += 1);
        }
        let (Standing::After { life: of, number: last } | Standing::Unknown { life: of, number: last }) =
            standing
        else {
            return Err("the client has no position".to_owned());
        };
        let life = self.life;
        if event.event_type() == "gap" {
            let missed = event.data().strip_prefix("{\"missed\":").and_then(|data| data.strip_suffix('}'));
            let missed = missed.ok_or("the event is not a gap event")?;
            if missed == "null" {
                if of == life {
                    return Err("this server knows the id".to_owned());
                }
                world.count(|seen| seen.gaps_by_restart += 1);
                return Ok(Standing::Unknown { life, number: last });
            }
            let missed: u64 = missed.parse().map_err(|_| "the gap has no number")?;
            if of != life || missed == 0 {
                return Err("the server can't know this number".to_owned());
            }
            world.count(|seen| if is_new { seen.gaps_of_late_comers += 1 } else { seen.gaps_by_lag += 1 });
            if !is_new && world.most_bytes_after(last) <= world.burst_bytes {
                return Err("a connected subscriber must get a burst within the limit".to_owned());
            }
            // If it is unknown where the gap begins, the next number shows where it ends.
            let Standing::After { .. } = standing else { return Ok(standing) };
            let number = last + missed;
            return if number <= world.evicted() {
                Ok(Standing::After { life, number })
            } else {
                Err(format!("a gap up to {number}, but only those up to {} may be evicted", world.evicted()))
            };
        }
        let (number, padding) = event.data().split_once(' ').ok_or("the data is not the publisher's")?;
        let number: u64 = number.parse().map_err(|_| "the data has no number")?;
        if of != life {
            return Err("the restart was not told by a gap".to_owned());
        }
        if number <= last {
            return Err("the client has had this number".to_owned());
        }
        // After a gap of unknown size, the oldest kept message comes next.
        let gone = if matches!(standing, Standing::After { .. }) { last } else { last.max(world.evicted()) };
        if number > gone + 1 {
            return Err(format!("numbers from {} on are missing", gone + 1));
        }
        let whole = world.padding(number);
        if whole != Some(padding.len()) || !padding.bytes().all(|byte| byte == b'x') {
            return Err(format!("{} bytes of padding, not {whole:?}", padding.len()));
        }
        world.count(|seen| {
            seen.numbers += 1;
            seen.resumes_without_loss += u64::from(is_new && self.has_id);
        });
        Ok(Standing::After { life, number })
    }
}
