//! Runs on a disk that lies or changes its bytes.

use sse_server::log::Entry;
use sse_testing::simulation::Simulation;

use super::disk::Faults;
use super::{Seen, Story};
use crate::builder::Durability;
use crate::error::OpenErrorKind;

/// Runs on a disk that reports flushes which it has not done, or changes its bytes.
fn damage(seed: u64) -> Seen {
    let mut run = Story::new(seed, Durability::Stored);
    let honest = run.rng.usize(..20);
    for step in 0..40 {
        if step == honest && run.rng.bool() {
            run.disk.set(Faults { lies: true, ..Faults::default() });
        }
        if run.rng.u32(..6) == 0 { run.tidy() } else { run.append() }
    }
    run.disk.lose_power();
    run.store = None;
    for _ in 0..run.rng.u32(..4) {
        run.disk.flip();
    }
    run.disk.set(Faults::default());
    match run.open() {
        Ok(store) => run.store = Some(store),
        Err(error) => {
            assert_ne!(error.kind(), OpenErrorKind::InUse);
            run.seen.count("not opened");
            return run.seen;
        }
    }
    let known = |entry: &Entry| {
        let place = run.stored.binary_search_by_key(&entry.position, |(position, _)| *position);
        let place = place.unwrap_or_else(|_| panic!("there was never an entry at {}", entry.position));
        assert_eq!(entry.record.as_ref(), Some(&run.stored[place].1), "{}", entry.position);
        place
    };
    let store = run.store.as_ref().unwrap();
    let mut tally = Seen::new();
    for (place, (position, _)) in run.stored.iter().enumerate().step_by(7) {
        match store.after(*position, 20) {
            Ok(Some(page)) => {
                let mut before = place;
                for entry in &page {
                    let place = known(entry);
                    let is_linked = entry.previous == run.stored[before].0;
                    assert!(
                        !is_linked || place == before + 1,
                        "what is missing before {} shows",
                        entry.position
                    );
                    tally.count(if is_linked { "linked" } else { "a gap" });
                    before = place;
                }
            }
            Ok(None) => tally.count("not known"),
            Err(_) => tally.count("not read"),
        }
    }
    for (_, record) in &run.stored {
        let Some(id) = record.id() else { continue };
        match store.find("topic", id.as_str()) {
            Ok(Some(position)) => {
                let place = run.stored.binary_search_by_key(&position, |(position, _)| *position).unwrap();
                assert_eq!(run.stored[place].1.id(), Some(id), "{position} is another message");
                tally.count("found");
            }
            Ok(None) => tally.count("not found"),
            Err(_) => tally.count("not read"),
        }
    }
    if let Ok(newest) = store.before(None, 1000) {
        for entry in &newest {
            known(entry);
        }
    }
    match store.ends(1000) {
        Ok(ends) => {
            for end in &ends {
                known(end);
            }
            tally.count(if ends.is_empty() { "no ends" } else { "ends" });
        }
        Err(_) => tally.count("ends not read"),
    }
    // The store goes on, or reports that it can't.
    let (batch, now) = (run.batch(0), run.now);
    let went_on = run.store().append(&[batch], now).is_ok();
    tally.count(if went_on { "went on" } else { "not appended" });
    tally += run.seen;
    tally
}

#[test]
fn a_damaged_disk_gives_no_wrong_event() {
    let Some(seen) = Simulation::new().runs(100).run(async |seed| damage(seed)) else { return };
    let expected =
        ["a gap", "ends", "found", "linked", "not found", "not known", "not opened", "not read", "went on"];
    seen.assert_seen(&expected);
}
