//! A server that answers each connection as it is told.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

use std::time::Duration;

use sse_client::{EventSource, Reconnect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How a connection is answered: with these bytes, and then it is closed or held open.
pub struct Answer {
    bytes: Vec<u8>,
    hold: bool,
}

/// An event stream with this body, which then ends.
pub fn stream(body: &str) -> Answer {
    response(&format!("200 OK\r\nContent-Type: text/event-stream\r\n\r\n{body}"))
}

/// A response of this status line, headers and body.
pub fn response(text: &str) -> Answer {
    Answer { bytes: format!("HTTP/1.1 {text}").into_bytes(), hold: false }
}

/// A status without a body.
pub fn status(status: u16) -> Answer {
    response(&format!("{status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
}

impl Answer {
    /// Nothing follows, but the connection stays.
    pub fn held(mut self) -> Self {
        self.hold = true;
        self
    }
}

pub struct Server {
    pub url: String,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Server {
    /// Answers one connection after the other; afterwards nobody listens.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::unbounded_channel();
        let answers: Vec<Answer> = answers.into_iter().collect();
        tokio::spawn(async move {
            let mut held = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                sender.send(read_request(&mut stream).await).unwrap();
                stream.write_all(&answer.bytes).await.unwrap();
                if answer.hold {
                    held.push(stream);
                }
            }
            drop(listener);
            sender.closed().await;
        });
        Self { url, requests }
    }

    /// The head of the next request, in lower case.
    pub async fn request(&mut self) -> String {
        soon(self.requests.recv()).await.expect("the server runs").to_lowercase()
    }

    /// A source with short waits.
    pub fn source(&self) -> EventSource {
        self.source_with(quick())
    }

    pub fn source_with(&self, policy: Reconnect) -> EventSource {
        let client = reqwest::Client::new();
        let request = client.get(&self.url).build().unwrap();
        EventSource::builder(client, request).reconnect(policy).build().unwrap()
    }
}

/// The default policy in small.
pub fn quick() -> Reconnect {
    let millisecond = Duration::from_millis(1);
    Reconnect::new().backoff(millisecond..=4 * millisecond).reconnection_times(millisecond..=millisecond)
}

/// Reads a request and returns its head.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    // What is left unread when a connection is closed would reset it.
    if let Some(length) =
        head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
    {
        stream.read_exact(&mut vec![0; length]).await.unwrap();
    }
    head
}

/// Waits for what comes at once unless something is wrong.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it comes soon")
}

/// Data and last event ID of the next event.
pub async fn next(source: &mut EventSource) -> (String, String) {
    let event = soon(source.next()).await.expect("not the end").expect("no error");
    (event.data().to_owned(), event.last_event_id().to_owned())
}

pub fn event(data: &str, id: &str) -> (String, String) {
    (data.to_owned(), id.to_owned())
}
