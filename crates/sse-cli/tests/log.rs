//! `sse log`: a directory of a hub that has ended, listed, printed and checked.

mod common;

use std::fs;
use std::path::Path;

use common::{Hub, assert_fails, run};
use sse_disk::DiskLog;
use sse_server::{Message, Topics};

/// What it prints; it must succeed.
#[track_caller]
fn log(arguments: &[&str]) -> String {
    let output = run(&[&["log"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stderr, b"");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines without their times, which are RFC 3339 in UTC; each `~` is an id.
#[track_caller]
fn timeless(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let bare = word.trim_matches(['"', ',', '{', '}']);
        if bare.len() >= 20 && bare.ends_with('Z') && bare.as_bytes()[10] == b'T' {
            return "TIME".to_owned();
        }
        let is_id = bare.split_once('-').is_some_and(|(time, number)| {
            time.len() == 13
                && [time, number].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if is_id { "~".to_owned() } else { word.to_owned() }
    };
    text.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")).collect()
}

/// Replaces bytes of the file, once.
fn change(directory: &Path, from: &str, to: &str) {
    let file = directory.join("log.db");
    let mut bytes = fs::read(&file).unwrap();
    let place = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    fs::write(&file, bytes).unwrap();
}

#[test]
fn what_a_hub_has_kept_is_listed_printed_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let mut hub = Hub::start(&["--data", directory]);
    let first = hub.publish("news", "1");
    hub.post("/topics/news?type=price", &[], "two\n\u{1b}lines");
    hub.publish("caf%C3%A9", "closed");
    let last = hub.publish("news", "3");
    // As a crash leaves it.
    hub.program.kill();

    let table = log(&[directory]);
    let expected = ["MESSAGES BYTES OLDEST NEWEST ENDED TOPIC", "1 13 TIME TIME café", "3 52 TIME TIME news"];
    assert_eq!(timeless(&table), expected, "{table}");
    let lines: Vec<serde_json::Value> =
        log(&[directory, "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["topic"], &lines[0]["ended"]), (&"café".into(), &false.into()));
    assert_eq!((&lines[1]["messages"], &lines[1]["bytes"]), (&3.into(), &52.into()));

    let all = ["TIME message ~ 1", "TIME price ~", "two", "\\u{1b}lines", "TIME message ~ 3"];
    assert_eq!(timeless(&log(&[directory, "news"])), all);
    assert_eq!(timeless(&log(&[directory, "news", "--last", "2"])), all[1..]);
    assert_eq!(timeless(&log(&[directory, "news", "-n", "9"])), all);
    assert_eq!(timeless(&log(&[directory, "news", "--since", &first])), all[1..]);
    assert_eq!(timeless(&log(&[directory, "news", "--since", &first, "--last", "1"])), all[4..]);
    assert_eq!(timeless(&log(&[directory, "news", "--since", "2020-01-01T00:00:00Z"])), all);
    assert_eq!(log(&[directory, "news", "--since", "2200-01-01T00:00:00Z"]), "");
    assert_eq!(log(&[directory, "news", "--since", &last]), "");
    // Of a log that was deleted.
    let gap = r#"TIME gap {"missed":null}"#;
    assert_eq!(timeless(&log(&[directory, "news", "--since", "1732550000000-7"]))[0], gap);
    assert_eq!(timeless(&log(&[directory, "news", "--since", "9932550000000-7"])), [gap]);

    // As `sse publish --json` takes it.
    let json = log(&[directory, "news", "--json"]);
    let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&line["topic"], &line["id"], &line["data"]), (&"news".into(), &first.into(), &"1".into()));
    let copy = Hub::start(&[]);
    let headers = ["Content-Type: application/x-ndjson", "Accept: */*"];
    let ids = json.lines().map(|line| line.replace("\"id\"", "\"topic\"").replace("\"topic\":\"news\",", ""));
    let answer = copy.post("/topics/news", &headers, ids.collect::<Vec<_>>().join("\n"));
    assert!(answer.contains("\"published\":3"), "{answer}");

    let whole = log(&[directory, "--check"]);
    assert_eq!(whole, format!("{directory}/log.db is whole: 4 entries\n"));
    // It goes on.
    let hub = Hub::start(&["--data", directory]);
    hub.publish("news", "4");
    let text = "log.db is in use by another process; end that hub first, or ask it for its events";
    assert_fails(&run(&["log", directory]), 1, text);
}

#[test]
fn events_follow_the_one_with_a_publishers_id() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let mut hub = Hub::start(&["--data", directory]);
    for (path, data) in [
        ("/topics/orders?id=row-7", "paid"),
        ("/topics/other?id=row-8", "elsewhere"),
        ("/topics/orders?id=2026-01-31T12:00:00Z", "sent"),
        ("/topics/orders", "delivered"),
    ] {
        hub.post(path, &[], data);
    }
    hub.program.kill();
    let check = |since: &str, expected: &[&str]| {
        let events = log(&[directory, "orders", "--since", since]);
        let data: Vec<_> = events.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(data, expected, "{since}");
    };
    check("row-7", &["sent", "delivered"]);
    check("id:row-7", &["sent", "delivered"]);
    check("id:2026-01-31T12:00:00Z", &["delivered"]);
    check("2026-01-31T12:00:00Z", &["paid", "sent", "delivered"]);
    let text = "log.db remembers no event of the topic orders with the id row-8; write the id of an event";
    assert_fails(&run(&["log", directory, "orders", "--since", "row-8"]), 2, text);
}

#[tokio::test]
async fn an_end_is_listed_and_what_is_damaged_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let topics = Topics::builder().build_on(DiskLog::open(directory).unwrap()).await.unwrap();
    let [news, answer] = ["news", "answer"].map(|name| topics.route(name).unwrap());
    for data in ["first", "second", "third"] {
        news.publish(&Message::new(data)).unwrap();
    }
    answer.publish(&Message::new("done")).unwrap();
    answer.close().stored().await.unwrap();
    drop((news, answer, topics));
    let ended = ["1 11 TIME TIME yes answer", "3 37 TIME TIME news"];
    // The last handle of the log may be of a task that ends now.
    let table = loop {
        let output = run(&["log", directory]);
        if output.status.success() {
            break String::from_utf8(output.stdout).unwrap();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(timeless(&table)[1..], ended);

    change(folder.path(), "data: second", "data: zecond");
    let lines = ["TIME message ~ first", r#"TIME gap {"missed":null}"#, "TIME message ~ third"];
    assert_eq!(timeless(&log(&[directory, "news"])), lines);
    assert_eq!(timeless(&log(&[directory, "news", "--last", "1"])), lines[1..]);
    let gap: serde_json::Value =
        serde_json::from_str(log(&[directory, "news", "--json"]).lines().nth(1).unwrap()).unwrap();
    assert_eq!((&gap["type"], &gap["topic"]), (&"gap".into(), &serde_json::Value::Null));
    let checked = run(&["log", directory, "--check"]);
    let told = String::from_utf8(checked.stdout.clone()).unwrap();
    assert!(told.contains("is not as it was written; subscribers get a gap event"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    let silent = std::process::Output { stdout: Vec::new(), ..checked };
    assert_fails(&silent, 5, "log.db has 1 fault in 5 entries; restore a copy of the directory");
}

#[test]
fn what_can_not_be_read_is_one_line_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let directory = path.to_str().unwrap();
    let check = |arguments: &[&str], code: i32, text: &str| {
        assert_fails(&run(&[&["log"], arguments].concat()), code, text);
    };
    check(&[directory], 2, "data is not there, or is empty; name the directory of --data of a hub");
    fs::write(&path, "x").unwrap();
    check(&[directory, "--check"], 2, "data is not a directory; name the directory of --data");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    check(&[directory], 2, "log.db is not there, or is empty");
    fs::write(path.join("log.db"), "a letter to my aunt").unwrap();
    check(&[directory], 2, "log.db is not of a hub");
    fs::remove_file(path.join("log.db")).unwrap();

    let mut hub = Hub::start(&["--data", directory]);
    hub.publish("news", "1");
    hub.program.signal("TERM");
    assert!(hub.program.end().success());
    check(
        &[directory, "sport"],
        2,
        "log.db has nothing of the topic sport; without it, the topics are listed",
    );
    check(
        &[directory, "news", "--since", "yesterday"],
        2,
        "log.db remembers no event of the topic news with the id yesterday; write the id of an event, or a time as",
    );
    check(&[directory, "news", "--last", "0"], 2, "--last");
    check(&[directory, "--last", "1"], 2, "TOPIC");
    check(&[directory, "news", "--check"], 2, "cannot be used with");
    // What the hub has left in the write-ahead log comes into the file.
    drop(DiskLog::open(directory).unwrap());
    // The format is a number at this place of the file.
    let format = |change: i8| {
        let mut bytes = fs::read(path.join("log.db")).unwrap();
        bytes[63] = bytes[63].wrapping_add_signed(change);
        fs::write(path.join("log.db"), bytes).unwrap();
    };
    format(1);
    check(&[directory], 2, "was written by a newer version of this program; use that one");
    format(-3);
    check(&[directory], 2, "was written by an older version; start a hub with it once");
    format(2);
    fs::OpenOptions::new().write(true).open(path.join("log.db")).unwrap().set_len(4096).unwrap();
    check(&[directory], 5, "log.db is damaged");
}
