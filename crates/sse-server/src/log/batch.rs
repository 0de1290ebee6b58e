//! Messages that are appended together.

use crate::message::Record;

/// Messages of one publisher that are appended together, at least one.
#[derive(Clone, Debug)]
pub struct Batch {
    publisher: u64,
    number: u64,
    records: Vec<Record>,
}

impl Batch {
    /// How many messages a batch may have.
    pub const MAX_MESSAGES: usize = 4096;

    /// How many bytes the [fields](Record::fields) of a batch's messages may have, unless the batch is a single
    /// message.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Returns a batch. `publisher` is a number that no other publisher has. `number` rises with each batch of the
    /// publisher, from 1 on.
    ///
    /// # Panics
    ///
    /// If there is no message.
    pub fn new(publisher: u64, number: u64, records: Vec<Record>) -> Self {
        assert!(!records.is_empty(), "a batch has a message");
        Self { publisher, number, records }
    }

    /// Returns the number of the publisher.
    pub fn publisher(&self) -> u64 {
        self.publisher
    }

    /// Returns the number of the batch among those of its publisher. A later batch has a higher number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the messages.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}
