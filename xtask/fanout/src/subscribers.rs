//! The load generator: all subscribers in one loop of epoll, each a bare socket.
//!
//! It must cost less than the servers. So it counts events by their marks, parses the head of the response only, and reads
//! all sockets into one buffer.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use crate::{Result, event, system};

/// How many connections are made at a time: fewer than the backlog of any server.
const CONNECTING: usize = 64;

/// The time without a byte after which the measurement fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// The number of subscribers whose latencies are measured.
const SAMPLED: usize = 100;

/// The subscribers of one server.
pub(crate) struct Subscribers {
    poll: Poll,
    ready: Events,
    all: Vec<Subscriber>,
    buffer: Vec<u8>,
    request: String,
    /// How many events each reading subscriber must have got.
    published: usize,
    /// How many events all reading subscribers together have got.
    delivered: usize,
    /// The times from publish to receipt, in nanoseconds.
    latencies: Vec<u64>,
}

struct Subscriber {
    stream: TcpStream,
    state: State,
    sampled: bool,
    /// How many events it has got.
    events: usize,
}

enum State {
    Connecting,
    /// The part of the response head that has come.
    Head(Vec<u8>),
    Events,
    /// It does not read.
    Stopped,
}

/// Whether all events came, or none came for too long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Done,
    Stalled,
}

impl Subscribers {
    /// Connects `count` subscribers of one path, and returns when all have got the head of the response.
    pub(crate) fn connect(port: u16, path: &str, count: usize) -> Result<Self> {
        let mut subscribers = Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(1024),
            all: Vec::with_capacity(count),
            buffer: vec![0; 256 * 1024],
            request: format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"),
            published: 0,
            delivered: 0,
            latencies: Vec::new(),
        };
        let sampled = count.div_ceil(SAMPLED);
        let mut last = Instant::now();
        let mut connected = 0;
        while connected < count {
            while subscribers.all.len() < count.min(connected + CONNECTING) {
                subscribers.add(port, subscribers.all.len().is_multiple_of(sampled))?;
            }
            let more = subscribers.turn(PATIENCE)?.connected;
            connected += more;
            if more > 0 {
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                return Err(format!("only {connected} subscribers got a response").into());
            }
        }
        Ok(subscribers)
    }

    fn add(&mut self, port: u16, sampled: bool) -> Result<()> {
        // One address has 28,000 ports for connections to one server, which is enough for all.
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        // The connection is reset when it is closed, so that its port is free in the next round.
        setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
        let token = Token(self.all.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.all.push(Subscriber { stream, state: State::Connecting, sampled, events: 0 });
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Expects this many more events.
    pub(crate) fn expect(&mut self, events: usize) {
        self.published += events;
    }

    /// Reads until every subscriber has got all events, except one that is stopped.
    ///
    /// # Errors
    ///
    /// If the server ends a stream.
    pub(crate) fn receive(&mut self) -> Result<Wait> {
        let readers =
            self.all.iter().filter(|subscriber| !matches!(subscriber.state, State::Stopped)).count();
        let mut last = Instant::now();
        while self.delivered < self.published * readers {
            if self.turn(PATIENCE)?.events > 0 {
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                return Ok(Wait::Stalled);
            }
        }
        Ok(Wait::Done)
    }

    /// Reads until this time.
    pub(crate) fn receive_until(&mut self, then: Instant) -> Result<()> {
        while let Some(left) = then.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.turn(left)?;
        }
        Ok(())
    }

    /// Checks that every subscriber that reads has got every event, once.
    pub(crate) fn check(&self) -> Result<()> {
        let readers = self.all.iter().filter(|subscriber| !matches!(subscriber.state, State::Stopped));
        let wrong: Vec<_> = readers.filter(|subscriber| subscriber.events != self.published).collect();
        let Some(first) = wrong.first() else { return Ok(()) };
        let [count, events, published] = [wrong.len(), first.events, self.published];
        Err(format!("{count} subscribers did not get each event once: {events} instead of {published}")
            .into())
    }

    /// The error for missing events.
    pub(crate) fn lost(&self) -> Box<dyn Error> {
        let lacking = self.check().err();
        lacking.unwrap_or_else(|| "events are missing".into())
    }

    /// The latencies of the events since this was called last, sorted, in nanoseconds.
    pub(crate) fn take_latencies(&mut self) -> Vec<u64> {
        let mut latencies = std::mem::take(&mut self.latencies);
        latencies.sort_unstable();
        latencies
    }

    /// Forgets the latencies of the events so far, which were not published to be timed.
    pub(crate) fn forget_latencies(&mut self) {
        self.latencies.clear();
    }

    /// Stops the first subscriber from reading.
    pub(crate) fn stop_one(&mut self) {
        let subscriber = &mut self.all[0];
        subscriber.state = State::Stopped;
        self.delivered -= subscriber.events;
    }

    /// Reads the socket of the stopped subscriber until nothing more comes. Returns its events and bytes since the stop,
    /// and whether its stream has ended.
    pub(crate) fn read_on(&mut self) -> Result<(usize, Vec<u8>, bool)> {
        const QUIET: Duration = Duration::from_secs(1);

        let stream = &mut self.all[0].stream;
        let mut bytes = Vec::new();
        let mut last = Instant::now();
        let mut cut = false;
        while !cut && last.elapsed() < QUIET {
            match stream.read(&mut self.buffer) {
                Ok(0) => cut = true,
                Ok(length) => {
                    bytes.extend_from_slice(&self.buffer[..length]);
                    last = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => cut = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((event::count(&bytes), bytes, cut))
    }

    /// Waits for sockets that are ready, and serves each once.
    fn turn(&mut self, timeout: Duration) -> Result<Progress> {
        match self.poll.poll(&mut self.ready, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let mut progress = Progress::default();
        for ready in &self.ready {
            let subscriber = &mut self.all[ready.token().0];
            if ready.is_writable() && matches!(subscriber.state, State::Connecting) {
                subscriber.send(&self.request)?;
            }
            if ready.is_readable() {
                subscriber.read(&mut self.buffer, &mut self.latencies, &mut progress)?;
            }
        }
        self.delivered += progress.events;
        Ok(progress)
    }
}

/// The result of one turn of the loop.
#[derive(Default)]
struct Progress {
    connected: usize,
    events: usize,
}

impl Subscriber {
    fn send(&mut self, request: &str) -> Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        self.stream.write_all(request.as_bytes())?;
        self.state = State::Head(Vec::new());
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], latencies: &mut Vec<u64>, progress: &mut Progress) -> Result<()> {
        loop {
            if matches!(self.state, State::Stopped | State::Connecting) {
                return Ok(());
            }
            match self.stream.read(buffer) {
                Ok(0) => return Err("the server ended a stream".into()),
                Ok(length) => {
                    self.take(&buffer[..length], latencies, progress)?;
                    // A read that fills less than the buffer has emptied the socket. The next byte wakes the loop again.
                    if length < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], latencies: &mut Vec<u64>, progress: &mut Progress) -> Result<()> {
        if let State::Head(head) = &mut self.state {
            head.extend_from_slice(bytes);
            if memchr::memmem::find(head, b"\r\n\r\n").is_some() {
                check_head(head)?;
                self.state = State::Events;
                progress.connected += 1;
            }
            // No event is published before all subscribers have got their heads.
            return Ok(());
        }
        let events = event::count(bytes);
        self.events += events;
        progress.events += events;
        if self.sampled && events > 0 {
            let now = system::now();
            latencies.extend(event::times(bytes).map(|published| now.saturating_sub(published)));
        }
        Ok(())
    }
}

fn check_head(head: &[u8]) -> Result<()> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if head.starts_with("http/1.1 200 ") && head.contains("\r\ncontent-type: text/event-stream") {
        return Ok(());
    }
    Err(format!("this is no event stream:\n{head}").into())
}
