//! Prints the events of any URL as they come, and goes on when the server comes back.
//!
//! ```sh
//! cargo run -p sse-client --example tail -- http://127.0.0.1:8080/events [LAST-EVENT-ID]
//! ```
//!
//! Events go to stdout; what happens to the connection, heartbeats too, goes to stderr.

use std::error::Error;

use reqwest::Client;
use sse_client::{EventId, EventSource, Notice};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("say which URL: tail URL [LAST-EVENT-ID]")?;
    let client = Client::new();
    let request = client.get(&url).build()?;
    let mut source = EventSource::builder(client, request).observer(report);
    if let Some(id) = arguments.next() {
        source = source.last_event_id(EventId::try_from(id)?);
    }
    let mut source = source.build()?;
    while let Some(event) = source.next().await {
        let event = event?;
        let mut lines = event.data_lines();
        println!(
            "{:>16} {:>8} {}",
            event.last_event_id(),
            event.event_type(),
            lines.next().unwrap_or_default()
        );
        lines.for_each(|line| println!("{:>16} {:>8} {line}", "", ""));
    }
    eprintln!("-- the server says that there is no more");
    Ok(())
}

/// Tells what happens to the connection.
fn report(notice: Notice<'_>) {
    match notice {
        Notice::Opened => eprintln!("-- connected"),
        Notice::Received(bytes) if is_comment(bytes) => eprintln!("-- heartbeat"),
        Notice::Waiting { delay, cause, .. } => {
            let cause = cause.map_or_else(|| "the stream ended".to_owned(), ToString::to_string);
            eprintln!("-- {cause}; again in {:.1} s", delay.as_secs_f64());
        }
        Notice::LastEventIdNotSent(id) => {
            eprintln!("-- no header can hold the id {id:?}: events may be missing");
        }
        _ => {}
    }
}

/// Whether there is nothing but comments in it.
fn is_comment(bytes: &[u8]) -> bool {
    bytes.split(|byte| b"\r\n".contains(byte)).all(|line| line.is_empty() || line.starts_with(b":"))
}
