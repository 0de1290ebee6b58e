//! Writes event streams when hyper has written the head of their response. A few threads do it, each with its own
//! poller of sockets.
//!
//! hyper polls a body three times for each piece, and keeps a task and two buffers for each connection. Here a stream
//! is an entry in a slab, and an event takes one lock and one frame for all streams of a topic.

mod members;
#[cfg(test)]
mod pipe;
mod queue;
#[cfg(test)]
mod scenes;
mod seat;
mod shard;
#[cfg(test)]
mod simulation;
mod stream;
mod streams;
mod wire;

use std::future::pending;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use self::queue::Message;
use self::shard::{ShardQueue, Socket};
use self::stream::Adopted;
pub(crate) use self::stream::Returned;
use super::live::Live;
use super::open::Open;
use crate::subscribe::{Handed, Shutdown};

/// The threads that write the streams of one server. They end when this value is dropped.
#[derive(Debug)]
pub(crate) struct Reactor {
    threads: usize,
    write_deadline: Duration,
    shutdown: Shutdown,
    /// Empty until the first connection comes.
    running: OnceLock<Running>,
    next: AtomicUsize,
    live: Live,
    has_adopted: Notify,
    returns: UnboundedSender<Returned<std::net::TcpStream>>,
}

/// The threads after their start.
#[derive(Debug)]
struct Running {
    /// Empty if the system refuses to start threads.
    shards: Box<[ShardQueue]>,
    /// A task of the runtime in which the threads run.
    runtime: AbortHandle,
}

/// Stops the threads when the runtime drops it.
struct Stops(Box<[ShardQueue]>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.iter().for_each(|shard| shard.push(Message::Stop));
    }
}

/// Connections whose stream has ended, and on which another request may follow.
#[derive(Debug)]
pub(crate) struct Returns(UnboundedReceiver<Returned<std::net::TcpStream>>);

impl Reactor {
    /// A reactor of so many threads, whose streams are counted in `live`. With no threads, all streams stay under hyper.
    pub(crate) fn new(
        threads: usize,
        write_deadline: Duration,
        shutdown: Shutdown,
        live: Live,
    ) -> (Self, Returns) {
        // Its length is limited by the number of streams.
        let (returns, returned) = unbounded_channel();
        let reactor = Self {
            threads,
            write_deadline,
            shutdown,
            running: OnceLock::new(),
            next: AtomicUsize::new(0),
            live,
            has_adopted: Notify::new(),
            returns,
        };
        (reactor, Returns(returned))
    }

    /// Returns whether the reactor takes streams. Starts the threads at the first call.
    pub(crate) fn is_open(&self) -> bool {
        self.shards().iter().any(|shard| shard.is_open())
    }

    /// Takes over a stream whose response has begun on this connection, and writes it from now on. `ahead` is what the
    /// peer has sent after its request.
    pub(crate) fn adopt(&self, socket: TcpStream, handed: Handed, ahead: Vec<u8>, open: Open) {
        let shards = self.shards();
        // If tokio can't release the socket, or if there is no thread any more, the socket is closed.
        let Ok(socket) = socket.into_std() else { return };
        let socket = Socket::from_std(socket);
        let alive = open.stream();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let shard = (0..shards.len()).map(|number| &shards[(first + number) % shards.len()]);
        if let Some(shard) = shard.into_iter().find(|shard| shard.is_open()) {
            shard.leave(Message::Adopt(Box::new(Adopted { handed, ahead, alive, socket })));
        }
        if self.shutdown.has_begun() {
            self.start_adopted();
        } else {
            self.has_adopted.notify_one();
        }
    }

    /// Completes when streams have been adopted.
    pub(crate) async fn has_adopted(&self) {
        self.has_adopted.notified().await;
    }

    /// Lets the threads begin with the adopted streams. It costs each thread a change of context, so it is done for
    /// many streams at once.
    pub(crate) fn start_adopted(&self) {
        self.started().for_each(|shard| shard.interrupt());
    }

    /// Begins the shutdown of the server: the streams end after the messages that were published before.
    pub(crate) fn shut_down(&self) {
        self.tell(|| Message::ShutDown);
    }

    /// Cuts all streams.
    pub(crate) fn stop(&self) {
        self.tell(|| Message::Stop);
    }

    /// Completes when there is no stream.
    pub(crate) async fn none_left(&self) {
        self.live.none_left().await;
    }

    fn shards(&self) -> &[ShardQueue] {
        let Running { shards, .. } = self.running.get_or_init(|| {
            let start = |number| {
                shard::start(number, self.write_deadline, self.shutdown.clone(), self.returns.clone())
            };
            let shards: Box<[_]> = (0..self.threads).map_while(|number| start(number).ok()).collect();
            // Without its runtime, a thread has no timers. So it ends with the runtime, though the server may be held
            // longer.
            let stops = Stops(shards.clone());
            let task = tokio::spawn(async move {
                let _stops = stops;
                pending::<()>().await;
            });
            Running { shards, runtime: task.abort_handle() }
        });
        shards
    }

    fn tell(&self, message: impl Fn() -> Message<Adopted<Socket>>) {
        self.started().for_each(|shard| shard.push(message()));
    }

    fn started(&self) -> impl Iterator<Item = &ShardQueue> {
        self.running.get().into_iter().flat_map(|running| &running.shards)
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.stop();
        self.running.get().into_iter().for_each(|running| running.runtime.abort());
    }
}

impl Returns {
    /// Returns the next connection. A connection that tokio does not take is closed.
    pub(crate) async fn next(&mut self) -> Option<Returned<TcpStream>> {
        loop {
            let Returned { socket, ahead, open } = self.0.recv().await?;
            if let Ok(socket) = TcpStream::from_std(socket) {
                return Some(Returned { socket, ahead, open });
            }
        }
    }
}
