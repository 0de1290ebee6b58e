//! A server that answers each connection as it is told.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sse_client::{Error, EventSource, EventSourceBuilder, Notice, Reconnect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How a connection is answered: with these bytes, and then it is closed, or something else happens to it.
pub struct Answer {
    bytes: Vec<u8>,
    then: Option<Then>,
}

type Then = Box<dyn FnOnce(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// An event stream with this body, which then ends.
pub fn stream(body: &str) -> Answer {
    response(&format!("200 OK\r\nContent-Type: text/event-stream\r\n\r\n{body}"))
}

/// A response of this status line, headers and body.
pub fn response(text: &str) -> Answer {
    raw(format!("HTTP/1.1 {text}"))
}

/// Bytes, which need not be a response.
pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer { bytes: bytes.into(), then: None }
}

/// A status without a body.
pub fn status(status: u16) -> Answer {
    response(&format!("{status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
}

/// A redirect to there.
pub fn redirect(status: u16, location: &str) -> Answer {
    response(&format!("{status} -\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
}

impl Answer {
    /// Nothing follows, but the connection stays until the client hangs up.
    pub fn held(self) -> Self {
        self.then(async |mut stream| _ = stream.read(&mut [0]).await)
    }

    /// The connection is reset: what the client has not read yet may be lost.
    pub fn reset(self) -> Self {
        self.then(async |stream| socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap())
    }

    /// This follows again and again, until the client hangs up.
    pub fn endless(self, bytes: &str) -> Self {
        let bytes = bytes.repeat(4096 / bytes.len()).into_bytes();
        self.then(async move |mut stream| while stream.write_all(&bytes).await.is_ok() {})
    }

    /// What happens to the connection afterwards.
    pub fn then<F, R>(mut self, then: F) -> Self
    where
        F: FnOnce(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.then = Some(Box::new(|stream| Box::pin(then(stream))));
        self
    }

    /// Only so many bytes of it.
    pub fn cut(mut self, length: usize) -> Self {
        self.bytes.truncate(length);
        self
    }

    async fn give(self, mut stream: TcpStream) {
        // The client may have hung up.
        _ = stream.write_all(&self.bytes).await;
        if let Some(then) = self.then {
            tokio::spawn(then(stream));
        }
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
        let answers: Vec<Answer> = answers.into_iter().collect();
        let mut answers = answers.into_iter();
        Self::on(listener, answers.len(), move |_, _| answers.next().unwrap())
    }

    /// Answers each request as `answer` says, which is told how many there were before it, and its head in lower case.
    pub async fn answering(answer: impl FnMut(usize, &str) -> Answer + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), usize::MAX, answer)
    }

    /// The same at this address, and so many times.
    pub fn on(
        listener: TcpListener,
        times: usize,
        mut answer: impl FnMut(usize, &str) -> Answer + Send + 'static,
    ) -> Self {
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut number = 0;
            while number < times {
                let (mut stream, _) = listener.accept().await.unwrap();
                // A client that does not even ask is none.
                let Ok(request) = read_request(&mut stream).await else { continue };
                let answer = answer(number, &request);
                // Who has heard enough does not listen any more.
                _ = sender.send(request);
                answer.give(stream).await;
                number += 1;
            }
            drop(listener);
            sender.closed().await;
        });
        Self { url, requests }
    }

    /// The head of the next request, in lower case, with the body if there is one.
    pub async fn request(&mut self) -> String {
        soon(self.requests.recv()).await.expect("the server runs")
    }

    /// How many requests there were beyond those that were looked at.
    pub fn more_requests(&self) -> usize {
        self.requests.len()
    }

    /// A source with short waits.
    pub fn source(&self) -> EventSource {
        self.source_with(quick())
    }

    pub fn source_with(&self, policy: Reconnect) -> EventSource {
        self.builder().reconnect(policy).build().unwrap()
    }

    /// A source with short waits, and what else a test sets.
    pub fn builder(&self) -> EventSourceBuilder {
        let client = reqwest::Client::new();
        let request = client.get(&self.url).build().unwrap();
        EventSource::builder(client, request).reconnect(quick())
    }
}

/// The default policy in small.
pub fn quick() -> Reconnect {
    let millisecond = Duration::from_millis(1);
    Reconnect::new().backoff(millisecond..=4 * millisecond).reconnection_times(millisecond..=millisecond)
}

/// Reads a request: its head, and its body. In lower case.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let mut request = String::from_utf8(head).unwrap().to_lowercase();
    // What is left unread when a connection is closed would reset it.
    if let Some(length) = header(&request, "content-length") {
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await?;
        request.push_str(&String::from_utf8(body).unwrap().to_lowercase());
    }
    Ok(request)
}

/// The value of a header of a request in lower case.
pub fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let head = request.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
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

/// The error that comes next, which the end follows.
pub async fn last_error(source: &mut EventSource) -> Error {
    let error = soon(source.next()).await.expect("not the end").expect_err("no event");
    assert!(error.is_final(), "{error:?}");
    assert!(soon(source.next()).await.is_none(), "the end follows {error:?}");
    error
}

/// Which error it is: the name of its variant.
pub fn name(error: &Error) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    pub fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Notes connections, waits and the end, with their causes.
    pub fn observer(&self) -> impl FnMut(Notice<'_>) + Send + 'static {
        let log = self.clone();
        let after = |what: &str, error: Option<&Error>| match error {
            None => what.to_owned(),
            Some(error) => format!("{what} after {}", name(error)),
        };
        move |notice| match notice {
            Notice::Opened => log.add("opened"),
            Notice::Waiting { cause, .. } => log.add(after("wait", cause)),
            Notice::Closed(error) => log.add(after("closed", error)),
            _ => {}
        }
    }
}
