//! The browser's process: started with pipes for the protocol, and gone when dropped.

use crate::Error;
use crate::devtools::{DevTools, Ended, Failure};
use serde_json::{Value, json};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How long any command may take that names no other time.
pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the first answer may take: a first start fills caches, on a busy machine with other browsers beside it.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the browser's other processes may outlive the first one.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of the standard error is kept, in bytes: some lines of Chromium's are 300 bytes long.
const STDERR_KEPT: usize = 4096;

/// Moves the protocol's pipes from standard input and output to fd 3, which Chromium reads, and fd 4, which it writes.
///
/// Without unsafe code, std can hand over fd 0 to 2 only.
const MOVE_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

const FLAGS: &[&str] = &[
    "--remote-debugging-pipe",
    "--headless",
    // The sandbox needs a user other than root or namespaces, and the pages are the tests' own.
    "--no-sandbox",
    "--disable-gpu",
    // Containers often have a /dev/shm of 64 MB, which kills pages.
    "--disable-dev-shm-usage",
    // Nothing but what the tests ask for goes over the network.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    // Names that are nobody's are this machine's, as a name that a proxy is reached by.
    "--host-resolver-rules=MAP *.example 127.0.0.1",
    // Nothing is asked of a user.
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
    "--use-mock-keychain",
    // A page whose window isn't in front must still run its timers in time.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
];

/// A running browser.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) devtools: DevTools,
    stderr: Arc<Stderr>,
    child: Child,
    // Dropped, and by that removed, when `drop` has seen the processes end.
    _profile: TempDir,
}

impl Process {
    /// Starts the program and returns it when it answers.
    pub(crate) fn start(program: &Path) -> Result<Self, Error> {
        let process =
            Self::spawn(program).map_err(|source| Error::Start { program: program.to_owned(), source })?;
        process.call(None, "Browser.getVersion", &json!({}), START_TIMEOUT)?;
        Ok(process)
    }

    fn spawn(program: &Path) -> io::Result<Self> {
        let profile = tempfile::Builder::new().prefix("browser-tests-").tempdir()?;
        let mut child = Command::new("sh")
            .args(["-c", MOVE_PIPES])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(commands), Some(answers), Some(words)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three were piped above");
        };
        let stderr = Arc::new(Stderr::default());
        let kept = Arc::clone(&stderr);
        thread::spawn(move || kept.read_all(words));
        Ok(Self { devtools: DevTools::new(commands, answers), stderr, child, _profile: profile })
    }

    /// Sends a command and returns its result.
    pub(crate) fn call(
        &self,
        session: Option<&str>,
        command: &'static str,
        params: &Value,
        timeout: Duration,
    ) -> Result<Value, Error> {
        self.devtools.call(session, command, params, timeout).map_err(|failure| match failure {
            Failure::Ended => self.ended(Ended),
            Failure::Timeout => Error::Timeout { waited_for: command.to_owned(), timeout, obstacle: None },
            Failure::Refused { reason } => Error::Refused { command, reason },
        })
    }

    /// Returns the error that says what the browser said last.
    pub(crate) fn ended(&self, _: Ended) -> Error {
        Error::Ended { stderr: self.stderr.to_end(END_TIMEOUT) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only if the process has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The other processes hold the same standard error: at its end, no one writes into the profile any more.
        self.stderr.to_end(END_TIMEOUT);
    }
}

/// The end of what the browser and its processes wrote to their standard error.
#[derive(Debug, Default)]
struct Stderr {
    kept: Mutex<Kept>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stderr {
    fn read_all(&self, mut words: impl Read) {
        let mut buffer = [0; STDERR_KEPT];
        while let Ok(length @ 1..) = words.read(&mut buffer) {
            let bytes = &mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes;
            bytes.extend_from_slice(&buffer[..length]);
            bytes.drain(..bytes.len().saturating_sub(STDERR_KEPT));
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.ended.notify_all();
    }

    /// Returns what is kept when the last process has closed it, or at the latest after the timeout.
    fn to_end(&self, timeout: Duration) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.ended.wait_timeout_while(kept, timeout, |kept| !kept.ended);
        let (kept, _) = result.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.bytes).trim_end().to_owned()
    }
}
