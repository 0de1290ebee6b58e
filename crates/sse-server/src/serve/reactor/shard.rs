//! One thread: its poller, and the streams whose sockets it polls.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use super::queue::{Message, Queue};
use super::stream::{Adopted, Returned};
use super::streams::Streams;
use crate::subscribe::Shutdown;

pub(crate) type Socket = mio::net::TcpStream;
pub(crate) type ShardQueue = Arc<Queue<Adopted<Socket>>>;

/// The token of the queue. The token of a socket is the key of its stream.
const QUEUE: Token = Token(usize::MAX);

/// Closes a queue when the thread that reads it ends, also by a panic.
struct Closes(ShardQueue);

impl Drop for Closes {
    fn drop(&mut self) {
        for message in self.0.close() {
            if let Message::Adopt(adopted) = message {
                adopted.close();
            }
        }
    }
}

struct Shard {
    poll: Poll,
    queue: ShardQueue,
    streams: Streams<Socket>,
    returns: UnboundedSender<Returned<std::net::TcpStream>>,
}

/// Starts a thread in the runtime of the caller, because timers and logs need a runtime. Returns the queue of the
/// thread.
pub(crate) fn start(
    number: usize,
    write_deadline: Duration,
    shutdown: Shutdown,
    returns: UnboundedSender<Returned<std::net::TcpStream>>,
) -> io::Result<ShardQueue> {
    let poll = Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), QUEUE)?;
    let queue = Queue::new(move || {
        // This fails only if the thread's poller was dropped, and then nobody reads the queue.
        let _ = waker.wake();
    });
    let streams = Streams::new(queue.clone(), write_deadline, shutdown);
    let shard = Shard { poll, queue: queue.clone(), streams, returns };
    let runtime = Handle::current();
    thread::Builder::new().name(format!("sse-reactor-{number}")).spawn(move || {
        let _entered = runtime.enter();
        let closes = Closes(shard.queue.clone());
        shard.run();
        drop(closes);
    })?;
    Ok(queue)
}

/// Whether the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    GoOn,
    Stop,
}

impl Shard {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        loop {
            let timeout = if self.streams.has_turns() || !self.queue.may_wait() {
                Some(Duration::ZERO)
            } else {
                self.streams
                    .next_deadline()
                    .map(|deadline| deadline.saturating_duration_since(Instant::now()))
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return,
                _ => {}
            }
            let now = Instant::now();
            for event in &events {
                self.sockets_turn(event, now);
            }
            if self.read_queue(now) == Told::Stop {
                return;
            }
            self.streams.cut(now);
            self.streams.run(now);
            self.poll_for_room();
            self.give_back();
        }
    }

    fn sockets_turn(&mut self, event: &mio::event::Event, now: Instant) {
        if event.token() == QUEUE {
            return;
        }
        let key = event.token().0;
        // Also if the socket reports an error.
        if event.is_readable() || event.is_error() {
            self.streams.readable(key);
        }
        if event.is_read_closed() {
            self.streams.closed(key);
        } else if event.is_writable() {
            self.streams.writable(key, now);
        }
    }

    fn read_queue(&mut self, now: Instant) -> Told {
        for message in self.queue.take() {
            match message {
                Message::Turn(turn) => self.streams.push(turn),
                Message::Adopt(adopted) => self.adopt(*adopted, now),
                Message::ShutDown => self.streams.shut_down(),
                Message::Stop => return Told::Stop,
            }
        }
        Told::GoOn
    }

    fn adopt(&mut self, mut adopted: Adopted<Socket>, now: Instant) {
        let token = Token(self.streams.next_key());
        // A socket that the poller does not take is closed.
        match self.poll.registry().register(&mut adopted.socket, token, Interest::READABLE) {
            Ok(()) => self.streams.adopt(adopted, now),
            Err(_) => adopted.close(),
        }
    }

    fn poll_for_room(&mut self) {
        let (registry, mut broken) = (self.poll.registry(), Vec::new());
        self.streams.poll_for_room(|key, socket| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.reregister(socket, Token(key), interest).is_err() {
                broken.push(key);
            }
        });
        // The poller can't watch this socket, so nobody would tell when it takes more.
        for key in broken {
            self.streams.closed(key);
        }
    }

    fn give_back(&mut self) {
        for Returned { mut socket, ahead, open } in self.streams.returned() {
            if self.poll.registry().deregister(&mut socket).is_ok() {
                // If the server has ended, the connection is closed here.
                let _ = self.returns.send(Returned { socket: socket.into(), ahead, open });
            }
        }
    }
}
