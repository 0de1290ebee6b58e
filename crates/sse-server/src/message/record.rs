//! The content of the entries of a log.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sse_codec::{Decoder, Event, EventId, Message};

use super::block::{Block, Draft, Label};
use super::publication::InvalidId;
use super::writer::EventWriter;

/// The content of an entry of a log: a message of a topic, without the id of its position and without the empty line at its end; or a
/// command to every replica: to end or to open the topic, to end a client's streams, or to tell subscribers of evicted
/// messages.
///
/// A log stores three values, and need not understand them: [`topic`](Self::topic), [`key`](Self::key) and
/// [`fields`](Self::fields). [`from_parts`](Self::from_parts) makes a record of them again. A log
/// that [has ids](crate::log::Log::has_ids) also reads the [`id`](Self::id) that a publisher gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    topic: Arc<str>,
    fields: Bytes,
    body: Body,
}

/// The content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Message {
        has_data: bool,
        /// How many bytes of the fields are for the replicas, and not for subscribers.
        hidden: usize,
        label: Label,
        /// The id that the publisher gave.
        id: Option<EventId<'static>>,
    },
    Control(Control),
}

/// What kind of [`Record`] it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKind {
    /// A message for the subscribers of the topic.
    Message,
    /// The topic ends.
    End,
    /// The topic is open again.
    Open,
    /// The streams of one client end.
    EndClient,
    /// The log has evicted messages of the topic, but not other entries from the same time. See [`Record::evicted`].
    Evicted,
}

/// A command to the replicas, at its position in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The topic ends: no later message reaches its subscribers until it is opened again.
    End { spread: Duration },
    /// The topic is opened again.
    Open,
    /// The streams of a client end, in this topic or in all topics.
    EndClient { client: Arc<str>, everywhere: bool },
    /// The message at this position was evicted, and perhaps others before it.
    Evicted,
}

/// The names of lines that no subscriber gets. No publisher can write such lines, because they are not fields of the
/// standard.
const TAG: &str = "tag";
const OWN_ID: &str = "own-id";
const CONTROL: &str = "control";

impl Record {
    /// Returns the record of a message of a topic, without the message's id, which [`with_id`](Self::with_id) sets. `None`
    /// if the message has nothing else.
    pub fn new(topic: &str, message: &Message<'_>) -> Option<Self> {
        Self::of(topic.into(), EventWriter::of(message).take_draft(None, None).without_id())
    }

    /// Returns a record, or `None` if there is nothing to publish.
    pub(crate) fn of(topic: Arc<str>, draft: Draft) -> Option<Self> {
        (!draft.is_empty()).then(|| Self::of_some(topic, draft))
    }

    fn of_some(topic: Arc<str>, draft: Draft) -> Self {
        let (fields, has_data, id, label) = draft.into_parts();
        let mut lines = String::new();
        for (name, value) in [(TAG, label.tag.as_deref()), (OWN_ID, id.as_ref().map(EventId::as_str))] {
            if let Some(value) = value {
                lines.extend([name, ": ", &encoded(value), "\n"]);
            }
        }
        let hidden = lines.len();
        let fields = if hidden == 0 { fields } else { [lines.as_bytes(), &fields].concat() };
        Self { topic, fields: fields.into(), body: Body::Message { has_data, hidden, label, id } }
    }

    /// Returns the message with an id, as if its publisher had given it, for tests of logs that
    /// [have ids](crate::log::Log::has_ids). A command has no id, and is returned as it is.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] if a `Last-Event-ID` header can't bring the id back as it is, or if it is longer than 1,024 bytes.
    pub fn with_id(self, id: &EventId<'_>) -> Result<Self, InvalidId> {
        InvalidId::check(id)?;
        let Body::Message { has_data, hidden, label, .. } = &self.body else { return Ok(self) };
        let (key, tag) = (label.key.as_deref(), label.tag.as_deref());
        let id = Some(id.as_borrowed().into_owned());
        let draft = Draft::new(self.fields[*hidden..].to_vec(), *has_data, id, key, tag);
        Ok(Self::of_some(self.topic, draft))
    }

    /// Returns the record that a log puts in place of a message that it has evicted, if it keeps older entries of other
    /// topics. A subscriber of this topic gets a gap event when it reads this. The subscribers of other topics skip it. See
    /// [`Log`](crate::log::Log).
    pub fn evicted(topic: &str) -> Self {
        Self::control(topic.into(), Control::Evicted)
    }

    pub(crate) fn control(topic: Arc<str>, control: Control) -> Self {
        let text = match &control {
            Control::End { spread } => format!("end {}", spread.as_millis()),
            Control::Open => "open".to_owned(),
            Control::EndClient { client, everywhere: false } => format!("end-client {}", encoded(client)),
            Control::EndClient { client, everywhere: true } => {
                format!("end-client-everywhere {}", encoded(client))
            }
            Control::Evicted => "evicted".to_owned(),
        };
        Self { topic, fields: format!("{CONTROL}: {text}\n").into(), body: Body::Control(control) }
    }

    /// Returns the record whose values a log has stored.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`] if the fields are not as [`fields`](Self::fields) returns them: whole lines, none of them
    /// empty, each with a line feed at its end, without a carriage return and without an `id`.
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
        if let Some(text) = first_line(&fields, CONTROL) {
            let control = Control::parse(text).ok_or(InvalidRecord)?;
            return Ok(Self { topic, fields, body: Body::Control(control) });
        }
        let mut hidden = 0;
        let mut hidden_line = |name: &str| {
            let value = first_line(&fields[hidden..], name)?;
            hidden += name.len() + value.len() + ": \n".len();
            Some(decoded(value))
        };
        let (tag, id) = (hidden_line(TAG), hidden_line(OWN_ID));
        let id = id.map(|id| EventId::try_from(id.to_string())).transpose().map_err(|_| InvalidRecord)?;
        let is_valid = match &id {
            Some(id) => InvalidId::check(id).is_ok(),
            None => hidden < fields.len(),
        };
        if !is_valid {
            return Err(InvalidRecord);
        }
        let label = Label { key, tag };
        Ok(Self { topic, fields, body: Body::Message { has_data, hidden, label, id } })
    }

    /// Returns the name of the topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the key, if the message was published with one. The message replaces earlier messages with the same key.
    pub fn key(&self) -> Option<&str> {
        match &self.body {
            Body::Message { label, .. } => label.key.as_deref(),
            Body::Control(_) => None,
        }
    }

    /// Returns the id that the publisher gave, if it gave one. In its topic, the id names this message only.
    pub fn id(&self) -> Option<&EventId<'static>> {
        match &self.body {
            Body::Message { id, .. } => id.as_ref(),
            Body::Control(_) => None,
        }
    }

    /// Returns the lines to store, at least one. The lines of a message are its fields as they are sent to clients,
    /// except the id.
    pub fn fields(&self) -> &Bytes {
        &self.fields
    }

    /// What kind of record it is, for tools that show what a log holds.
    pub fn kind(&self) -> RecordKind {
        match &self.body {
            Body::Message { .. } => RecordKind::Message,
            Body::Control(Control::End { .. }) => RecordKind::End,
            Body::Control(Control::Open) => RecordKind::Open,
            Body::Control(Control::EndClient { .. }) => RecordKind::EndClient,
            Body::Control(Control::Evicted) => RecordKind::Evicted,
        }
    }

    /// The event that a subscriber gets of it; `None` if it is not a message, or one without data. If the publisher
    /// gave no id, the event has this one: that of its position, from [`Log::id`](crate::log::Log::id).
    pub fn event(&self, id: EventId<'static>) -> Option<Event> {
        let block = self.block(|| id)?;
        let mut decoder = Decoder::with_limit(usize::MAX);
        let event = decoder.next_event(&mut &block.bytes()[..]).ok()??.to_event();
        Some(event)
    }

    pub(crate) fn shared_topic(&self) -> Arc<str> {
        self.topic.clone()
    }

    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    /// Returns whether it is an event to which the log gives an id.
    pub(crate) fn is_given_id(&self) -> bool {
        matches!(self.body, Body::Message { has_data: true, id: None, .. })
    }

    /// Returns the block that subscribers get, if it is a message.
    pub(crate) fn block(&self, id: impl FnOnce() -> EventId<'static>) -> Option<Block> {
        let Body::Message { has_data, hidden, label, id: own_id } = &self.body else { return None };
        let fields = &self.fields[*hidden..];
        Some(match own_id {
            Some(id) => Block::with_own_id(fields, id, label.clone()),
            None => Block::of_fields(fields, has_data.then(id).as_ref(), label.clone()),
        })
    }
}

impl Control {
    fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "end" => Some(Self::End { spread: Duration::from_millis(rest.parse().ok()?) }),
            "open" => Some(Self::Open),
            "end-client" => Some(Self::EndClient { client: decoded(rest), everywhere: false }),
            "end-client-everywhere" => Some(Self::EndClient { client: decoded(rest), everywhere: true }),
            "evicted" => Some(Self::Evicted),
            _ => None,
        }
    }
}

/// Returns the value of the first line, if it has this name.
fn first_line<'f>(fields: &'f [u8], name: &str) -> Option<&'f str> {
    let line = fields.split(|&byte| byte == b'\n').next()?;
    std::str::from_utf8(line.strip_prefix(name.as_bytes())?.strip_prefix(b": ")?).ok()
}

/// Encodes any text as one line.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn decoded(text: &str) -> Arc<str> {
    let text = format!("x={text}");
    form_urlencoded::parse(text.as_bytes()).next().map_or("".into(), |(_, value)| value.into())
}

/// An error: the bytes are not the fields of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidRecord;

impl fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the bytes are not the fields of a message: whole lines, each with a line feed at its end, none of them empty, and none with an id",
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
        let seen = record.ok().and_then(|record| record.block(id)).map(|block| block.bytes().clone());
        assert_eq!(seen.as_deref(), block.map(str::as_bytes), "{fields:?}");
    }

    #[test]
    fn fields_become_a_block_with_an_id() {
        check("data: x\n", Some("data: x\nid: 7\n\n"));
        check("event: a\ndata: x\ndata\n", Some("event: a\ndata: x\ndata\nid: 7\n\n"));
        check("dat: x\n", Some("dat: x\n\n"));
        check(": a comment\nretry: 7\n", Some(": a comment\nretry: 7\n\n"));
        check("tag: a%0Ab\ndata: x\n", Some("data: x\nid: 7\n\n"));
        check("own-id: a+b%C3%A9\ndata: x\n", Some("data: x\nid: a bé\n\n"));
        check("tag: a\nown-id: a\n: x\n", Some(": x\nid: a\n\n"));
        check("own-id: a\n", Some("id: a\n\n"));
        check("data: x\nown-id: a\n", Some("data: x\nown-id: a\nid: 7\n\n"));
    }

    #[test]
    fn bytes_that_would_break_the_stream_are_no_record() {
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
            "tag: a\n",
            "own-id: \ndata: x\n",
            "own-id: a%0Ab\ndata: x\n",
            "own-id: a%00b\ndata: x\n",
            "own-id: +a\ndata: x\n",
            "control: \n",
            "control: end\n",
            "control: end -1\n",
        ] {
            check(fields, None);
        }
    }

    #[test]
    fn a_tool_sees_the_kind_and_the_event() {
        #[track_caller]
        fn check(fields: &'static str, kind: RecordKind, event: Option<(&str, &str)>) {
            let record = Record::from_parts("t".into(), None, Bytes::from_static(fields.as_bytes())).unwrap();
            assert_eq!(record.kind(), kind, "{fields:?}");
            let found = record.event(EventId::from_static("7"));
            let found = found.as_ref().map(|event| (event.event_type(), event.data(), event.last_event_id()));
            assert_eq!(found, event.map(|(event_type, data)| (event_type, data, "7")), "{fields:?}");
        }

        check("data: x\ndata: y\n", RecordKind::Message, Some(("message", "x\ny")));
        check("tag: a\nevent: price\ndata: x\n", RecordKind::Message, Some(("price", "x")));
        check(": a comment\n", RecordKind::Message, None);
        check("control: end 0\n", RecordKind::End, None);
        check("control: open\n", RecordKind::Open, None);
        check("control: end-client anna\n", RecordKind::EndClient, None);
        check("control: end-client-everywhere anna\n", RecordKind::EndClient, None);
        check("control: evicted\n", RecordKind::Evicted, None);
    }

    #[test]
    fn a_message_loses_only_its_id() {
        let message = Message::new("x\ny").event_type(sse_codec::EventType::from_static("a"));
        let record = Record::new("t", &message.clone().id(EventId::from_static("8"))).unwrap();
        assert_eq!(Some(record.clone()), Record::new("t", &message));
        assert_eq!(Record::from_parts("t".into(), None, record.fields().clone()), Ok(record));
        assert_eq!(Record::new("t", &Message::empty()), None);
    }

    #[test]
    fn commands_to_replicas_come_back_as_they_were() {
        let client: Arc<str> = "a b\r\n=&é".into();
        for control in [
            Control::End { spread: Duration::from_millis(1500) },
            Control::Open,
            Control::EndClient { client: client.clone(), everywhere: false },
            Control::EndClient { client: client.clone(), everywhere: true },
            Control::EndClient { client: "".into(), everywhere: true },
            Control::Evicted,
        ] {
            let record = Record::control("t".into(), control.clone());
            assert_eq!(Record::from_parts("t".into(), None, record.fields().clone()).as_ref(), Ok(&record));
            assert_eq!(record.body(), &Body::Control(control));
            assert!(record.block(|| EventId::from_static("7")).is_none(), "subscribers get nothing");
            assert_eq!(record.event(EventId::from_static("7")), None);
        }
        let message = Message::new("x");
        let own = message.clone().id(EventId::from_static("é&=+ 8"));
        for (message, text) in [(&message, "data: x\nid: 7\n\n"), (&own, "data: x\nid: é&=+ 8\n\n")] {
            let draft = EventWriter::draft(&crate::Publication::new(message).key("k").tag(&client));
            let record = Record::of("t".into(), draft).unwrap();
            let back = Record::from_parts("t".into(), Some("k".into()), record.fields().clone()).unwrap();
            assert_eq!(back, record);
            let block = back.block(|| EventId::from_static("7")).unwrap();
            assert_eq!((&block.bytes()[..], block.tag()), (text.as_bytes(), Some(&client)));
            assert_eq!(block.own_id().as_ref(), record.id());
        }
    }

    #[test]
    fn a_record_can_be_given_an_id() {
        let record = Record::new("t", &Message::new("x")).unwrap();
        let named = record.clone().with_id(&EventId::from_static("a b")).unwrap();
        assert_eq!((record.id(), named.id()), (None, Some(&EventId::from_static("a b"))));
        let other = named.clone().with_id(&EventId::from_static("c")).unwrap();
        assert_eq!(other.id(), Some(&EventId::from_static("c")));
        assert_eq!(record.clone().with_id(&EventId::from_static("")), Err(InvalidId::NotAHeader));
        let end = Record::control("t".into(), Control::Open);
        assert_eq!(end.clone().with_id(&EventId::from_static("a")), Ok(end));
    }

    proptest! {
        /// Whatever bytes a log contains, an entry is at most one event with the id of its position, and the following
        /// event in the stream does not change.
        #[test]
        fn no_record_changes_another_event(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "data:x\n", "id:9\n", "tag: ", "own-id: ", "own-id: z\n", "control: end 0", ":\n", "event:e\n", "id", "data", ":", " ", "\n", "\r", "\0", "x", "\u{feff}",
                ]),
                0..8,
            ),
        ) {
            let fields = pieces.concat() + "\n";
            let Ok(record) = Record::from_parts("t".into(), None, fields.into()) else { return Ok(()) };
            let Some(block) = record.block(|| EventId::from_static("7")) else { return Ok(()) };
            let stream = [b":\n\n", &block.bytes()[..], b"data: next\n\n"].concat();
            let mut decoder = Decoder::new();
            let (mut input, mut events) = (&stream[..], Vec::new());
            while let Some(event) = decoder.next_event(&mut input).unwrap() {
                events.push((event.last_event_id().to_owned(), event.data().to_owned()));
            }
            let Body::Message { has_data, id: own_id, .. } = record.body() else { return Ok(()) };
            let id = own_id.as_ref().map_or(if *has_data { "7" } else { "" }, EventId::as_str);
            prop_assert_eq!(events.pop(), Some((id.to_owned(), "next".to_owned())));
            prop_assert!(events.len() == usize::from(*has_data), "{events:?}");
            prop_assert!(events.iter().all(|(event, _)| event == id), "{events:?}");
        }
    }
}
