//! The `DevTools` protocol over a pair of pipes: JSON messages that end in NUL.
//!
//! One thread writes, so that a browser which doesn't read can't block a test. One thread reads, and sorts the messages
//! into the state under the lock. Callers wait until that state changes.

use crate::record::Record;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A connection to a browser.
#[derive(Debug)]
pub(crate) struct DevTools {
    outgoing: Sender<Vec<u8>>,
    shared: Arc<Shared>,
}

/// Why a command has no result. [`Error`](crate::Error) adds the details.
#[derive(Debug)]
pub(crate) enum Failure {
    Ended,
    Timeout,
    Refused { reason: String },
}

/// The browser has closed its pipe, so no more messages will come.
#[derive(Debug)]
pub(crate) struct Ended;

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    /// One entry for each command that is waited for; `None` until its reply comes.
    replies: HashMap<u64, Option<Value>>,
    /// By session.
    records: HashMap<String, Record>,
    ended: bool,
}

impl DevTools {
    /// Returns a connection that writes to `commands`, and reads replies and events from `answers`.
    pub(crate) fn new(commands: impl Write + Send + 'static, answers: impl Read + Send + 'static) -> Self {
        let (outgoing, queue) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let sorted = Arc::clone(&shared);
        thread::spawn(move || write_all(commands, &queue));
        thread::spawn(move || sorted.read_all(answers));
        Self { outgoing, shared }
    }

    /// Sends a command, to a page's session or to the browser itself, and returns its result.
    pub(crate) fn call(
        &self,
        session: Option<&str>,
        command: &str,
        params: &Value,
        timeout: Duration,
    ) -> Result<Value, Failure> {
        let id = self.shared.expect_reply();
        let mut message = json!({ "id": id, "method": command, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        // If the writer has ended, the browser has ended, and the reader reports it.
        let _ = self.outgoing.send(bytes);
        let reply = self.shared.wait(timeout, |state| state.replies.get_mut(&id)?.take());
        self.shared.lock().replies.remove(&id);
        result(reply)
    }

    /// Begins to record the events of a session.
    pub(crate) fn record(&self, session: &str) {
        self.shared.lock().records.insert(session.to_owned(), Record::default());
    }

    /// Drops the record of a session.
    pub(crate) fn forget(&self, session: &str) {
        self.shared.lock().records.remove(session);
    }

    /// Returns the result of `look` for the session's record as it is now.
    pub(crate) fn look<T: Default>(&self, session: &str, look: impl FnOnce(&mut Record) -> T) -> T {
        self.shared.lock().records.get_mut(session).map_or_else(T::default, look)
    }

    /// Returns the result of `look` as soon as it is not `None`. Returns `None` after the timeout.
    pub(crate) fn wait<T>(
        &self,
        session: &str,
        timeout: Duration,
        mut look: impl FnMut(&mut Record) -> Option<T>,
    ) -> Result<Option<T>, Ended> {
        self.shared.wait(timeout, |state| look(state.records.get_mut(session)?))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect_reply(&self) -> u64 {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.replies.insert(id, None);
        id
    }

    fn wait<T>(
        &self,
        timeout: Duration,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<Option<T>, Ended> {
        let mut found = None;
        let waiting = |state: &mut State| {
            found = ready(state);
            found.is_none() && !state.ended
        };
        let result = self.changed.wait_timeout_while(self.lock(), timeout, waiting);
        let (state, _) = result.unwrap_or_else(PoisonError::into_inner);
        if found.is_none() && state.ended { Err(Ended) } else { Ok(found) }
    }

    fn read_all(&self, answers: impl Read) {
        for message in BufReader::new(answers).split(0) {
            let Ok(message) = message else { break };
            let message =
                serde_json::from_slice(&message).unwrap_or_else(|error| unreadable(&message, &error));
            self.lock().apply(message);
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl State {
    fn apply(&mut self, mut message: Value) {
        if let Some(id) = message["id"].as_u64() {
            // A reply to a command that was given up has no entry any more.
            if let Some(reply) = self.replies.get_mut(&id) {
                *reply = Some(message);
            }
            return;
        }
        let params = message.get_mut("params").map(Value::take).unwrap_or_default();
        let (Some(session), Some(event)) = (message["sessionId"].as_str(), message["method"].as_str()) else {
            return;
        };
        if let Some(record) = self.records.get_mut(session) {
            record.apply(event, params);
        }
    }
}

fn write_all(mut commands: impl Write, queue: &Receiver<Vec<u8>>) {
    for message in queue {
        if commands.write_all(&message).and_then(|()| commands.flush()).is_err() {
            return;
        }
    }
}

/// Returns a reply in place of one that Rust can't read as JSON, because a JavaScript string may hold half a surrogate
/// pair.
///
/// Chromium begins each reply with its id. An event has no id, and is left out.
fn unreadable(message: &[u8], error: &serde_json::Error) -> Value {
    let digits = message.strip_prefix(br#"{"id":"#).unwrap_or_default().split(|byte| *byte == b',').next();
    let id = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse::<u64>().ok());
    json!({ "id": id, "error": { "message": format!("its reply can't be read: {error}") } })
}

fn result(reply: Result<Option<Value>, Ended>) -> Result<Value, Failure> {
    match reply {
        Err(Ended) => Err(Failure::Ended),
        Ok(None) => Err(Failure::Timeout),
        Ok(Some(mut reply)) => match reply["error"]["message"].as_str() {
            Some(reason) => Err(Failure::Refused { reason: reason.to_owned() }),
            None => Ok(reply["result"].take()),
        },
    }
}
