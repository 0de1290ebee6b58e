//! `sse listen A --json | sse publish B --json -`, from each kind of hub to each.

#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use common::{Hub, Redis, sse};

/// An id that no hub knows: the stream begins with a gap and all that is kept.
const FROM_THE_START: &str = "from-the-start";

/// A topic of a hub.
struct Place<'h> {
    hub: &'h Hub,
    topic: &'h str,
    /// Whether events may have ids of their own there.
    takes_ids: bool,
}

impl Place<'_> {
    fn url(&self) -> String {
        self.hub.url(&format!("/topics/{}", self.topic))
    }

    fn post(&self, query: &str, data: &str) {
        let answer = self.hub.post(&format!("/topics/{}?{query}", self.topic), &[], data);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The first events that are kept, without the gap before them: the type, the data, and the id if a publisher gave it.
    fn events(&self, count: usize) -> Vec<[String; 3]> {
        let path = format!("/topics/{}", self.topic);
        let stream = self.hub.send("GET", &path, &[&format!("Last-Event-ID: {FROM_THE_START}")], "");
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let (mut events, mut event) = (Vec::new(), <[String; 3]>::default());
        while events.len() <= count {
            let line = lines.next().expect("the stream ended");
            match line.split_once(": ").unwrap_or((&line, "")) {
                ("event", value) => value.clone_into(&mut event[0]),
                ("data", value) => event[1] += value,
                ("id", value) if value.starts_with("order-") => value.clone_into(&mut event[2]),
                ("", _) if !event[1].is_empty() => events.push(std::mem::take(&mut event)),
                _ => {}
            }
        }
        events.remove(0);
        events
    }
}

/// Pipes the first events of one topic into another, and gives what the publisher says.
fn pipe(from: &Place<'_>, to: &Place<'_>, count: usize) -> String {
    let (from, to, count) = (from.url(), to.url(), count.to_string());
    let arguments = ["listen", &from, "--json", "--quiet", "-n", &count, "--last-event-id", FROM_THE_START];
    let mut listener = sse(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = listener.stdout.take().unwrap();
    let output = sse(&["publish", &to, "--json", "-"]).stdin(lines).output().unwrap();
    assert!(listener.wait().unwrap().success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    stderr
}

/// Pipes the events of a topic twice, and checks the events of the other topic after each time.
#[track_caller]
fn check(from: &Place<'_>, to: &Place<'_>) {
    from.post("", "first");
    if from.takes_ids {
        from.post("id=order-1&type=order", "tea");
        from.post("id=order-1&type=order", "tea");
    } else {
        from.post("type=order", "tea");
    }
    from.post("", "last");

    let has_own_ids = from.takes_ids;
    let id = if has_own_ids && to.takes_ids { "order-1" } else { "" };
    let event = |event_type: &str, data: &str, id: &str| [event_type, data, id].map(str::to_owned);
    let gap = event("gap", "{\"missed\":null}", "");
    let (first, order, last) = (event("", "first", ""), event("order", "tea", id), event("", "last", ""));

    let said = pipe(from, to, 4);
    let once = [gap, first, order, last];
    assert_eq!(to.events(4), once);
    let note = said.contains("gives all ids itself, so the events go without theirs\n");
    assert_eq!(note, has_own_ids && !to.takes_ids, "{said}");
    assert!(said.contains("published 4 events; the id of the last is "), "{said}");

    // The same events again: those with ids of their publishers are repeats, if the hub accepts ids.
    let said = pipe(from, to, 4);
    let again = once.iter().filter(|[.., id]| id.is_empty()).cloned();
    let both: Vec<_> = once.iter().cloned().chain(again).collect();
    assert_eq!(to.events(both.len()), both, "{said}");
    let repeats =
        if id.is_empty() { "published 4 events;" } else { "published 3 events, and left out 1 repeat;" };
    assert!(said.contains(repeats), "{said}");
}

#[test]
fn events_go_from_any_hub_to_any_other_each_once() {
    let redis = Redis::start();
    let memory = [Hub::start(&[]), Hub::start(&[])];
    let logs = ["a", "b"].map(|name| Hub::start(&["--redis", &redis.url, "--namespace", name]));
    let place = |hub, topic, takes_ids| Place { hub, topic, takes_ids };
    let [one, other] = &memory;
    let [log, other_log] = &logs;
    check(&place(one, "to-memory", true), &place(other, "from-memory", true));
    check(&place(one, "here", true), &place(one, "there", true));
    check(&place(one, "to-redis", true), &place(log, "from-memory", false));
    check(&place(log, "to-memory", false), &place(one, "from-redis", true));
    check(&place(log, "here", false), &place(log, "there", false));
    check(&place(log, "to-redis", false), &place(other_log, "from-redis", false));
    let directory = tempfile::tempdir().unwrap();
    let disk = Hub::start(&["--data", directory.path().to_str().unwrap()]);
    check(&place(one, "to-disk", true), &place(&disk, "from-memory", true));
    check(&place(&disk, "to-memory", true), &place(one, "from-disk", true));
    check(&place(&disk, "to-redis", true), &place(log, "from-disk", false));
    check(&place(log, "to-disk", false), &place(&disk, "from-redis", true));
}

#[test]
fn two_logs_may_give_the_same_ids() {
    let hub = Hub::start(&[]);
    let line = |data: &str| format!("{{\"id\":\"1732550000000-0\",\"data\":\"{data}\"}}\n");
    let to = Place { hub: &hub, topic: "both", takes_ids: true };
    for data in ["of one", "of the other"] {
        let output = sse(&["publish", &to.url(), "--json", &line(data)]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let data: Vec<_> = to.events(2).into_iter().map(|[_, data, _]| data).collect();
    assert_eq!(data, ["of one", "of the other"]);
}
