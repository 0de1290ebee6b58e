//! The signals of the hub: to end, to end at once, or to read its files again.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::signals::{HANGUP, Signals};

/// The signals that come while the hub runs.
#[derive(Debug)]
pub(crate) struct Control {
    /// The first SIGTERM or SIGINT, or the end of the terminal that the hub was started from.
    pub(crate) end: oneshot::Receiver<()>,
    /// SIGHUP.
    pub(crate) reload: Arc<Notify>,
    /// The number of the signal that came after the end had begun.
    pub(crate) end_at_once: JoinHandle<u8>,
}

impl Control {
    /// Begins to listen for signals.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let signals = Signals::listen()?;
        let reload = Arc::new(Notify::new());
        let (begin, end) = oneshot::channel();
        let end_at_once = tokio::spawn(follow(signals, terminals(), begin, reload.clone()));
        Ok(Self { end, reload, end_at_once })
    }
}

async fn follow(
    mut signals: Signals,
    terminals_at_start: [bool; 3],
    begin: oneshot::Sender<()>,
    reload: Arc<Notify>,
) -> u8 {
    loop {
        let signal = signals.received().await;
        // The end of a terminal sends SIGHUP, too. Under `nohup`, and for a service, there is no terminal.
        if signal == HANGUP && terminals_at_start == terminals() {
            reload.notify_one();
        } else {
            break;
        }
    }
    let _ = begin.send(());
    loop {
        let signal = signals.received().await;
        // Both the system and the shell may send SIGHUP when a terminal is closed.
        if signal != HANGUP {
            return signal;
        }
    }
}

/// Which of the standard streams are a terminal. A closed one is not.
fn terminals() -> [bool; 3] {
    [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()]
}
