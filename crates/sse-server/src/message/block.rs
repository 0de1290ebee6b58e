//! An encoded message: its fields, its id, and its key and tag.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use sse_codec::{EventId, Field};

/// A message as subscribers get it: the lines of its fields, the line of its id, and the empty line. Its clones share
/// its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    bytes: Bytes,
    /// How many of the bytes are the fields, which come before the id.
    fields: usize,
    id: Id,
    label: Label,
}

/// The key and the tag of a message, which subscribers don't get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    pub(crate) key: Option<Arc<str>>,
    pub(crate) tag: Option<Arc<str>>,
}

/// The origin of the id of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    /// The block has no id, because it is not an event.
    None,
    /// The hub gave it.
    Hub,
    /// The publisher gave it.
    Own,
}

/// How many bytes a key or a tag takes beside its text: its reference counters, and the entry of the key in a table.
const NAME: usize = 96;

/// The fields of a message that has no position yet.
#[derive(Debug)]
pub(crate) struct Draft {
    fields: Vec<u8>,
    has_data: bool,
    own_id: Option<EventId<'static>>,
    label: Label,
}

impl Draft {
    /// Returns a draft. `fields` are whole lines, without an id.
    pub(crate) fn new(
        fields: Vec<u8>,
        has_data: bool,
        own_id: Option<EventId<'static>>,
        key: Option<&str>,
        tag: Option<&str>,
    ) -> Self {
        Self { fields, has_data, own_id, label: Label { key: key.map(Arc::from), tag: tag.map(Arc::from) } }
    }

    /// Returns whether there is nothing to publish.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.own_id.is_none()
    }

    pub(crate) fn own_id(&self) -> Option<&EventId<'static>> {
        self.own_id.as_ref()
    }

    pub(crate) fn without_id(self) -> Self {
        Self { own_id: None, ..self }
    }

    /// Returns how many bytes subscribers get, if the hub gives this id to an event that has none.
    pub(crate) fn len(&self, hub_id: &EventId<'_>) -> usize {
        let id = self.own_id.as_ref().or(self.has_data.then_some(hub_id));
        self.fields.len() + id.map_or(0, |id| id.as_str().len() + "id: \n".len()) + 1
    }

    /// Returns a number that distinguishes this message from others, whatever their ids.
    pub(crate) fn fingerprint(&self) -> u64 {
        fingerprint(&(&self.fields, &self.label))
    }

    /// Returns the block. An event that has no id gets the id that `hub_id` returns.
    pub(crate) fn into_block(self, hub_id: impl FnOnce() -> EventId<'static>) -> Block {
        let Self { fields: mut bytes, has_data, own_id, label } = self;
        let fields = bytes.len();
        let (id, kind) = match own_id {
            Some(id) => (Some(id), Id::Own),
            None if has_data => (Some(hub_id()), Id::Hub),
            None => (None, Id::None),
        };
        end(&mut bytes, id.as_ref());
        // The block may stay in the history for long.
        bytes.shrink_to_fit();
        Block { bytes: bytes.into(), fields, id: kind, label }
    }

    /// Returns the fields, whether they are an event, the publisher's id, and the key and tag.
    pub(crate) fn into_parts(self) -> (Vec<u8>, bool, Option<EventId<'static>>, Label) {
        (self.fields, self.has_data, self.own_id, self.label)
    }
}

impl Block {
    /// Takes the same bytes from another piece of memory.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        debug_assert_eq!(self.bytes, bytes);
        self.bytes = bytes;
    }

    /// Returns the block of fields that a log has stored, with the hub's id if it is an event.
    pub(crate) fn of_fields(fields: &[u8], id: Option<&EventId<'_>>, label: Label) -> Self {
        Self::of_parts(fields, id, if id.is_some() { Id::Hub } else { Id::None }, label)
    }

    /// Returns the block of fields that a log has stored, with the id that their publisher gave.
    pub(crate) fn with_own_id(fields: &[u8], id: &EventId<'_>, label: Label) -> Self {
        Self::of_parts(fields, Some(id), Id::Own, label)
    }

    fn of_parts(fields: &[u8], id: Option<&EventId<'_>>, kind: Id, label: Label) -> Self {
        let mut bytes = Vec::with_capacity(fields.len() + id.map_or(0, |id| id.as_str().len()) + 8);
        bytes.extend_from_slice(fields);
        end(&mut bytes, id);
        Self { bytes: bytes.into(), fields: fields.len(), id: kind, label }
    }

    /// Returns the bytes for a stream of this topic alone.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns how many bytes of memory its text, its key and its tag take.
    pub(crate) fn held(&self) -> usize {
        let names = [&self.label.key, &self.label.tag].into_iter().flatten();
        self.bytes.len() + names.map(|name| name.len() + NAME).sum::<usize>()
    }

    /// Returns the bytes with the hub's id instead of the publisher's, for a stream of several topics, because two
    /// topics may use the same publisher's id.
    pub(crate) fn bytes_with_hub_id(&self, hub_id: impl FnOnce() -> EventId<'static>) -> Bytes {
        if self.id != Id::Own {
            return self.bytes.clone();
        }
        let mut bytes = self.bytes[..self.fields].to_vec();
        end(&mut bytes, Some(&hub_id()));
        bytes.into()
    }

    /// Returns whether it is an event, or has an id.
    pub(crate) fn has_id(&self) -> bool {
        self.id != Id::None
    }

    /// Returns the id that the publisher gave it.
    pub(crate) fn own_id(&self) -> Option<EventId<'static>> {
        if self.id != Id::Own {
            return None;
        }
        let line = self.bytes[self.fields..].strip_prefix(b"id: ")?.strip_suffix(b"\n\n")?;
        EventId::try_from(String::from_utf8(line.to_vec()).ok()?).ok()
    }

    pub(crate) fn key(&self) -> Option<&Arc<str>> {
        self.label.key.as_ref()
    }

    pub(crate) fn tag(&self) -> Option<&Arc<str>> {
        self.label.tag.as_ref()
    }
}

fn end(bytes: &mut Vec<u8>, id: Option<&EventId<'_>>) {
    if let Some(id) = id {
        Field::Id(id.as_borrowed()).encode(bytes);
    }
    bytes.push(b'\n');
}

/// Returns a hash that nobody outside this process can foresee.
pub(crate) fn fingerprint(value: &(impl std::hash::Hash + ?Sized)) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(value)
}
