//! The server of an example, so that the example runs by itself. Do not copy it; use `sse-server`.

#![allow(dead_code, unreachable_pub, reason = "each example uses a part of this")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// A request.
pub struct Request {
    /// The method and the path, such as `POST /v1/chat/completions`.
    pub line: String,
    headers: Vec<String>,
    pub body: String,
}

impl Request {
    /// Returns the value of a header, or empty text.
    pub fn header(&self, name: &str) -> &str {
        let named = self.headers.iter().filter_map(|header| header.split_once(':'));
        named
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
            .unwrap_or("")
    }
}

/// An answer: the status, the content type, and the pieces of the body, which are sent with short pauses.
pub type Answer = (&'static str, &'static str, Vec<String>);

/// Returns an event stream.
pub fn stream(events: impl IntoIterator<Item = String>) -> Answer {
    ("200 OK", "text/event-stream", events.into_iter().collect())
}

/// Answers requests on a free port, and returns its URL.
pub fn start(answer: fn(&Request) -> Answer) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    Ok(format!("http://{address}"))
}

fn serve(mut stream: TcpStream, answer: fn(&Request) -> Answer) -> io::Result<()> {
    let request = read(&stream)?;
    let (status, content_type, pieces) = answer(&request);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n")?;
    for piece in pieces {
        stream.write_all(piece.as_bytes())?;
        thread::sleep(Duration::from_millis(20));
    }
    stream.shutdown(Shutdown::Write)
}

fn read(stream: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let head: Vec<String> = reader
        .by_ref()
        .lines()
        .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
        .collect::<io::Result<_>>()?;
    let line = head.first().map_or("", |line| line.trim_end_matches(" HTTP/1.1")).to_owned();
    let mut request = Request { line, headers: head, body: String::new() };
    let length = request.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_string(&mut request.body)?;
    Ok(request)
}
