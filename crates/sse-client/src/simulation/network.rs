//! The network of a run: it delays, cuts, stalls and breaks the streams of the server, and knows which bytes the client
//! has received.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use http_body::Frame;
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Request, Response, ResponseBuilderExt as _, StatusCode, Url};
use sse_server::Body;
use tokio::time::{Instant, Sleep, sleep};

use super::world::{Fact, Fate, LONGEST_RETRY_AFTER, Standing, World, lock, millis};
use crate::connect::{LAST_EVENT_ID, Transport};
use crate::error::BoxError;
use crate::reconnect::Cause;

/// How many redirects the client follows.
pub(super) const REDIRECTS: u32 = 2;

/// Returns a transport that sends the client's requests through the network.
pub(super) fn network(world: &Arc<Mutex<World>>) -> Transport {
    let world = Arc::clone(world);
    Transport::simulated(move |request| Box::pin(send(Arc::clone(&world), request)))
}

async fn send(world: Arc<Mutex<World>>, request: Request) -> reqwest::Result<Response> {
    let (delay, answer) = lock(&world).receive(&request);
    sleep(delay).await;
    let response = http::Response::builder().url(request.url().clone());
    let is_down = Instant::now() < lock(&world).down_until;
    let response = match answer {
        Answer::Never => return std::future::pending().await,
        _ if is_down => return Err(no_connection()),
        Answer::NoConnection => return Err(no_connection()),
        Answer::Unavailable(None) => response.status(503).body("try again later\n".into()),
        Answer::Unavailable(Some(seconds)) => {
            lock(&world).retry_after = Duration::from_secs(seconds);
            response.status(503).header(RETRY_AFTER, seconds).body("try again later\n".into())
        }
        Answer::Redirect => {
            let mut world = lock(&world);
            world.note(Fact::Redirected);
            // To the same origin, or to another origin, which gets only some of the headers.
            let target = world.rng.choice(["/events", "http://other.example/events"]).unwrap();
            let target = format!("{target}?hops={}", hops(request.url()) + 1);
            response.status(307).header(LOCATION, target).body(Body::empty())
        }
        Answer::Stream => Ok(lock(&world).respond(&request.try_into()?)),
    };
    let response =
        response.expect("the response is valid").map(|body| reqwest::Body::wrap(Faulty::new(&world, body)));
    Ok(response.into())
}

/// Returns how many redirects have led to this URL.
fn hops(url: &Url) -> u32 {
    url.query_pairs().find_map(|(_, hops)| hops.parse().ok()).unwrap_or(0)
}

/// Returns an error of the network. Any error of reqwest that is not about the request is one.
fn no_connection() -> reqwest::Error {
    let response =
        Response::from(http::Response::builder().status(500).body("").expect("the response is valid"));
    response.error_for_status().expect_err("500 is an error")
}

/// A body on its way through the network.
struct Faulty {
    world: Arc<Mutex<World>>,
    rng: Rng,
    inner: Body,
    /// How many crashes there were before this connection.
    crashes: u64,
    fate: Fate,
    /// How many bytes are passed on before the fate.
    left: usize,
    longest_chunk: usize,
    delay: Option<Pin<Box<Sleep>>>,
    /// The bytes that the server has sent and the client has not received.
    buffer: BytesMut,
    /// Whether the body begins with a byte order mark.
    has_mark: bool,
    ending: &'static str,
    /// What the client knows after this many bytes.
    known: VecDeque<(usize, Known)>,
    /// How many bytes the client has received.
    given: usize,
}

enum Known {
    ReconnectionTime(Duration),
    Block { id: Option<String>, is_event: bool },
}

impl Faulty {
    fn new(world: &Arc<Mutex<World>>, inner: Body) -> Self {
        let world = Arc::clone(world);
        let mut locked = lock(&world);
        let (mut rng, crashes, is_calm) = (locked.rng.fork(), locked.crashes, locked.calm.is_some());
        drop(locked);
        let fate = rng.choice([Fate::Holds, Fate::Breaks, Fate::Ends, Fate::Stalls]).unwrap();
        let most = rng.choice([1, 200, 5_000, 50_000]).unwrap();
        let left = if is_calm { usize::MAX } else { rng.usize(0..most) };
        let longest_chunk = rng.choice([1, 8, 100, 100, 5_000, usize::MAX]).unwrap();
        let has_mark = rng.bool();
        let (delay, buffer, ending, known, given) = (None, BytesMut::new(), "\n", VecDeque::new(), 0);
        Self {
            world,
            rng,
            inner,
            crashes,
            fate,
            left,
            longest_chunk,
            delay,
            buffer,
            has_mark,
            ending,
            known,
            given,
        }
    }

    /// Takes blocks of the server, and ends their lines in one of the three ways.
    fn take(&mut self, blocks: &[u8]) {
        let (mut id, mut is_event) = (None, false);
        let is_marked = self.has_mark && self.given == 0;
        if is_marked {
            self.buffer.extend_from_slice("\u{feff}".as_bytes());
        }
        for line in std::str::from_utf8(blocks).expect("the server writes UTF-8").lines() {
            // If the first line were a comment, a mark that is not dropped would not be noticed.
            if is_marked && line.starts_with(':') {
                continue;
            }
            self.buffer.extend_from_slice(line.as_bytes());
            self.buffer.extend_from_slice(self.ending.as_bytes());
            // A CR ends the line, whether an LF follows or not.
            let end = self.given + self.buffer.len() + 1 - self.ending.len();
            if let Some(time) = line.strip_prefix("retry: ") {
                let time = Duration::from_millis(time.parse().expect("the time is a number"));
                self.known.push_back((end, Known::ReconnectionTime(time)));
            } else if let Some(value) = line.strip_prefix("id: ") {
                id = Some(value.to_owned());
            } else if line.is_empty() {
                self.known.push_back((end, Known::Block { id: id.take(), is_event }));
                is_event = false;
                self.ending = self.rng.choice(["\n", "\r\n", "\r"]).unwrap();
            }
            is_event |= line.starts_with("data");
        }
    }

    /// Gives the client some of the buffered bytes.
    fn give(&mut self, world: &mut World) -> Bytes {
        let most = self.longest_chunk.min(self.buffer.len()).min(self.left);
        let chunk = self.buffer.split_to(self.rng.usize(1..=most)).freeze();
        match self.buffer.first() {
            Some(0x80..0xC0) => world.note(Fact::CutInCharacter),
            Some(b'\n') if chunk.ends_with(b"\r") => world.note(Fact::CutInLineEnding),
            _ => {}
        }
        self.left -= chunk.len();
        self.given += chunk.len();
        world.heard = Instant::now();
        while self.known.front().is_some_and(|(end, _)| *end <= self.given) {
            match self.known.pop_front().expect("the front exists").1 {
                Known::ReconnectionTime(time) => world.reconnection_time = Some(time),
                Known::Block { id, is_event } => {
                    world.last_event_id = id.unwrap_or_else(|| world.last_event_id.clone());
                    world.event_received |= is_event;
                }
            }
        }
        if world.calm.is_none() && self.rng.u32(0..30) == 0 {
            self.delay = Some(Box::pin(sleep(millis(&mut self.rng, &[10, 1_000, 10_000]))));
        }
        chunk
    }
}

impl http_body::Body for Faulty {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let world = Arc::clone(&this.world);
        let mut world = lock(&world);
        world.waker = Some(cx.waker().clone());
        if this.crashes != world.crashes {
            (this.crashes, this.delay) = (world.crashes, None);
            // A connection that has stalled already does not notice a crash.
            if this.left > 0 || this.fate != Fate::Stalls {
                (this.fate, this.left) = (world.crash, 0);
            }
        } else if world.calm.is_some() && this.left > 0 {
            this.fate = Fate::Holds;
        }
        if let Some(delay) = &mut this.delay {
            ready!(delay.as_mut().poll(cx));
            this.delay = None;
        }
        match this.fate {
            Fate::Holds => this.left = usize::MAX,
            _ if this.left > 0 => {}
            Fate::Breaks => return Poll::Ready(Some(Err("the connection broke".into()))),
            Fate::Ends => return Poll::Ready(None),
            Fate::Stalls => return Poll::Pending,
        }
        if this.buffer.is_empty() {
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => this.take(frame.data_ref().expect("there are no trailers")),
                Some(Err(never)) => match never {},
            }
        }
        Poll::Ready(Some(Ok(Frame::data(this.give(&mut world)))))
    }
}

/// The answer to a request.
#[derive(Debug)]
enum Answer {
    Never,
    NoConnection,
    Unavailable(Option<u64>),
    Redirect,
    Stream,
}

impl World {
    /// Takes a request, and decides when and how to answer it.
    fn receive(&mut self, request: &Request) -> (Duration, Answer) {
        let id = request.headers().get(LAST_EVENT_ID).map_or(&[][..], |id| id.as_bytes());
        let id = String::from_utf8_lossy(id);
        self.check(id == self.last_event_id, format_args!("{id:?} is sent, not {:?}", self.last_event_id));
        let hops = hops(request.url());
        if hops == 0 {
            let now = Instant::now();
            let may_come = self.next_attempt.take().is_some_and(|from| from <= now);
            self.check(may_come, "the attempt comes too soon");
            (self.attempted, self.retry_after) = (now, Duration::ZERO);
        }
        let answer = match self.rng.u32(0..12) {
            _ if self.calm.is_some() => return (Duration::ZERO, Answer::Stream),
            0 => Answer::Never,
            1 => Answer::NoConnection,
            2 if self.policy.tries_again_after(Cause::Status(StatusCode::SERVICE_UNAVAILABLE), true) => {
                Answer::Unavailable(self.rng.bool().then(|| self.rng.u64(0..=LONGEST_RETRY_AFTER)))
            }
            3 | 4 if hops < REDIRECTS => Answer::Redirect,
            _ => Answer::Stream,
        };
        self.tell(format_args!("{answer:?} for {id:?}"));
        (millis(&mut self.rng, &[0, 0, 100, 1_000, 90_000]), answer)
    }

    fn respond(&mut self, request: &http::Request<reqwest::Body>) -> http::Response<Body> {
        self.connected = self.life;
        if request.headers().contains_key(LAST_EVENT_ID) {
            self.note(Fact::Resumed);
        } else {
            self.came_in = Standing::After { life: self.life, number: self.newest() };
        }
        self.route.respond(request)
    }
}
