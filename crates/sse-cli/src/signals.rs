//! The signals by which a program is asked to end.

use std::io;

use crate::failure::Failure;

/// Listens for SIGINT (Ctrl-C), SIGTERM and SIGHUP.
#[derive(Debug)]
pub(crate) struct Signals(Inner);

impl Signals {
    /// Begins to listen, within a tokio runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Inner::listen()
            .map(Self)
            .map_err(|error| Failure::failed(format!("signals can't be listened for: {error}")))
    }

    /// The number of the signal that came.
    pub(crate) async fn received(mut self) -> u8 {
        self.0.next().await
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Inner {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Inner {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
struct Inner;

#[cfg(not(unix))]
impl Inner {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        let _ = tokio::signal::ctrl_c().await;
        2
    }
}
