//! What a hub keeps, and how it is read: the bound of its memory.

mod common;

use std::fs;

use common::{Hub, assert_answers};

const JSON_LINES: &str = "Content-Type: application/x-ndjson";

/// How many bytes of memory a program has.
fn resident(hub: &Hub) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", hub.program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn all_histories_together_take_the_memory_that_they_may() {
    const MAX: usize = 16 << 20;

    /// Publishes some times the bound to many topics, in events of this size.
    #[track_caller]
    fn check(size: usize, have_ids: bool) {
        let hub = Hub::start(&["--max-memory", "16MiB", "--history", "1000000,16MiB"]);
        let begun = resident(&hub);
        let data = "x".repeat(size);
        let lines = (256 << 10) / (size + 20);
        for batch in 0..3 * MAX / (lines * (size + 300)) {
            let line = |number: usize| {
                let id = if have_ids { format!("\"id\":\"{batch}-{number}\",") } else { String::new() };
                format!("{{{id}\"data\":\"{data}\"}}\n")
            };
            let body: String = (0..lines).map(line).collect();
            let answer = hub.post(&format!("/topics/{}", batch % 500), &[JSON_LINES], &body);
            assert_answers(&answer, 200, "\"published\":");
        }
        let grown = resident(&hub) - begun;
        assert!((MAX / 2..MAX * 3 / 2).contains(&grown), "{size}: {grown}");
    }

    check(50, true);
    check(50, false);
    check(20_000, false);
}
