//! A model of what subscribers read: messages, ids and subscribers at random.

use std::time::Duration;

use proptest::prelude::*;

use super::super::merge;
use super::{BOUNDS, Id, Log};
use crate::history::{Bounds, Cursor, FRAME, Position};

#[derive(Clone, Debug)]
enum Step {
    Publish { topic: usize, id: u8 },
    Read(usize),
    Resume(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..3, 0u8..3).prop_map(|(topic, id)| Step::Publish { topic, id }),
        4 => (0usize..4).prop_map(Step::Read),
        2 => (0usize..4).prop_map(Step::Resume),
        1 => (0u64..4).prop_map(Step::Wait),
    ]
}

/// A subscriber, and the numbers that it must have seen.
struct Reader {
    cursor: Cursor,
    /// The newest number that it has seen, or was told of by a gap.
    seen: u64,
}

proptest! {
    /// However messages are published, joined and evicted, a frame has the next messages, and is not too large.
    #[test]
    fn a_frame_has_the_messages_after_any_position(
        steps in prop::collection::vec((prop::option::of(0usize..12_000), 0u64..60), 1..120),
    ) {
        let mut log = Log::new(1, Bounds { messages: 30, bytes: 150_000, ..BOUNDS }, false);
        for (size, back) in steps {
            if let Some(size) = size {
                log.push_data(0, &Id::None, None, &"x".repeat(size));
            }
            let after = Position::new(log.last.get().saturating_sub(back));
            let ring = &mut log.rings[0];
            let expected: Vec<_> =
                ring.after(after).map(|kept| (kept.position, kept.block.bytes().clone())).collect();
            let Some(frame) = ring.frame(after) else {
                prop_assert!(expected.is_empty());
                continue;
            };
            let messages = usize::try_from(frame.messages).unwrap();
            prop_assert_eq!(frame.to, expected[messages - 1].0);
            let bytes: Vec<_> = expected[..messages].iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
            prop_assert!(frame.bytes == bytes, "after {}", after);
            prop_assert!(messages == 1 || bytes.len() <= FRAME);
        }
    }
}

proptest! {
    /// Subscribers come, go, lag and resume at random. Each sees every number once and in order, or is told of a
    /// gap. The numbers in a gap are indeed no longer kept. With one topic, the gap counts them.
    #[test]
    fn every_number_is_read_once_or_is_in_a_gap(
        topics in 1usize..4,
        messages in 1usize..6,
        bytes in 1usize..40,
        age in prop::option::of(1u64..5),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let bounds = Bounds { messages, bytes: bytes * 4, age: age.map(Duration::from_secs), burst: 0 };
        let mut log = Log::new(topics, bounds, false);
        let mut readers: Vec<_> = (0..4).map(|_| Reader { cursor: log.resume(""), seen: 0 }).collect();
        for step in steps {
            match step {
                Step::Publish { topic, id } => {
                    let number = log.last.next();
                    let id = [Id::Hub, Id::Own(number.to_string()), Id::None][usize::from(id)].clone();
                    log.push(topic % topics, &id, None);
                }
                Step::Read(reader) => {
                    let Reader { cursor, seen } = &mut readers[reader];
                    let kept: Vec<u64> =
                        merge(log.rings.iter(), Position::new(*seen)).map(|(_, entry)| entry.position.get()).collect();
                    let lost = log.last.get() - *seen - kept.len() as u64;
                    let read = log.read(cursor);
                    let (gaps, numbers): (Vec<_>, Vec<_>) =
                        read.split_inclusive(' ').partition(|word| word.starts_with("(gap") || word.ends_with(") "));
                    let numbers: Vec<u64> = numbers.iter().map(|number| number.trim().parse().unwrap()).collect();
                    prop_assert_eq!(numbers, kept, "kept numbers are read, once and in order");
                    prop_assert_eq!(gaps.is_empty(), lost == 0, "evicted numbers are a gap: {}", read);
                    if topics == 1 && lost > 0 {
                        prop_assert_eq!(gaps.concat(), format!("(gap {lost}) "));
                    }
                    *seen = log.last.get();
                }
                Step::Resume(reader) => {
                    let Reader { cursor, seen } = &mut readers[reader];
                    *cursor = log.resume(Log::epoch().id(Position::new(*seen)).as_str());
                }
                Step::Wait(seconds) => {
                    log.now += Duration::from_secs(seconds);
                    let now = log.now;
                    log.rings.iter_mut().for_each(|ring| ring.trim(now, false));
                }
            }
        }
    }

    /// A subscriber that reads at random gets the latest message of each key at the end, if there is room for the
    /// keys.
    #[test]
    fn the_latest_of_each_key_arrives(
        messages in 4usize..8, steps in prop::collection::vec((0usize..4, any::<bool>()), 1..100),
    ) {
        let mut log = Log::new(1, Bounds { messages, ..BOUNDS }, true);
        let mut cursor = log.resume("");
        let (mut sent, mut seen) = ([0; 4], [0; 4]);
        let mut keys = vec![0];
        for (key, reads) in steps {
            log.push(0, &Id::Hub, Some(["a", "b", "c", "d"][key]));
            sent[key] = log.last.get();
            keys.push(key);
            if reads {
                for number in log.read(&mut cursor).split_whitespace() {
                    let number: u64 = number.parse().expect("no gap");
                    let key = keys[usize::try_from(number).unwrap()];
                    prop_assert!(seen[key] < number, "in order and once");
                    seen[key] = number;
                }
                prop_assert_eq!(seen, sent);
            }
        }
    }
}
