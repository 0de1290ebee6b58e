//! The browser's process. It starts with pipes for the protocol, and ends when it is dropped.

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

/// How long a command may take if it sets no other time.
pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_secs(90);

/// How long the first answer may take. A first start fills caches, on a busy machine and beside other browsers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the browser's other processes may live longer than the first one.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes of the standard error are kept. Some lines of Chromium have 300 bytes.
const STDERR_KEPT: usize = 4096;

/// Moves the protocol's pipes from standard input and output to fd 3, which Chromium reads, and fd 4, which it writes.
///
/// Without unsafe code, std can pass on only fd 0 to 2.
const MOVE_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

const FLAGS: &[&str] = &[
    "--remote-debugging-pipe",
    "--headless",
    // The sandbox needs a user other than root, or namespaces, and the pages are the tests' own.
    "--no-sandbox",
    "--disable-gpu",
    // Containers often have a /dev/shm of 64 MB, which kills pages.
    "--disable-dev-shm-usage",
    // Nothing goes over the network except what the tests ask for.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    // Names in `.example` lead to this machine: the tests of proxies use such names.
    "--host-resolver-rules=MAP *.example 127.0.0.1",
    // The browser asks its user nothing.
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
    "--use-mock-keychain",
    // A page whose window isn't in front must run its timers in time, too.
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
    // Dropped, and so removed, after `drop` has seen the processes end.
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

    /// Returns an error with the last output of the browser.
    pub(crate) fn ended(&self, _: Ended) -> Error {
        Error::Ended { stderr: self.stderr.to_end(END_TIMEOUT) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // These calls fail only if the process has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The other processes have the same standard error. At its end, no process writes into the profile any more.
        self.stderr.to_end(END_TIMEOUT);
    }
}

/// The last part of what the browser and its processes wrote to their standard error.
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

    /// Returns the kept part when the last process has closed the standard error, or at the latest after the timeout.
    fn to_end(&self, timeout: Duration) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.ended.wait_timeout_while(kept, timeout, |kept| !kept.ended);
        let (kept, _) = result.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.bytes).trim_end().to_owned()
    }
}
