//! Replaces the data of events for one subscriber.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use sse_codec::{Decoder, Field};

use super::filter::{Candidate, Panicked};
use super::subscriber::Item;
use crate::sync::Exclusive;

type Data = Box<dyn FnMut(Candidate<'_>) -> String + Send>;

/// A function of the user's that returns the data of each event. It is called without any lock.
#[derive(Debug)]
pub(crate) struct Rewrite(Exclusive<Data>);

impl Rewrite {
    pub(crate) fn new(data: impl FnMut(Candidate<'_>) -> String + Send + 'static) -> Self {
        Self(Exclusive::new(Box::new(data)))
    }

    /// Returns the block of a message with other data. A message that is not an event stays as it is.
    pub(crate) fn rewrite(&mut self, item: &Item, topic: &str) -> Result<Bytes, Panicked> {
        let mut input = &item.bytes[..];
        // A new decoder for each block, because an event without an id must not get the id of an earlier event.
        let mut decoder = Decoder::with_limit(usize::MAX);
        let Ok(Some(event)) = decoder.next_event(&mut input) else { return Ok(item.bytes.clone()) };
        let candidate = Candidate::new(event, topic, item);
        let data = self.0.get_mut();
        // A panic ends this subscriber only, also if others share its connection.
        let data = catch_unwind(AssertUnwindSafe(|| data(candidate))).map_err(|_| Panicked)?;
        Ok(with_data(&item.bytes, &data))
    }
}

/// Returns a block with this data instead of its own. The other fields stay.
fn with_data(block: &[u8], data: &str) -> Bytes {
    let mut bytes = Vec::with_capacity(block.len() + data.len());
    let mut data = Some(data);
    for line in block.split_inclusive(|&byte| byte == b'\n') {
        let name = line.split(|&byte| matches!(byte, b':' | b'\n')).next();
        if name != Some(b"data") {
            bytes.extend_from_slice(line);
        } else if let Some(data) = data.take() {
            Field::Data(data).encode(&mut bytes);
        }
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[track_caller]
    fn check(block: &'static str, expected: &str) {
        let item = Item {
            feed: 0,
            bytes: Bytes::from_static(block.as_bytes()),
            key: Some("k".into()),
            tag: None,
            published: Some(SystemTime::UNIX_EPOCH),
        };
        let mut rewrite = Rewrite::new(|event| {
            assert_eq!(event.published(), Some(SystemTime::UNIX_EPOCH));
            format!("{}/{}/{}\n{}", event.topic(), event.key().unwrap(), event.event_type(), event.data())
        });
        let found = rewrite.rewrite(&item, "t").unwrap();
        assert_eq!(std::str::from_utf8(&found).unwrap(), expected, "{block:?}");
    }

    #[test]
    fn the_data_is_replaced_and_other_fields_stay() {
        check("data: a\nid: 7\n\n", "data: t/k/message\ndata: a\nid: 7\n\n");
        check(
            "event: e\ndata: a\n: c\ndata:b\nretry: 7\ndata\nid: 8\n\n",
            "event: e\ndata: t/k/e\ndata: a\ndata: b\ndata:\n: c\nretry: 7\nid: 8\n\n",
        );
        check("data\n\n", "data: t/k/message\ndata:\n\n");
        check("datum: a\n: data\ndata: b\n\n", "datum: a\n: data\ndata: t/k/message\ndata: b\n\n");
    }

    #[test]
    fn a_block_without_data_stays_as_it_is() {
        for block in [": data: a\n\n", "retry: 7\n\n", "id: 7\n\n", "datum: a\n\n"] {
            check(block, block);
        }
    }
}
