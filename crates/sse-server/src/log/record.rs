//! A message as a log holds it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sse_codec::{EventId, Field, Message};

use crate::ring::Id;
use crate::writer::EventWriter;

/// A message as a log holds it: its topic, perhaps a key, and its fields as they go over the wire, without an id and
/// without the empty line at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    topic: Arc<str>,
    key: Option<Arc<str>>,
    fields: Bytes,
    has_data: bool,
}

impl Record {
    /// A message of a topic; its id is left out. `None` if nothing is left.
    pub fn new(topic: &str, message: &Message<'_>) -> Option<Self> {
        let (fields, has_data) = EventWriter::from_message(message).into_fields();
        (!fields.is_empty()).then(|| Self { topic: topic.into(), key: None, fields, has_data })
    }

    pub(crate) fn of(topic: Arc<str>, key: Option<Arc<str>>, fields: Bytes, has_data: bool) -> Self {
        Self { topic, key, fields, has_data }
    }

    /// A message from what a log has kept of it.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`] if the fields are not as [`fields`](Self::fields) gives them: whole lines, none of them empty,
    /// each ended by a line feed, with no carriage return and no `id`.
    pub fn from_parts(topic: Arc<str>, key: Option<Arc<str>>, fields: Bytes) -> Result<Self, InvalidRecord> {
        let lines = fields.strip_suffix(b"\n").ok_or(InvalidRecord)?;
        let mut has_data = false;
        for line in lines.split(|&byte| byte == b'\n') {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            if line.is_empty() || line.contains(&b'\r') || name == b"id" {
                return Err(InvalidRecord);
            }
            has_data |= name == b"data";
        }
        Ok(Self { topic, key, fields, has_data })
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The key of which this is the latest message, if it was published with one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The fields as they go over the wire: whole lines, at least one.
    pub fn fields(&self) -> &Bytes {
        &self.fields
    }

    pub(crate) fn shared_key(&self) -> Option<Arc<str>> {
        self.key.clone()
    }

    /// The block that subscribers get, and what its id is.
    pub(crate) fn block(&self, id: impl FnOnce() -> EventId<'static>) -> (Bytes, Id) {
        let id = self.has_data.then(id);
        let mut block =
            BytesMut::with_capacity(self.fields.len() + id.as_ref().map_or(0, |id| id.as_str().len()) + 8);
        block.extend_from_slice(&self.fields);
        if let Some(id) = &id {
            Field::Id(id.as_borrowed()).encode(&mut block);
        }
        block.extend_from_slice(b"\n");
        (block.freeze(), if id.is_some() { Id::Sequence } else { Id::None })
    }
}

/// Bytes that are not the fields of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidRecord;

impl fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not the fields of a message: whole lines, each ended by a line feed, none empty, without an id",
        )
    }
}

impl Error for InvalidRecord {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sse_codec::Decoder;

    use super::*;

    #[track_caller]
    fn check(fields: &'static str, block: Option<&str>) {
        let record = Record::from_parts("t".into(), None, Bytes::from_static(fields.as_bytes()));
        let id = || EventId::from_static("7");
        assert_eq!(
            record.ok().map(|record| record.block(id).0).as_deref(),
            block.map(str::as_bytes),
            "{fields:?}"
        );
    }

    #[test]
    fn fields_become_a_block_with_an_id() {
        check("data: x\n", Some("data: x\nid: 7\n\n"));
        check("event: a\ndata: x\ndata\n", Some("event: a\ndata: x\ndata\nid: 7\n\n"));
        check("dat: x\n", Some("dat: x\n\n"));
        check(": a comment\nretry: 7\n", Some(": a comment\nretry: 7\n\n"));
    }

    #[test]
    fn what_would_break_the_stream_is_no_record() {
        for fields in [
            "",
            "\n",
            "data: x",
            "data: x\n\n",
            "\ndata: x\n",
            "data: x\n\ndata: y\n",
            "data: x\rid: 8\n",
            "id: 8\n",
            "id\n",
        ] {
            check(fields, None);
        }
    }

    #[test]
    fn a_message_loses_its_id_only() {
        let message = Message::new("x\ny").event_type(sse_codec::EventType::from_static("a"));
        let record = Record::new("t", &message.clone().id(EventId::from_static("8"))).unwrap();
        assert_eq!(Some(record.clone()), Record::new("t", &message));
        assert_eq!(Record::from_parts("t".into(), None, record.fields().clone()), Ok(record));
        assert_eq!(Record::new("t", &Message::empty()), None);
    }

    proptest! {
        /// Whatever others have put into a log: it is one event with the id of its place, or none, and what follows
        /// it in the stream is as it was.
        #[test]
        fn no_record_reaches_beyond_itself(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "data:x\n", "id:9\n", ":\n", "event:e\n", "id", "data", ":", " ", "\n", "\r", "\0", "x", "\u{feff}",
                ]),
                0..8,
            ),
        ) {
            let fields = pieces.concat() + "\n";
            let Ok(record) = Record::from_parts("t".into(), None, fields.into()) else { return Ok(()) };
            let block = record.block(|| EventId::from_static("7")).0;
            let stream = [b":\n\n", &block[..], b"data: next\n\n"].concat();
            let mut decoder = Decoder::new();
            let (mut input, mut events) = (&stream[..], Vec::new());
            while let Some(event) = decoder.next_event(&mut input).unwrap() {
                events.push((event.last_event_id().to_owned(), event.data().to_owned()));
            }
            let id = if record.has_data { "7" } else { "" };
            prop_assert_eq!(events.pop(), Some((id.to_owned(), "next".to_owned())));
            prop_assert!(events.len() == usize::from(record.has_data), "{events:?}");
            prop_assert!(events.iter().all(|(id, _)| id == "7"), "{events:?}");
        }
    }
}
