//! The topics of a history, as a table and as JSON.

use std::io::{self, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;
use sse_disk::DiskTopic;

use crate::visible::Visible;

/// A topic as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    messages: u64,
    bytes: u64,
    oldest: String,
    newest: String,
    ended: bool,
}

/// Prints a line for each topic, below one that names the columns.
pub(super) fn table(out: &mut dyn Write, topics: &[DiskTopic]) -> io::Result<()> {
    let rows: Vec<_> = topics
        .iter()
        .map(|topic| {
            let ended = if topic.is_ended { "yes" } else { "" };
            let (oldest, newest) = (seconds(topic.oldest), seconds(topic.newest));
            let name = Visible(&topic.name).to_string();
            [topic.messages.to_string(), topic.bytes.to_string(), oldest, newest, ended.to_owned(), name]
        })
        .collect();
    let head = ["MESSAGES", "BYTES", "OLDEST", "NEWEST", "ENDED", "TOPIC"];
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].len());
        widths.max().unwrap_or_default().max(head[column].len())
    };
    let [messages, bytes, oldest, newest] = [width(0), width(1), width(2), width(3)];
    let mut line = |row: [&str; 6]| {
        let [of_messages, of_bytes, first, last, ended, name] = row;
        writeln!(
            out,
            "{of_messages:>messages$}  {of_bytes:>bytes$}  {first:oldest$}  {last:newest$}  {ended:5}  {name}"
        )
    };
    line(head)?;
    rows.iter().try_for_each(|row| line(row.each_ref().map(String::as_str)))
}

/// Prints an object of JSON for each topic.
pub(super) fn json(out: &mut dyn Write, topics: &[DiskTopic]) -> io::Result<()> {
    topics.iter().try_for_each(|topic| {
        let line = Line {
            topic: &topic.name,
            messages: topic.messages,
            bytes: topic.bytes,
            oldest: seconds(topic.oldest),
            newest: seconds(topic.newest),
            ended: topic.is_ended,
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    })
}

/// A time as RFC 3339 has it, in UTC, to the second.
fn seconds(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| "-".to_owned(), |time| format!("{time:.0}"))
}
