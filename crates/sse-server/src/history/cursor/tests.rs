//! What a subscriber reads of the rings.

mod model;

use std::time::Duration;

use sse_codec::EventId;

use super::*;
use crate::history::memory::Share;
use crate::history::{Bounds, Epoch, FRAME, OwnIds};
use crate::message::{Draft, fingerprint};

const BOUNDS: Bounds = Bounds { messages: 3, bytes: 1000, age: None, burst: 0 };

/// The origin of the id of a message.
#[derive(Clone, Debug)]
enum Id {
    Hub,
    Own(String),
    None,
}

/// Topics that share their positions.
struct Log {
    rings: Vec<Ring>,
    own_ids: Vec<OwnIds>,
    last: Position,
    now: Duration,
    is_counted: bool,
    /// Whether a connected subscriber has not read everything.
    is_awaited: bool,
}

impl Log {
    fn new(topics: usize, bounds: Bounds, latest_per_key: bool) -> Self {
        Self {
            rings: (0..topics)
                .map(|_| Ring::new(bounds, latest_per_key, Position::START, Share::default()))
                .collect(),
            own_ids: (0..topics).map(|_| OwnIds::default()).collect(),
            last: Position::START,
            now: Duration::ZERO,
            is_counted: topics == 1 && !latest_per_key,
            is_awaited: false,
        }
    }

    /// Returns one topic with `entries` messages.
    fn of(entries: u64) -> Self {
        let mut log = Self::new(1, BOUNDS, false);
        for _ in 0..entries {
            log.push(0, &Id::Hub, None);
        }
        log
    }

    /// Publishes the next number to a topic.
    fn push(&mut self, topic: usize, id: &Id, key: Option<&str>) {
        self.push_data(topic, id, key, &self.last.next().to_string());
    }

    fn push_data(&mut self, topic: usize, id: &Id, key: Option<&str>, data: &str) {
        let previous = self.last;
        self.last = previous.next();
        let own_id = match id {
            Id::Own(id) => Some(EventId::new(id).unwrap().into_owned()),
            Id::Hub | Id::None => None,
        };
        if let Some(id) = &own_id {
            let evicted = self.rings[topic].evicted();
            self.own_ids[topic].insert(fingerprint(id.as_str()), self.last, 0, |at| at > evicted);
        }
        let fields = format!(": {data}\n").into_bytes();
        let draft = Draft::new(fields, matches!(id, Id::Hub), own_id, key, None);
        let block = draft.into_block(|| Self::epoch().id(self.last));
        self.rings[topic].push(Kept::new(self.last, previous, self.now, block), self.is_awaited);
    }

    fn epoch() -> Epoch {
        Epoch::new(0xE << 16)
    }

    /// The same as [`State::resume`](crate::hub) without a log.
    fn resume(&self, last_event_id: &str) -> Cursor {
        if last_event_id.is_empty() {
            return Cursor::after(self.last);
        }
        let known = Self::epoch().position(last_event_id).filter(|&position| position <= self.last);
        let own = || match &*self.own_ids {
            [ids] => ids.position(fingerprint(last_event_id)),
            _ => None,
        };
        known.or_else(own).map_or(Cursor::unknown_after(Position::START), Cursor::after)
    }

    /// Returns what a subscriber reads: the data, joined, and `(gap N)` for a gap of N messages.
    fn read(&mut self, cursor: &mut Cursor) -> String {
        let mut seen = String::new();
        loop {
            if let Some(gap) = cursor.take_gap(self.rings.iter(), self.last, self.is_counted) {
                let missed = gap.missed.map_or("?".to_owned(), |missed| missed.to_string());
                seen.push_str(&format!("(gap {missed}) "));
                continue;
            }
            let before = seen.len();
            let is_read = cursor.is_read(self.rings.iter());
            if let [ring] = &mut *self.rings {
                if let Some(frame) = ring.frame(cursor.read_to()) {
                    seen.push_str(&data(&frame.bytes));
                    cursor.advance(frame.to);
                }
            } else {
                for (_, entry) in merge(self.rings.iter(), cursor.read_to()) {
                    seen.push_str(&data(entry.block.bytes()));
                    cursor.advance(entry.position);
                }
            }
            assert_eq!(before == seen.len(), is_read, "{cursor:?}");
            if before == seen.len() {
                return seen;
            }
        }
    }
}

/// Returns the data of blocks, each with a space after it.
fn data(blocks: &[u8]) -> String {
    let lines = std::str::from_utf8(blocks).unwrap().lines();
    lines.filter_map(|line| line.strip_prefix(": ")).map(|data| format!("{data} ")).collect()
}

/// Checks what a subscriber reads that resumes after this id.
#[track_caller]
fn check(log: &mut Log, last_event_id: &str, expected: &str) {
    let mut cursor = log.resume(last_event_id);
    assert_eq!(log.read(&mut cursor), expected, "after {last_event_id:?}");
    assert_eq!(log.read(&mut cursor), "");
}

#[test]
fn a_subscriber_without_an_id_reads_from_now_on() {
    let mut log = Log::of(3);
    check(&mut log, "", "");
    let mut cursor = log.resume("");
    log.push(0, &Id::Hub, None);
    assert_eq!(log.read(&mut cursor), "4 ");
}

#[test]
fn a_subscriber_may_begin_with_the_oldest_message() {
    let mut log = Log::of(5);
    let mut cursor = Cursor::oldest(log.rings.iter());
    assert_eq!(log.read(&mut cursor), "3 4 5 ");
    log.push(0, &Id::Hub, None);
    assert_eq!(log.read(&mut cursor), "6 ");
    let mut cursor = Cursor::oldest(log.rings.iter());
    log.push(0, &Id::Hub, None);
    assert_eq!(log.read(&mut cursor), "(gap 1) 5 6 7 ");
}

#[test]
fn a_subscriber_resumes_after_its_id() {
    check(&mut Log::of(3), "00000000000e-0", "1 2 3 ");
    check(&mut Log::of(3), "00000000000e-2", "3 ");
    check(&mut Log::of(3), "00000000000e-3", "");
}

#[test]
fn evicted_messages_are_a_gap() {
    check(&mut Log::of(5), "00000000000e-0", "(gap 2) 3 4 5 ");
    check(&mut Log::of(5), "00000000000e-1", "(gap 1) 3 4 5 ");
    check(&mut Log::of(5), "00000000000e-2", "3 4 5 ");
}

#[test]
fn an_unknown_id_is_a_gap_without_a_count() {
    for id in ["x", "00000000000f-2", "00000000000e-6", "\u{fffd}"] {
        check(&mut Log::of(5), id, "(gap ?) 3 4 5 ");
    }
    check(&mut Log::of(0), "00000000000f-2", "(gap ?) ");
}

#[test]
fn a_gap_leads_to_its_end() {
    let mut log = Log::of(5);
    let gap = log.resume("x").take_gap(log.rings.iter(), log.last, true).expect("there is a gap");
    check(&mut log, Log::epoch().id(gap.end).as_str(), "3 4 5 ");
}

/// Checks what a subscriber reads that is told of a gap, reads the first message, and then lags. `published` and
/// `later` are the topics and keys of the messages before and after that.
#[track_caller]
fn check_lag(topics: usize, published: &[(usize, &str)], later: &[(usize, &str)], expected: &str) {
    let id = |number: u64| Log::epoch().id(Position::new(number));
    for from_start in [false, true] {
        let bounds = Bounds { messages: 2, ..BOUNDS };
        let mut log = Log::new(topics, bounds, topics == 1);
        let push = |log: &mut Log, &(topic, key): &(usize, &str)| {
            log.push(topic, &Id::Hub, (!key.is_empty()).then_some(key));
        };
        for message in published {
            push(&mut log, message);
        }
        let mut cursor = Cursor::oldest(log.rings.iter());
        if !from_start {
            cursor = log.resume(id(0).as_str());
            assert!(cursor.take_gap(log.rings.iter(), log.last, log.is_counted).is_some());
        }
        let first = merge(log.rings.iter(), cursor.read_to()).next().unwrap().1.position;
        cursor.advance(first);
        for message in later {
            push(&mut log, message);
        }
        assert_eq!(log.read(&mut cursor), expected, "{from_start}");
    }
}

#[test]
fn messages_that_are_evicted_before_the_end_of_an_earlier_gap_are_a_gap() {
    // The first topic has evicted 1, 4 and 5. The second evicts 2 and 3, and the subscriber has read 2.
    let published = [(0, ""), (1, ""), (1, ""), (0, ""), (0, ""), (0, ""), (0, "")];
    check_lag(2, &published, &[(1, "")], "3 6 7 8 ");
    check_lag(2, &published, &[(1, ""), (1, "")], "(gap ?) 6 7 8 9 ");
    // 3 was evicted. Then 1 and 2, each the latest of its key, are evicted, and the subscriber has read 1.
    let published = [(0, "a"), (0, "b"), (0, ""), (0, "c"), (0, "d")];
    check_lag(1, &published, &[(0, "e")], "2 4 5 6 ");
    check_lag(1, &published, &[(0, "e"), (0, "f")], "(gap ?) 4 5 6 7 ");
}

#[test]
fn a_lagging_subscriber_goes_on_at_the_oldest_kept_message() {
    let mut log = Log::of(1);
    let mut cursor = log.resume("");
    (2..=7).for_each(|_| log.push(0, &Id::Hub, None));
    assert_eq!(log.read(&mut cursor), "(gap 3) 5 6 7 ");
}

#[test]
fn publishers_ids_resume_too() {
    let mut log = Log::new(1, BOUNDS, false);
    for id in ["a", "b", "c", "d"] {
        log.push(0, &Id::Own(id.to_owned()), None);
    }
    check(&mut log, "b", "3 4 ");
    check(&mut log, "d", "");
    // The message of this id is evicted, but it is known which messages came next.
    check(&mut log, "a", "2 3 4 ");
    check(&mut log, "x", "(gap ?) 2 3 4 ");
    check(&mut log, "00000000000e-3", "4 ");
    log.push(0, &Id::None, None);
    assert_eq!(
        log.rings[0].own_id().as_ref().map(EventId::as_str),
        Some("d"),
        "a comment leaves the last one"
    );
    check(&mut log, "d", "5 ");
    log.push(0, &Id::Hub, None);
    log.push(0, &Id::Hub, None);
    check(&mut log, "a", "(gap 3) 5 6 7 ");
}

#[test]
fn on_several_topics_a_publishers_id_is_unknown() {
    let mut log = Log::new(2, BOUNDS, false);
    log.push(0, &Id::Own("1".to_owned()), None);
    log.push(1, &Id::Own("1".to_owned()), None);
    check(&mut log, "1", "(gap ?) 1 2 ");
    check(&mut log, "00000000000e-1", "2 ");
}

#[test]
fn a_burst_is_kept_for_subscribers_that_have_not_read_it() {
    let mut log = Log::new(1, Bounds { burst: 100, ..BOUNDS }, false);
    let mut cursor = log.resume("");
    for _ in 0..9 {
        log.push(0, &Id::None, None);
        log.is_awaited = true;
    }
    assert_eq!(log.read(&mut cursor), "1 2 3 4 5 6 7 8 9 ");
    // Each message has five bytes: twenty of them fit.
    for _ in 0..30 {
        log.push_data(0, &Id::None, None, "x");
    }
    assert_eq!(log.read(&mut cursor), format!("(gap 10) {}", "x ".repeat(20)));
    log.is_awaited = false;
    log.push_data(0, &Id::None, None, "y");
    check(&mut log, "00000000000e-0", "(gap 37) x x y ");
}

#[test]
fn unread_messages_are_kept_whatever_their_age() {
    let mut log = Log::new(1, Bounds { age: Some(Duration::ZERO), burst: 100, ..BOUNDS }, false);
    let mut cursor = log.resume("");
    log.is_awaited = true;
    for _ in 0..3 {
        log.push(0, &Id::None, None);
        log.now += Duration::from_secs(1);
    }
    assert_eq!(log.read(&mut cursor), "1 2 3 ");
    log.rings[0].trim(log.now, false);
    check(&mut log, "00000000000e-0", "(gap 3) ");
}

#[test]
fn bytes_are_limited_but_the_newest_message_is_kept() {
    let mut log = Log::new(1, Bounds { messages: 100, bytes: 18, ..BOUNDS }, false);
    // Each message has four bytes more than its data.
    for (block, expected) in [
        ("12345", "12345 "),
        ("6789", "12345 6789 "),
        ("abc", "(gap 1) 6789 abc "),
        ("more than fourteen bytes", "(gap 3) more than fourteen bytes "),
        ("x", "(gap 4) x "),
    ] {
        log.push_data(0, &Id::None, None, block);
        check(&mut log, "00000000000e-0", expected);
    }
}

#[test]
fn age_is_limited() {
    let mut log = Log::new(1, Bounds { age: Some(Duration::from_secs(10)), ..BOUNDS }, false);
    log.push(0, &Id::Hub, None);
    log.now = Duration::from_secs(10);
    log.push(0, &Id::Hub, None);
    check(&mut log, "00000000000e-0", "1 2 ");
    log.rings[0].trim(Duration::from_secs(11), false);
    check(&mut log, "00000000000e-0", "(gap 1) 2 ");
    log.rings[0].trim(Duration::from_secs(21), false);
    check(&mut log, "00000000000e-1", "(gap 1) ");
    check(&mut log, "00000000000e-2", "");
    log.push(0, &Id::Hub, None);
    check(&mut log, "00000000000e-1", "(gap 1) 3 ");
}

#[test]
fn a_frame_is_limited_and_shared() {
    let mut log = Log::new(1, Bounds { messages: 100, bytes: 1 << 20, ..BOUNDS }, false);
    for _ in 0..10 {
        log.push_data(0, &Id::None, None, &"x".repeat(9_996));
    }
    let frame = |log: &mut Log, after| log.rings[0].frame(Position::new(after));
    let sizes = [0, 3, 6, 9].map(|after| frame(&mut log, after).map_or(0, |frame| frame.bytes.len()));
    assert_eq!(sizes, [30_000, 30_000, 30_000, 10_000]);
    let [first, second] = [0, 0].map(|after| frame(&mut log, after).unwrap().bytes.as_ptr());
    assert_eq!(first, second, "joined once");
    log.push_data(0, &Id::None, None, &"x".repeat(99_996));
    assert_eq!(frame(&mut log, 9).unwrap().bytes.len(), 10_000);
    assert_eq!(frame(&mut log, 10).unwrap().bytes.len(), 100_000, "one message is sent whole");
    assert_eq!(frame(&mut log, 11), None);
}

/// Whatever message a subscriber begins with, the next frames are those of the others.
#[test]
fn messages_that_were_joined_once_stay_joined() {
    let mut log = Log::new(1, Bounds { messages: 100, bytes: 1 << 20, ..BOUNDS }, false);
    for _ in 0..20 {
        log.push_data(0, &Id::None, None, &"x".repeat(9_996));
    }
    let mut frame = |after| {
        let frame = log.rings[0].frame(Position::new(after)).unwrap();
        (frame.to.get(), frame.messages, frame.bytes)
    };
    let address = |bytes: &bytes::Bytes, offset: usize| bytes[offset..].as_ptr();
    let (to, messages, first) = frame(4);
    assert_eq!((to, messages), (7, 3));
    for (after, offset) in [(5, 10_000), (6, 20_000)] {
        let (to, messages, rest) = frame(after);
        assert_eq!((to, messages, rest.len()), (7, 7 - after, 30_000 - offset));
        assert_eq!(address(&rest, 0), address(&first, offset), "after {after}");
    }
    // It ends where the other one begins.
    let (to, messages, before) = frame(2);
    assert_eq!((to, messages, before.len()), (4, 2, 20_000));
    assert_eq!(address(&frame(3).2, 0), address(&before, 10_000));
    assert_eq!(address(&frame(4).2, 0), address(&first, 0));
    // The one after it, and what may still grow.
    assert_eq!((frame(7).0, frame(16).0, frame(19).0), (10, 19, 20));
}

#[test]
fn evicted_messages_give_their_segments_back() {
    let bounds = Bounds { messages: 6, bytes: 1 << 20, ..BOUNDS };
    let mut log = Log::new(1, bounds, false);
    let push = |log: &mut Log| log.push_data(0, &Id::None, None, &"x".repeat(9_996));
    for _ in 0..6 {
        push(&mut log);
    }
    let alone = log.rings[0].held();
    let mut after = 0;
    for _ in 0..30 {
        let frame = log.rings[0].frame(Position::new(after)).unwrap();
        assert_eq!(frame.bytes.len() as u64, 10_000 * frame.messages);
        // One frame more at most: of messages that were evicted before the others of their segment.
        assert!(log.rings[0].held() <= alone + 2 * FRAME, "{}", log.rings[0].held() - alone);
        after = frame.to.get().saturating_sub(1);
        push(&mut log);
    }
    (0..6).for_each(|_| push(&mut log));
    assert_eq!(log.rings[0].held(), alone);
}

#[test]
fn topics_are_read_as_one() {
    let mut log = Log::new(2, BOUNDS, false);
    for topic in [0, 1, 1, 0, 1] {
        log.push(topic, &Id::Hub, None);
    }
    check(&mut log, "00000000000e-0", "1 2 3 4 5 ");
    check(&mut log, "00000000000e-3", "4 5 ");
    // The second topic has evicted 2 and 3.
    log.push(1, &Id::Hub, None);
    log.push(1, &Id::Hub, None);
    check(&mut log, "00000000000e-0", "(gap ?) 1 4 5 6 7 ");
    check(&mut log, "00000000000e-2", "(gap ?) 4 5 6 7 ");
    check(&mut log, "00000000000e-3", "4 5 6 7 ");
}

#[test]
fn a_later_topic_reports_a_gap_of_an_earlier_one() {
    let mut log = Log::of(2);
    log.rings = vec![Ring::new(BOUNDS, false, Position::new(2), Share::default())];
    check(&mut log, "00000000000e-1", "(gap 1) ");
    check(&mut log, "00000000000e-2", "");
}

#[test]
fn the_latest_message_of_each_key_outlives_the_others() {
    let mut log = Log::new(1, Bounds { messages: 2, ..BOUNDS }, true);
    for key in ["a", "b", "a", "c", "a", "a"] {
        log.push(0, &Id::Hub, Some(key));
    }
    // The ring has 5 and 6.
    check(&mut log, "00000000000e-0", "2 4 5 6 ");
    check(&mut log, "00000000000e-2", "4 5 6 ");
    log.push(0, &Id::Hub, Some("b"));
    check(&mut log, "00000000000e-0", "4 6 7 ");
    log.push(0, &Id::Hub, None);
    check(&mut log, "00000000000e-0", "4 6 7 8 ");
    // No later message replaces one without a key.
    log.push(0, &Id::Hub, Some("b"));
    log.push(0, &Id::Hub, Some("b"));
    check(&mut log, "00000000000e-7", "(gap ?) 9 10 ");
    check(&mut log, "00000000000e-0", "(gap ?) 4 6 9 10 ");
}

#[test]
fn keys_are_limited() {
    let mut log = Log::new(1, Bounds { messages: 2, ..BOUNDS }, true);
    for key in ["a", "b", "c", "d", "e"] {
        log.push(0, &Id::Hub, Some(key));
    }
    check(&mut log, "00000000000e-1", "2 3 4 5 ");
    check(&mut log, "00000000000e-0", "(gap ?) 2 3 4 5 ");
    let mut log = Log::new(1, Bounds { messages: 10, bytes: 18, ..BOUNDS }, true);
    for key in ["a", "b", "c"] {
        log.push_data(0, &Id::None, Some(key), "12345");
    }
    check(&mut log, "00000000000e-1", "12345 12345 ");
}
