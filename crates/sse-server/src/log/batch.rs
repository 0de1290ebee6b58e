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
    /// How many messages a batch has at most.
    pub const MAX_MESSAGES: usize = 4096;

    /// How many bytes the [fields](Record::fields) of a batch's messages have at most, unless it is one message alone.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// A batch. `publisher` is a number that no other publisher has, and `number` rises with each of its
    /// batches, from 1.
    ///
    /// # Panics
    ///
    /// If there is no message.
    pub fn new(publisher: u64, number: u64, records: Vec<Record>) -> Self {
        assert!(!records.is_empty(), "a batch has a message");
        Self { publisher, number, records }
    }

    /// Whose batch it is.
    pub fn publisher(&self) -> u64 {
        self.publisher
    }

    /// Which of its publisher's batches it is: a later one has a higher number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The messages.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}
