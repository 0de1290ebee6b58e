//! An encoded message: its fields, its id, and what the route knows of it beside.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use sse_codec::{EventId, Field};

/// A message as subscribers get it: the lines of its fields, the line of its id, and the empty line. It shares its
/// bytes with its clones.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    bytes: Bytes,
    /// How many of the bytes are the fields: what comes before the id.
    fields: usize,
    id: Id,
    label: Label,
}

/// What the route knows of a message and subscribers are not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    pub(crate) key: Option<Arc<str>>,
    pub(crate) tag: Option<Arc<str>>,
}

/// Whose the id of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    /// It has none: it is no event.
    None,
    /// The hub gave it.
    Hub,
    /// The publisher gave it.
    Own,
}

/// What a key or a tag takes beside its bytes: its counters, and the entry of the newest message of the key.
const NAME: usize = 96;

/// The fields of a message, before it has its position.
#[derive(Debug)]
pub(crate) struct Draft {
    fields: Vec<u8>,
    has_data: bool,
    own_id: Option<EventId<'static>>,
    label: Label,
}

impl Draft {
    /// `fields` are whole lines, without an id.
    pub(crate) fn new(
        fields: Vec<u8>,
        has_data: bool,
        own_id: Option<EventId<'static>>,
        key: Option<&str>,
        tag: Option<&str>,
    ) -> Self {
        Self { fields, has_data, own_id, label: Label { key: key.map(Arc::from), tag: tag.map(Arc::from) } }
    }

    /// Whether there is nothing to publish.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.own_id.is_none()
    }

    pub(crate) fn own_id(&self) -> Option<&EventId<'static>> {
        self.own_id.as_ref()
    }

    /// How many bytes subscribers get, if the hub gives an event that has no id this one.
    pub(crate) fn len(&self, hub_id: &EventId<'_>) -> usize {
        let id = self.own_id.as_ref().or(self.has_data.then_some(hub_id));
        self.fields.len() + id.map_or(0, |id| id.as_str().len() + "id: \n".len()) + 1
    }

    /// A number that tells this message from others, whatever their ids.
    pub(crate) fn fingerprint(&self) -> u64 {
        fingerprint(&(&self.fields, &self.label))
    }

    /// The block. An event that has no id gets the one that `hub_id` makes.
    pub(crate) fn into_block(self, hub_id: impl FnOnce() -> EventId<'static>) -> Block {
        let Self { fields: mut bytes, has_data, own_id, label } = self;
        let fields = bytes.len();
        let (id, kind) = match own_id {
            Some(id) => (Some(id), Id::Own),
            None if has_data => (Some(hub_id()), Id::Hub),
            None => (None, Id::None),
        };
        end(&mut bytes, id.as_ref());
        // It may stay in the history for long.
        bytes.shrink_to_fit();
        Block { bytes: bytes.into(), fields, id: kind, label }
    }

    /// The fields, whether they are an event, and the rest.
    pub(crate) fn into_parts(self) -> (Vec<u8>, bool, Label) {
        (self.fields, self.has_data, self.label)
    }
}

impl Block {
    /// The block of fields that a log has kept, with the hub's id if it is an event.
    pub(crate) fn of_fields(fields: &[u8], id: Option<&EventId<'_>>, label: Label) -> Self {
        let mut bytes = Vec::with_capacity(fields.len() + id.map_or(0, |id| id.as_str().len()) + 8);
        bytes.extend_from_slice(fields);
        end(&mut bytes, id);
        let kind = if id.is_some() { Id::Hub } else { Id::None };
        Self { bytes: bytes.into(), fields: fields.len(), id: kind, label }
    }

    /// The bytes for a stream of this topic alone.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes its text and its names take in memory.
    pub(crate) fn held(&self) -> usize {
        let names = [&self.label.key, &self.label.tag].into_iter().flatten();
        self.bytes.len() + names.map(|name| name.len() + NAME).sum::<usize>()
    }

    /// The bytes with the hub's id instead of the publisher's: for a stream of several topics, because two topics may
    /// use the same publisher's id.
    pub(crate) fn bytes_with_hub_id(&self, hub_id: impl FnOnce() -> EventId<'static>) -> Bytes {
        if self.id != Id::Own {
            return self.bytes.clone();
        }
        let mut bytes = self.bytes[..self.fields].to_vec();
        end(&mut bytes, Some(&hub_id()));
        bytes.into()
    }

    /// Whether it is an event, or has an id.
    pub(crate) fn has_id(&self) -> bool {
        self.id != Id::None
    }

    /// The id that the publisher gave it.
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

/// A hash that nobody outside of this process can foresee.
pub(crate) fn fingerprint(value: &(impl std::hash::Hash + ?Sized)) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(value)
}
