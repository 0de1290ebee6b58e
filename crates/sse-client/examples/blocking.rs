//! Follows a feed of prices, without async.
//!
//! ```sh
//! cargo run -p sse-client --features blocking,json --example blocking
//! ```
//!
//! The server of the example ends the feed with a 204.

mod server;

use std::process::ExitCode;

use serde::Deserialize;
use sse_client::{Error, EventSource};

#[derive(Deserialize)]
struct Price {
    name: String,
    cents: u32,
}

fn follow(url: &str) -> Result<(), Error> {
    for price in EventSource::get(url)?.json::<Price>().blocking() {
        match price {
            Ok(Price { name, cents }) => println!("{name}: {}.{:02}", cents / 100, cents % 100),
            // One event was skipped, and the next one follows.
            Err(error) if !error.is_final() => eprintln!("{error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let url = std::env::args().nth(1).map_or_else(|| server::start(prices), Ok);
    match url.map(|url| follow(&url)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Sends two prices in each connection.
fn prices(request: &server::Request) -> server::Answer {
    let events = match request.header("last-event-id") {
        "" => [r#"id: 1\nretry: 100\ndata: {"name":"tea","cents":1250}"#, r#"data: {"name":"tea"}"#],
        "1" => [r#"id: 2\ndata: {"name":"rice","cents":310}"#, r#"data: {"name":"tea","cents":1205}"#],
        _ => return ("204 No Content", "text/plain", Vec::new()),
    };
    server::stream(events.map(|event| event.replace("\\n", "\n") + "\n\n"))
}
