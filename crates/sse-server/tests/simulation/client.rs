//! Clients, and the judge of what they get.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use sse_codec::{Decoder, EventRef};
use sse_testing::ChunkedResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::world::World;

/// A client, without its connection. It acts on what a client knows.
#[derive(Debug)]
pub(crate) struct Client {
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
    pub(crate) fn new(name: usize, world: Rc<World>, rng: Rng) -> Self {
        Self { name, world, rng, decoder: Decoder::new(), standing: Standing::Nowhere, is_done: false }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let pause = self.rng.choice([1, 100, 3_000]).unwrap();
            sleep(Duration::from_millis(self.rng.u64(0..pause))).await;
            if self.world.is_calm() {
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
        let ends = self.world.client_ends(self.name);
        self.world.serve(far, Rc::clone(&began_at), self.name, until);
        let mut connection =
            Connection { life: self.world.life(), began_at, has_id: !id.is_empty(), is_new: true };
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
            let was_ended = until.is_some() || ends != self.world.client_ends(self.name);
            let status = response.status();
            if response.is_whole() && was_ended && !self.world.are_all_done() {
                self.world.count("early end");
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
                        world.seed(), self.name, event.event_type()
                    )
                },
            );
        }
        let id = self.decoder.last_event_id();
        if id.split_once('-').is_some_and(|(epoch, _)| epoch.len() == 12) {
            world.note_id(id);
        }
        // The opening has an id, but is not an event.
        if !self.decoder.last_event_id().is_empty() {
            standing = connection.starting(standing).expect("the request was answered");
        }
        self.standing = standing;
        let has_all = matches!(standing, Standing::After { number, .. } if number == world.newest());
        if has_all && world.is_calm() && !self.is_done {
            self.is_done = true;
            world.one_is_done();
        }
    }

    /// The clock went on while the client read. So no task had anything to do, and everything must have come.
    fn check_that_all_is_here(&self, connection: &Connection, newest: u64) {
        let Self { name, world, .. } = self;
        let standing = connection.starting(self.standing).expect("the request has come");
        let has_all = match standing {
            Standing::Nowhere => false,
            Standing::After { life, number } => life == connection.life && number >= newest,
            Standing::Unknown { life, .. } => life == connection.life && newest == world.born(),
        };
        assert!(
            has_all,
            "SSE_SIMULATION_SEED={}: client {name}, {standing:?}, waits for {newest} without an end over {connection:?}",
            world.seed()
        );
    }

    /// Checks the end of a stream: the route must be closed, and nothing may be left to read.
    fn end(&self, connection: &Connection, status: u16) {
        let Self { name, world, .. } = self;
        let standing = connection.starting(self.standing).expect("the request was answered");
        let has_all = standing == Standing::After { life: connection.life, number: world.newest() };
        assert!(
            world.are_all_done() && has_all,
            "SSE_SIMULATION_SEED={}: client {name}, {standing:?}, is told by a {status} that this is all",
            world.seed()
        );
        world.count("end");
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
            world.count("fresh start");
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
                world.count("gap by restart");
                return Ok(Standing::Unknown { life, number: last });
            }
            let missed: u64 = missed.parse().map_err(|_| "the gap has no number")?;
            if of != life || missed == 0 {
                return Err("the server can't know this number".to_owned());
            }
            world.count(if is_new { "gap of a late comer" } else { "gap by lag" });
            if !is_new && world.is_in_a_burst_after(last) {
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
        world.count("number");
        if is_new && self.has_id {
            world.count("resumed without loss");
        }
        Ok(Standing::After { life, number })
    }
}
