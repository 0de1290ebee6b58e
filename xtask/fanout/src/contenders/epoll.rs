//! The lower bound: one loop of epoll that writes the finished bytes to each socket, in one write for all events that are
//! published at once. Of HTTP it knows the end of a request only. It cuts a subscriber that lags too far.

use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::unix::pipe;
use mio::{Events, Interest, Poll, Token};

use super::commands::{self, Publish};
use crate::{Result, event};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// How many bytes may wait for a full socket.
const LIMIT: usize = 1024 * 1024;

const LISTENER: Token = Token(usize::MAX);
const COMMANDS: Token = Token(usize::MAX - 1);

pub(super) fn run() -> Result<()> {
    let mut server = Server {
        poll: Poll::new()?,
        listener: TcpListener::from_std(commands::listen()?),
        commands: pipe::Receiver::from(commands::stdin()?),
        connections: Vec::new(),
    };
    server.commands.set_nonblocking(true)?;
    let registry = server.poll.registry();
    registry.register(&mut server.listener, LISTENER, Interest::READABLE)?;
    registry.register(&mut server.commands, COMMANDS, Interest::READABLE)?;
    let mut ready = Events::with_capacity(1024);
    let mut lines = Vec::new();
    loop {
        server.poll.poll(&mut ready, None)?;
        for ready in &ready {
            match ready.token() {
                LISTENER => server.accept()?,
                COMMANDS => {
                    if !server.read_commands(&mut lines)? {
                        return Ok(());
                    }
                }
                Token(number) => server.serve(number),
            }
        }
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    commands: pipe::Receiver,
    /// The index of a connection is its token. `None` is a connection that was cut.
    connections: Vec<Option<Connection>>,
}

struct Connection {
    stream: TcpStream,
    subscribed: bool,
    /// The bytes that the socket has not accepted.
    waiting: Vec<u8>,
}

/// Whether a connection stays open.
type Open = bool;

impl Server {
    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let token = Token(self.connections.len());
            self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            self.connections.push(Some(Connection { stream, subscribed: false, waiting: Vec::new() }));
        }
    }

    /// Reads and executes the commands that have arrived. Returns whether more can come.
    fn read_commands(&mut self, lines: &mut Vec<u8>) -> Result<bool> {
        let open = match self.commands.read_to_end(lines) {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => return Err(error.into()),
        };
        let end = memchr::memrchr(b'\n', lines).map_or(0, |end| end + 1);
        for line in str::from_utf8(&lines[..end])?.lines() {
            self.publish(Publish::parse(line)?);
        }
        lines.drain(..end);
        Ok(open)
    }

    fn publish(&mut self, publish: Publish) {
        let mut bytes = Vec::new();
        for _ in 0..publish.count {
            let event = format!("data: {}\n\n", event::text(publish.payload));
            write!(bytes, "{:X}\r\n{event}\r\n", event.len()).expect("memory takes all");
        }
        for place in &mut self.connections {
            place.take_if(|connection| connection.subscribed && !connection.send(&bytes));
        }
    }

    fn serve(&mut self, number: usize) {
        self.connections[number].take_if(|connection| !connection.serve());
    }
}

impl Connection {
    /// Reads or writes, as the connection is ready for.
    fn serve(&mut self) -> Open {
        let mut request = [0; 1024];
        loop {
            match self.stream.read(&mut request) {
                Ok(0) => return false,
                // The load generator sends the request in one piece, and nothing else.
                Ok(_) if !self.subscribed => {
                    self.subscribed = true;
                    if !self.send(HEAD) {
                        return false;
                    }
                }
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock && self.send_waiting(),
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Open {
        if !self.waiting.is_empty() {
            self.waiting.extend_from_slice(bytes);
            return self.waiting.len() <= LIMIT;
        }
        let Some(sent) = self.write(bytes) else { return false };
        self.waiting.extend_from_slice(&bytes[sent..]);
        true
    }

    fn send_waiting(&mut self) -> Open {
        if self.waiting.is_empty() {
            return true;
        }
        let waiting = std::mem::take(&mut self.waiting);
        let sent = self.write(&waiting);
        self.waiting.extend_from_slice(&waiting[sent.unwrap_or_default()..]);
        sent.is_some()
    }

    /// How many of the bytes the socket has accepted; `None` if the connection is broken.
    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(more) => sent += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        Some(sent)
    }
}
