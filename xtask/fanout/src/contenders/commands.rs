//! The commands on the standard input of a server: lines of the form `publish COUNT PAYLOAD`.

use std::future::Future;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;

use crate::Result;

/// A command: publish `count` events at once, each with `payload` bytes of data.
#[derive(Clone, Copy)]
pub(crate) struct Publish {
    pub(crate) count: usize,
    pub(crate) payload: usize,
}

impl Publish {
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["publish", count, payload] = words[..] else {
            return Err(format!("there is no command `{line}`").into());
        };
        Ok(Self { count: count.parse()?, payload: payload.parse()? })
    }
}

/// Reads the commands on the event loop of the server itself, so that no thread has to wake another.
pub(crate) struct Commands(Lines<BufReader<pipe::Receiver>>);

impl Commands {
    pub(crate) fn from_stdin() -> Result<Self> {
        Ok(Self(BufReader::new(pipe::Receiver::from_owned_fd(stdin()?)?).lines()))
    }

    /// The next command, or `None` when there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Publish>> {
        let line = self.0.next_line().await?;
        line.as_deref().map(Publish::parse).transpose()
    }
}

/// The pipe to standard input.
pub(crate) fn stdin() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

/// A listener that prints its port on standard output. It accepts without blocking, as event loops need.
pub(crate) fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?.port())?;
    stdout.flush()?;
    Ok(listener)
}

/// Runs a server on tokio's loop of one thread.
pub(crate) fn block_on(server: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(server)
}
