//! Counts delivered messages before they are added to the counts of a topic.

use crate::history::Frame;
use crate::hub::TopicState;

/// Messages and bytes that subscribers of a topic have got, until they are added to the topic's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    messages: u64,
    bytes: u64,
}

impl Delivered {
    /// Counts one message.
    pub(crate) fn message(bytes: usize) -> Self {
        Self { messages: 1, bytes: bytes as u64 }
    }

    /// Counts the messages of a frame.
    pub(crate) fn frame(frame: &Frame) -> Self {
        Self { messages: frame.messages, bytes: frame.bytes.len() as u64 }
    }

    pub(crate) fn messages(self) -> u64 {
        self.messages
    }

    pub(crate) fn is_nothing(self) -> bool {
        self.messages == 0
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }

    /// Adds the counts to those of the topic.
    pub(crate) fn report(&mut self, topic: &mut TopicState) {
        let Self { messages, bytes } = std::mem::take(self);
        topic.count_delivered(messages, bytes);
    }
}
