//! Helpers of the client's tests.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, IntoUrl, Response};
use sse_client::{Error, EventSource, EventSourceBuilder, Notice, Reconnect};
pub use sse_testing::{Answer, Server};

/// Returns a client of the crate. A default client of reqwest has no provider of cryptography here.
pub fn client() -> Client {
    sse_client::client_builder().build().unwrap()
}

/// Sends a `GET`.
pub async fn get(url: impl IntoUrl) -> reqwest::Result<Response> {
    client().get(url).send().await
}

/// Returns an event stream with this body, which then ends.
pub fn stream(body: &str) -> Answer {
    Answer::stream(body)
}

/// Returns a response with this status line, headers and body.
pub fn response(text: &str) -> Answer {
    Answer::response(text)
}

/// Returns bytes as an answer, which need not be a response.
pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer::raw(bytes)
}

/// Returns a status without a body.
pub fn status(status: u16) -> Answer {
    Answer::status(status)
}

/// Returns a redirect to this location.
pub fn redirect(status: u16, location: &str) -> Answer {
    Answer::redirect(status, location)
}

/// Sources that read from a server.
pub trait Sources {
    /// Returns the builder of a source with short waits.
    fn builder(&self) -> EventSourceBuilder;

    /// Returns a source with short waits.
    fn source(&self) -> EventSource {
        self.source_with(quick())
    }

    fn source_with(&self, policy: Reconnect) -> EventSource {
        self.builder().reconnect(policy).build().unwrap()
    }
}

impl Sources for Server {
    fn builder(&self) -> EventSourceBuilder {
        let client = client();
        let request = client.get(self.url("/events")).build().unwrap();
        EventSource::builder(client, request).reconnect(quick())
    }
}

/// Returns the default policy with short waits.
pub fn quick() -> Reconnect {
    let millisecond = Duration::from_millis(1);
    Reconnect::new().backoff(millisecond..=4 * millisecond).reconnection_times(millisecond..=millisecond)
}

/// Waits for a future that is ready at once unless something is wrong.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it comes soon")
}

/// Returns the data and the last event ID of the next event.
pub async fn next(source: &mut EventSource) -> (String, String) {
    let event = soon(source.next()).await.expect("not the end").expect("no error");
    (event.data().to_owned(), event.last_event_id().to_owned())
}

pub fn event(data: &str, id: &str) -> (String, String) {
    (data.to_owned(), id.to_owned())
}

/// Returns the next item, which must be an error, and checks that the source then ends.
pub async fn last_error(source: &mut EventSource) -> Error {
    let error = soon(source.next()).await.expect("not the end").expect_err("no event");
    assert!(error.is_final(), "{error:?}");
    assert!(soon(source.next()).await.is_none(), "the end follows {error:?}");
    error
}

/// Returns the name of an error's variant.
pub fn name(error: &Error) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// A list of what happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    pub fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Returns an observer that notes connections, waits and the end, with their causes.
    pub fn observer(&self) -> impl FnMut(Notice<'_>) + Send + 'static {
        let log = self.clone();
        let after = |what: &str, error: Option<&Error>| match error {
            None => what.to_owned(),
            Some(error) => format!("{what} after {}", name(error)),
        };
        move |notice| match notice {
            Notice::Opened { .. } => log.add("opened"),
            Notice::Waiting { cause, .. } => log.add(after("wait", cause)),
            Notice::Closed(error) => log.add(after("closed", error)),
            _ => {}
        }
    }
}
