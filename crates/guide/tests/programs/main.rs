//! The programs of the guide as a reader meets them: each is run, and spoken to over a socket.

#![allow(missing_docs, reason = "tests")]

mod answer;
mod client;
mod dashboard;
mod many;
mod nginx;
mod program;
mod proxy;

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use sse_client::reqwest::{Client, Response};
use sse_client::{Error, Event, EventSource, client_builder};
use tokio::time::timeout;

/// For whatever a program does: long, because it is only waited for when something is wrong.
const SOON: Duration = Duration::from_secs(30);

/// The next event of a stream that goes on.
async fn next(source: &mut EventSource) -> Event {
    let event = timeout(SOON, source.next()).await.expect("an event comes soon");
    event.expect("the stream goes on").expect("no error")
}

/// The events of a stream up to its end.
async fn rest(mut events: impl Stream<Item = Result<Event, Error>> + Unpin) -> Vec<Event> {
    let read = async {
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            seen.push(event.expect("no error"));
        }
        seen
    };
    timeout(SOON, read).await.expect("the stream ends")
}

/// Checks the data of events.
#[track_caller]
fn check_data(events: &[Event], expected: &[&str]) {
    assert_eq!(events.iter().map(Event::data).collect::<Vec<_>>(), expected);
}

/// A client of the tests' own. With the features of the whole workspace, reqwest needs to be told which cryptography to
/// use, and `sse-client` does that.
fn http_client() -> Client {
    client_builder().build().expect("a client")
}

async fn post(url: &str, body: &str) -> Response {
    http_client().post(url).body(body.to_owned()).send().await.expect("an answer")
}
