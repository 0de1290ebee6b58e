//! `sse log`: what a directory of events holds, without a hub.

mod history;
mod listing;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use sse_disk::{DiskReader, OpenError, OpenErrorKind};
use sse_server::log::LogError;

use self::history::{Range, Since};
use crate::failure::{Exit, Failure};
use crate::units;

/// Show the events that a hub has kept in a directory (sse serve --data), and check them
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The directory, which no hub may use meanwhile
    directory: PathBuf,
    /// Print the events of this topic, oldest first; without it, list the topics
    topic: Option<String>,
    /// Only the newest N events
    #[arg(short = 'n', long, value_name = "N", requires = "topic", value_parser = units::at_least_one())]
    last: Option<usize>,
    /// Only events after the one with this id, or since this time, as 2026-01-31T12:00:00Z; id:ID is an id
    #[arg(long, value_name = "ID|TIME", requires = "topic", value_parser = history::since)]
    since: Option<Since>,
    /// One object of JSON on each line, of an event as `sse publish --json` reads it
    #[arg(long)]
    json: bool,
    /// Check everything: the file, each event, and that none is missing between others
    #[arg(long, conflicts_with_all = ["topic", "json"])]
    check: bool,
}

const AFTER_HELP: &str = "\
Nothing is changed, but the directory is locked meanwhile, so a hub that starts waits. Times are in UTC. What is missing or \
damaged between events is an event of the type gap. The code is 5 if --check finds a fault; it can't know of events that were \
cut off at the end.";

impl Options {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let history = DiskReader::open(&self.directory).map_err(|error| unopened(&error))?;
        let mut out: Box<dyn Write> = if self.json {
            Box::new(BufWriter::new(io::stdout()))
        } else {
            Box::new(BufWriter::new(anstream::AutoStream::auto(io::stdout())))
        };
        let out = &mut *out;
        if self.check {
            check(&history, out)?;
        } else if let Some(topic) = &self.topic {
            let range = Range { since: self.since, last: self.last };
            history::print(&history, topic, range, self.json, out)?;
        } else {
            let topics = history.topics().map_err(|error| failed(&error))?;
            let listed = if self.json { listing::json(out, &topics) } else { listing::table(out, &topics) };
            listed.map_err(|error| Failure::output(&error))?;
        }
        out.flush().map_err(|error| Failure::output(&error))
    }
}

/// Checks all, and prints each fault.
fn check(history: &DiskReader, out: &mut dyn Write) -> Result<(), Failure> {
    let file = history.file().display();
    let check = history.check().map_err(|error| failed(&error))?;
    let (entries, count) = (HumanCount(check.entries), HumanCount(check.count));
    let mut lines = check.faults.iter().try_for_each(|fault| writeln!(out, "{fault}"));
    if check.count == 0 {
        lines = writeln!(out, "{file} is whole: {entries} entries");
    }
    lines.and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    if check.count == 0 {
        return Ok(());
    }
    let faults = if check.count == 1 { "fault" } else { "faults" };
    Err(Failure::new(
        Exit::Incomplete,
        format!(
            "{file} has {count} {faults} in {entries} entries; restore a copy of the directory, or let a hub go on with \
             it, which tells subscribers of the gaps"
        ),
    ))
}

/// Why the directory can't be read, and what to do.
fn unopened(error: &OpenError) -> Failure {
    let path = error.path().display();
    let (exit, text) = match error.kind() {
        OpenErrorKind::InUse => (
            Exit::Failed,
            format!(
                "{path} is in use by another process; end that hub first, or ask it for its events, by `sse listen` \
                 or by `?poll`"
            ),
        ),
        OpenErrorKind::Missing => {
            (Exit::Usage, format!("{path} is not there, or is empty; name the directory of --data of a hub"))
        }
        OpenErrorKind::NotADirectory => {
            (Exit::Usage, format!("{path} is not a directory; name the directory of --data of a hub"))
        }
        OpenErrorKind::Foreign => {
            (Exit::Usage, format!("{path} is not of a hub; name the directory of --data of a hub"))
        }
        OpenErrorKind::Older => (
            Exit::Usage,
            format!(
                "{path} was written by an older version; start a hub with it once (sse serve --data), which brings it up \
                 to date"
            ),
        ),
        OpenErrorKind::Newer => (Exit::Usage, error.to_string()),
        OpenErrorKind::ReadOnly => (
            Exit::Failed,
            format!(
                "{path} can't be locked, as it may not be written; run this as the user of the hub, or copy the directory \
                 and name the copy"
            ),
        ),
        OpenErrorKind::Damaged => (Exit::Incomplete, error.to_string()),
        _ => (Exit::Failed, error.to_string()),
    };
    Failure::new(exit, text)
}

/// The disk has failed, or the file is damaged.
fn failed(error: &LogError) -> Failure {
    Failure::failed(error.to_string())
}
