//! Prints the events of a URL, and resumes when the server or the program restarts.
//!
//! ```sh
//! cargo run -p sse-client --example tail -- http://127.0.0.1:8080/events [STATE-FILE]
//! ```
//!
//! The file stores the id of the last printed event, so that the next run of the program goes on after it.
//!
//! Events are printed to stdout. Connections, waits and heartbeats are printed to stderr.

// region: program
use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sse_client::{Event, EventSource, Notice};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let url = arguments.next().and_then(|url| url.into_string().ok());
    let url = url.ok_or("the URL is missing: tail URL [STATE-FILE]")?;
    let state = arguments.next().map(PathBuf::from);
    let id = state.as_deref().map(load).transpose()?.unwrap_or_default();
    let mut source = EventSource::builder_for(&url)?.stored_event_id(&id)?.on_notice(report).build()?;
    while let Some(event) = source.next().await {
        print(&event?);
        if let Some(state) = &state {
            store(state, source.last_event_id())?;
        }
    }
    eprintln!("-- the server has no more events");
    Ok(())
}

fn print(event: &Event) {
    let mut lines = event.data_lines();
    println!("{:>16} {:>8} {}", event.last_event_id(), event.event_type(), lines.next().unwrap_or_default());
    lines.for_each(|line| println!("{:>16} {:>8} {line}", "", ""));
}

/// Returns the stored id, or empty text if there is none yet.
fn load(state: &Path) -> io::Result<String> {
    match fs::read_to_string(state) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Stores the id by renaming a file, because a file that is half written would hold another id.
fn store(state: &Path, id: &str) -> io::Result<()> {
    let mut new = state.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, id)?;
    fs::rename(&new, state)
}

/// Prints what happens to the connection.
fn report(notice: Notice<'_>) {
    match notice {
        Notice::Received(bytes) if is_comment(bytes) => eprintln!("-- heartbeat"),
        Notice::Opened { .. } | Notice::Waiting { .. } | Notice::LastEventIdNotSent(_) => {
            eprintln!("-- {notice}");
        }
        _ => {}
    }
}

/// Returns true if the bytes are only comments.
fn is_comment(bytes: &[u8]) -> bool {
    bytes.split(|byte| b"\r\n".contains(byte)).all(|line| line.is_empty() || line.starts_with(b":"))
}
// endregion
