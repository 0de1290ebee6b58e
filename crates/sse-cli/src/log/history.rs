//! The events of a topic, from a history.

use std::io::{self, Write};
use std::mem;

use jiff::Timestamp;
use sse_disk::DiskReader;
use sse_server::log::{Entry, LogError, Position, timed};
use sse_server::{Event, EventType};

use super::failed;
use crate::envelope::Envelope;
use crate::failure::Failure;
use crate::listen::output;
use crate::since::{self, Written};
use crate::visible::Visible;

/// How many entries are read at a time.
const PAGE: usize = 1024;

/// Where the events begin, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    At(Begin),
    /// After the event with this id of a publisher.
    Id(String),
}

/// Where the events begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// After this event.
    After(Position),
    /// With the first event of this time or later: of this position, if there is one.
    From(Position),
}

/// Which events are printed.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub(super) since: Option<Since>,
    /// How many of the newest.
    pub(super) last: Option<usize>,
}

/// Where the printing begins.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// What follows it is printed.
    after: Position,
    /// Whether events before it, which are asked for, are gone.
    is_gap: bool,
}

/// What can be written.
const FORMS: &str =
    "write the id of an event, or a time as 2026-01-31T12:00:00Z or, in seconds since 1970, as @1732550000";

/// Reads the id of an event, or a time.
pub(crate) fn since(text: &str) -> Result<Since, String> {
    let time = match since::parse(text).filter(|_| !text.is_empty()).ok_or(FORMS)? {
        Written::Id(id) => return Ok(after(id)),
        Written::Time(time) => time,
    };
    // The oldest message is from after 1970.
    let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or_default();
    timed::position(milliseconds, 0)
        .map(|position| Since::At(Begin::From(position)))
        .ok_or_else(|| "there are no events of that time".to_owned())
}

/// After the event with this id, of a hub that keeps its events on the disk or of a publisher.
fn after(id: &str) -> Since {
    timed::parse(id).map_or_else(|| Since::Id(id.to_owned()), |position| Since::At(Begin::After(position)))
}

impl Since {
    /// Finds the event of the topic that an id names.
    fn found_in(self, history: &DiskReader, topic: &str) -> Result<Begin, Failure> {
        let id = match self {
            Self::At(begin) => return Ok(begin),
            Self::Id(id) => id,
        };
        let found = history.find(topic, &id).map_err(|error| failed(&error))?;
        found.map(Begin::After).ok_or_else(|| {
            let (file, topic, id) = (history.file().display(), Visible(topic), Visible(&id));
            Failure::usage(format!(
                "{file} remembers no event of the topic {topic} with the id {id}; {FORMS}"
            ))
        })
    }
}

/// Prints events as `sse listen` prints them, with the whole time.
pub(super) fn print(
    history: &DiskReader,
    topic: &str,
    range: Range,
    is_json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let since = range.since.map(|since| since.found_in(history, topic)).transpose()?;
    let mut start = first(history, since).map_err(|error| failed(&error))?;
    if let Some(last) = range.last
        && let Some(after) =
            before_the_last(history, topic, last, start.after).map_err(|error| failed(&error))?
    {
        start = Start { after, is_gap: false };
    }
    let mut position = start.after;
    let mut is_gap = start.is_gap;
    let mut is_known = is_gap || since.is_some();
    // Whether events were evicted since the last one that was printed. Without a beginning, what is left is printed.
    let mut is_evicted = false;
    let mut print = |topic: Option<&str>, event: &Event, position: Position| {
        let printed =
            if is_json { json(out, topic, event, position) } else { readable(out, event, position) };
        printed.map_err(|error| Failure::output(&error))
    };
    while let Some(page) = history.after(position, PAGE).map_err(|error| failed(&error))?
        && !page.is_empty()
    {
        for entry in page {
            if is_gap || entry.previous != position {
                is_gap = false;
                print(None, &gap(), entry.position)?;
            }
            position = entry.position;
            let is_of_topic = entry.record.as_ref().is_some_and(|record| record.topic() == topic);
            is_known = is_known || is_of_topic && !entry.is_evicted();
            is_evicted |= since.is_some() && is_of_topic && entry.is_evicted();
            if let Some(event) = event(topic, &entry) {
                if mem::take(&mut is_evicted) {
                    print(None, &gap(), position)?;
                }
                print(Some(topic), &event, position)?;
            }
        }
    }
    if is_gap || is_evicted {
        print(None, &gap(), position)?;
    }
    if !is_known {
        let file = history.file().display();
        return Err(Failure::usage(format!(
            "{file} has nothing of the topic {topic}; without it, the topics are listed"
        )));
    }
    Ok(())
}

/// Where the events begin that are asked for.
fn first(history: &DiskReader, since: Option<Begin>) -> Result<Start, LogError> {
    let oldest = history.start();
    let (from, is_gap) = match since {
        None => return Ok(Start { after: oldest, is_gap: false }),
        Some(Begin::After(position)) => match history.after(position, 1)? {
            Some(_) => return Ok(Start { after: position, is_gap: false }),
            None => (position, true),
        },
        // What was trimmed may have been of this time.
        Some(Begin::From(position)) => (position, oldest >= position),
    };
    let before = history.before(Some(from), 1)?;
    Ok(Start { after: before.last().map_or(oldest, |entry| entry.position), is_gap })
}

/// The position before the newest events of a topic, so many; `None` if there are fewer after this position.
fn before_the_last(
    history: &DiskReader,
    topic: &str,
    last: usize,
    after: Position,
) -> Result<Option<Position>, LogError> {
    let (mut before, mut left) = (None, last);
    loop {
        let page = history.before(before, PAGE)?;
        for entry in page.iter().rev() {
            if entry.position <= after {
                return Ok(None);
            }
            left -= usize::from(event(topic, entry).is_some());
            if left == 0 {
                let start = first(history, Some(Begin::From(entry.position)))?;
                return Ok(Some(start.after));
            }
        }
        let Some(oldest) = page.first() else { return Ok(None) };
        before = Some(oldest.position);
    }
}

/// The event of an entry, if it is one of the topic.
fn event(topic: &str, entry: &Entry) -> Option<Event> {
    let record = entry.record.as_ref().filter(|record| record.topic() == topic)?;
    record.event(timed::id(entry.position))
}

fn gap() -> Event {
    let mut event = Event::new(r#"{"missed":null}"#);
    event.set_event_type(&EventType::from_static("gap"));
    event
}

fn readable(out: &mut dyn Write, event: &Event, position: Position) -> io::Result<()> {
    output::readable(out, event, &time(position))
}

/// The topic is `None` for a gap, which is in all topics.
fn json(out: &mut dyn Write, topic: Option<&str>, event: &Event, position: Position) -> io::Result<()> {
    let id = Some(event.last_event_id()).filter(|id| !id.is_empty());
    let envelope = Envelope {
        topic: topic.map(Into::into),
        time: Some(time(position).into()),
        event_type: Some(event.event_type()).filter(|&it| it != "message").map(Into::into),
        id: id.map(Into::into),
        data: event.data().into(),
    };
    output::line(out, &envelope)
}

/// When an entry was appended, as RFC 3339 has it.
fn time(position: Position) -> String {
    let milliseconds = i64::try_from(timed::time(position)).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_or_a_time_says_where_events_begin() {
        #[track_caller]
        fn check(text: &str, expected: Option<&Since>) {
            assert_eq!(since(text).ok().as_ref(), expected, "{text:?}: {:?}", since(text));
        }

        let after = |time: u64, number: u64| Since::At(Begin::After(timed::position(time, number).unwrap()));
        let from = |time: u64| Since::At(Begin::From(timed::position(time, 0).unwrap()));
        for text in ["1732550000000-7", "id:1732550000000-7"] {
            check(text, Some(&after(1_732_550_000_000, 7)));
        }
        check("@1732550000", Some(&from(1_732_550_000_000)));
        check("2024-11-25T15:53:20Z", Some(&from(1_732_550_000_000)));
        check("2024-11-25T16:53:20.5+01:00", Some(&from(1_732_550_000_500)));
        check("1960-01-01T00:00:00Z", Some(&from(0)));
        for id in ["x", "7", "31043490a327-6", "2024-11-25", "01732550000000-7"] {
            check(id, Some(&Since::Id(id.to_owned())));
        }
        for id in ["7", "@1732550000", "2024-11-25T15:53:20Z", "id:7"] {
            check(&format!("id:{id}"), Some(&Since::Id(id.to_owned())));
        }
        for wrong in ["", "@", "@x"] {
            check(wrong, None);
        }
        check("9999-01-01T00:00:00Z", None);
    }
}
