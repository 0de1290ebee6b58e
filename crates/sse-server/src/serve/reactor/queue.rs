//! Messages to a shard from other threads: turns of its streams, new streams, and its end.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::sync::Mutex;

/// The stream or group that gets the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The stream with this key.
    Stream(usize),
    /// The group with this key.
    Group(usize),
}

/// A message to a shard.
#[derive(Debug)]
pub(crate) enum Message<S> {
    Turn(Turn),
    Adopt(Box<S>),
    /// The server shuts down: the streams end after the messages that were published before.
    ShutDown,
    /// All streams are cut.
    Stop,
}

/// The messages that a shard has not read.
pub(crate) struct Queue<S> {
    /// `None` when the shard has ended.
    messages: Mutex<Option<Vec<Message<S>>>>,
    /// Whether the shard waits for its sockets, or is about to wait.
    is_waiting: AtomicBool,
    /// Interrupts the wait.
    interrupt: Box<dyn Fn() + Send + Sync>,
}

impl<S> Queue<S> {
    pub(crate) fn new(interrupt: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            messages: Mutex::new(Some(Vec::new())),
            is_waiting: AtomicBool::new(false),
            interrupt: Box::new(interrupt),
        })
    }

    /// Leaves a message, and interrupts the shard.
    pub(crate) fn push(&self, message: Message<S>) {
        self.leave(message);
        self.interrupt();
    }

    /// Leaves a message. The shard reads it at the next [interrupt](Self::interrupt) at the latest.
    pub(crate) fn leave(&self, message: Message<S>) {
        if let Some(messages) = &mut *self.messages.lock() {
            messages.push(message);
        }
    }

    /// Interrupts the shard if it waits.
    pub(crate) fn interrupt(&self) {
        // If the shard does not wait, it looks at the messages before its next wait.
        if self.is_waiting.swap(false, Ordering::SeqCst) {
            (self.interrupt)();
        }
    }

    /// Notes that the shard is about to wait. Returns `false` if there are messages: then the shard must read them
    /// first.
    #[must_use = "nobody interrupts a wait for messages that are there"]
    pub(crate) fn may_wait(&self) -> bool {
        self.is_waiting.store(true, Ordering::SeqCst);
        let is_empty = self.messages.lock().as_ref().is_none_or(Vec::is_empty);
        if !is_empty {
            self.is_waiting.store(false, Ordering::SeqCst);
        }
        is_empty
    }

    /// Removes all messages, and returns them.
    pub(crate) fn take(&self) -> Vec<Message<S>> {
        self.is_waiting.store(false, Ordering::SeqCst);
        self.messages.lock().as_mut().map(mem::take).unwrap_or_default()
    }

    /// Returns whether the shard still reads messages.
    pub(crate) fn is_open(&self) -> bool {
        self.messages.lock().is_some()
    }

    /// Ends the queue when the shard ends. Returns the messages that it has not read.
    pub(crate) fn close(&self) -> Vec<Message<S>> {
        self.messages.lock().take().unwrap_or_default()
    }
}

impl<S: Send + 'static> Queue<S> {
    /// Returns a waker that gives a stream or a group its turn.
    pub(crate) fn waker(self: &Arc<Self>, turn: Turn) -> Waker {
        Arc::new(TurnWaker { queue: self.clone(), turn }).into()
    }
}

struct TurnWaker<S> {
    queue: Arc<Queue<S>>,
    turn: Turn,
}

impl<S: Send + 'static> Wake for TurnWaker<S> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue.push(Message::Turn(self.turn));
    }
}

impl<S> fmt::Debug for Queue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
