//! Messages that are appended together, and what becomes of each.

use std::sync::Arc;

use super::error::LogError;
use crate::history::Position;
use crate::message::Record;

/// Messages of one publisher that are appended together, at least one. Its clones share the messages.
#[derive(Clone, Debug)]
pub struct Batch {
    publisher: u64,
    number: u64,
    records: Arc<[Record]>,
    /// Where each group ends: how many records there are up to its last.
    ends: Arc<[usize]>,
}

/// What has become of a message, from [`append_with_ids`](super::Log::append_with_ids).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was appended at this position.
    New(Position),
    /// It was not appended: its id names the message at this position, which has the same fields, key and tag.
    Repeat(Position),
    /// It was not appended, nor was any message of its [group](Batch::groups): the id of a message in the group names
    /// another message.
    Taken,
}

impl Outcome {
    /// Returns the position of the message, for [`append`](super::Log::append) of a log that has ids.
    ///
    /// # Errors
    ///
    /// The message is [taken](Outcome::Taken).
    pub fn position(self) -> Result<Position, LogError> {
        match self {
            Self::New(position) | Self::Repeat(position) => Ok(position),
            Self::Taken => Err(LogError::refused("an id names another message of its topic")),
        }
    }
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
        Self::of_groups(publisher, number, [records])
    }

    /// Makes a batch of several groups. The messages of a group were published together. Empty groups are left out.
    ///
    /// # Panics
    ///
    /// If there is no message.
    pub fn of_groups(publisher: u64, number: u64, groups: impl IntoIterator<Item = Vec<Record>>) -> Self {
        let (mut records, mut ends) = (Vec::new(), Vec::new());
        for mut group in groups.into_iter().filter(|group| !group.is_empty()) {
            records.append(&mut group);
            ends.push(records.len());
        }
        assert!(!records.is_empty(), "a batch needs at least one message");
        Self { publisher, number, records: records.into(), ends: ends.into() }
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

    /// Returns the messages in groups that were published together. If the id of one message is taken, no message of its
    /// group is appended. Other groups are appended all the same.
    pub fn groups(&self) -> impl Iterator<Item = &[Record]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.records[std::mem::replace(&mut start, end)..end])
    }

    /// Returns whether a message has an id that its publisher gave.
    pub fn has_ids(&self) -> bool {
        self.records.iter().any(|record| record.id().is_some())
    }
}

#[cfg(test)]
mod tests {
    use sse_codec::Message;

    use super::*;

    #[test]
    fn a_batch_has_its_groups() {
        let record = |data: u32| Record::new("t", &Message::new(data.to_string())).unwrap();
        let groups = [vec![record(1)], vec![], vec![record(2), record(3)], vec![]];
        let batch = Batch::of_groups(7, 8, groups.clone());
        assert_eq!(batch.records(), groups.concat());
        assert_eq!(batch.groups().collect::<Vec<_>>(), [&groups[0][..], &groups[2][..]]);
        let batch = Batch::new(7, 8, groups.concat());
        assert_eq!(batch.groups().collect::<Vec<_>>(), [groups.concat()]);
    }
}
