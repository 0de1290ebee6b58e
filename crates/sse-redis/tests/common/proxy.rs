//! A proxy between the log and Redis, with one fault at one byte.

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Redis, host, until};

/// A fault that happens after `at` bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub direction: Direction,
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The connection is closed.
    Cut,
    /// The following bytes are held until [`Proxy::release`].
    Hold,
    /// Redis gets the whole request twice more on another connection. Then this connection is closed.
    Repeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Request,
    Answer,
}

/// The proxy. After [`arm`](Self::arm), it counts the bytes of all connections together.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: (&'static str, u16),
    state: Mutex<State>,
    /// How often [`Proxy::release`] was called.
    released: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// The bytes of requests, and how many bytes to expect.
    requests: Vec<u8>,
    whole: usize,
    answers: usize,
    connections: usize,
}

impl Proxy {
    pub async fn start(redis: &Redis) -> Self {
        let listener = TcpListener::bind((host(), 0)).await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            server: (host(), redis.port),
            state: Mutex::default(),
            released: watch::channel(0).0,
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(client));
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("redis://{}:{}/", host(), self.port)
    }

    /// Starts to count bytes. `whole` is the length of the requests that are repeated.
    pub fn arm(&self, fault: impl Into<Option<Fault>>, whole: usize) {
        let mut state = self.shared.state.lock().unwrap();
        let connections = state.connections;
        *state = State { fault: fault.into(), whole, connections, ..State::default() };
    }

    /// Returns how many bytes of requests and of responses have passed.
    pub fn passed(&self) -> (usize, usize) {
        let state = self.shared.state.lock().unwrap();
        (state.requests.len(), state.answers)
    }

    /// Returns whether the fault has happened.
    pub fn is_done(&self) -> bool {
        self.shared.state.lock().unwrap().fault.is_none()
    }

    /// Passes on the bytes that were held.
    pub fn release(&self) {
        self.shared.released.send_modify(|times| *times += 1);
    }

    /// Waits until only this number of connections is left. Redis has then read all requests of the others.
    pub async fn settle(&self, connections: usize) {
        until("the other connections end", || self.shared.state.lock().unwrap().connections <= connections)
            .await;
    }
}

/// How to handle bytes that have come.
enum Next {
    Pass,
    Fault(Kind, usize),
}

impl Shared {
    async fn serve(self: Arc<Self>, client: TcpStream) {
        // Redis may not run.
        let Ok(server) = TcpStream::connect(self.server).await else { return };
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("the socket is connected");
        }
        self.state.lock().unwrap().connections += 1;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let (cut, mut is_cut) = watch::channel(());
        let requests = self.pump(Direction::Request, from_client, to_server, &cut);
        let answers = self.pump(Direction::Answer, from_server, to_client, &cut);
        tokio::select! {
            _ = async { tokio::join!(requests, answers) } => {}
            _ = is_cut.changed() => {}
        }
        self.state.lock().unwrap().connections -= 1;
    }

    /// Passes bytes on, up to the end. If the receiver has closed its end, the rest is read all the same, so that Redis
    /// executes all requests.
    async fn pump(
        &self,
        direction: Direction,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        cut: &watch::Sender<()>,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = &buffer[..length];
            let (kind, passing) = match self.next(direction, bytes) {
                Next::Pass => {
                    let _ = to.write_all(bytes).await;
                    continue;
                }
                Next::Fault(kind, passing) => (kind, passing),
            };
            let (passing, rest) = bytes.split_at(passing);
            let _ = to.write_all(passing).await;
            match kind {
                Kind::Hold => {
                    let mut released = self.released.subscribe();
                    released.changed().await.expect("the proxy exists");
                    let _ = to.write_all(rest).await;
                    continue;
                }
                Kind::Repeat => {
                    if direction == Direction::Request {
                        self.read_on(&mut from).await.expect("the whole request comes");
                    }
                    self.repeat().await.expect("Redis runs");
                }
                Kind::Cut => {}
            }
            cut.send_replace(());
            pending::<()>().await;
        }
        let _ = to.shutdown().await;
    }

    fn next(&self, direction: Direction, bytes: &[u8]) -> Next {
        let mut state = self.state.lock().unwrap();
        let passed = match direction {
            Direction::Request => state.requests.len(),
            Direction::Answer => state.answers,
        };
        match direction {
            Direction::Request => state.requests.extend_from_slice(bytes),
            Direction::Answer => state.answers += bytes.len(),
        }
        let is_here = |fault: &mut Fault| fault.direction == direction && fault.at <= passed + bytes.len();
        match state.fault.take_if(is_here) {
            Some(Fault { kind, at, .. }) => Next::Fault(kind, at - passed),
            None => Next::Pass,
        }
    }

    /// Reads a request to its end.
    async fn read_on(&self, from: &mut OwnedReadHalf) -> io::Result<()> {
        loop {
            let mut rest = {
                let state = self.state.lock().unwrap();
                vec![0; state.whole - state.requests.len()]
            };
            if rest.is_empty() {
                return Ok(());
            }
            let length = from.read(&mut rest).await?;
            self.state.lock().unwrap().requests.extend_from_slice(&rest[..length]);
        }
    }

    async fn repeat(&self) -> io::Result<()> {
        let requests = self.state.lock().unwrap().requests.clone();
        let mut other = TcpStream::connect(self.server).await?;
        other.write_all(&requests).await?;
        other.write_all(&requests).await?;
        other.shutdown().await?;
        other.read_to_end(&mut Vec::new()).await.map(drop)
    }
}
