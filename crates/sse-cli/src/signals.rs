//! The signals by which a program is asked to end.

use std::time::Duration;
use std::{io, process, thread};

use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::runtime;

/// The number of SIGHUP.
pub(crate) const HANGUP: u8 = 1;

/// Listens for SIGINT (Ctrl-C), SIGTERM and SIGHUP. On Windows, Ctrl-C is SIGINT. Ctrl-Break and the end of the
/// console, the session or the system are SIGTERM.
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
    pub(crate) async fn received(&mut self) -> u8 {
        self.0.next().await
    }
}

/// Returns a receiver of the signal's number. If the program is still running this long after the signal, it is ended:
/// it may wait for a reader that does not read its output.
pub(crate) fn watch(grace: Duration) -> Result<oneshot::Receiver<u8>, Failure> {
    let runtime = runtime::of_one_thread()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let (sender, receiver) = oneshot::channel();
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let signal = runtime.block_on(signals.received());
        let _ = sender.send(signal);
        thread::sleep(grace);
        process::exit(128 + i32::from(signal));
    });
    thread.map_err(|error| Failure::failed(format!("the system gives no thread: {error}")))?;
    Ok(receiver)
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
            _ = self.hangup.recv() => HANGUP,
        }
    }
}

#[cfg(windows)]
#[derive(Debug)]
struct Inner {
    interrupt: tokio::signal::windows::CtrlC,
    r#break: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    logoff: tokio::signal::windows::CtrlLogoff,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Inner {
    fn listen() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

        Ok(Self {
            interrupt: ctrl_c()?,
            r#break: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.r#break.recv() => 15,
            _ = self.close.recv() => 15,
            _ = self.logoff.recv() => 15,
            _ = self.shutdown.recv() => 15,
        }
    }
}
