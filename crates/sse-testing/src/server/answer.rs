//! The answers of a test server.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// An answer of a [`Server`](super::Server) to one request: the bytes that it writes, and how it ends the connection.
///
/// After its bytes, an answer closes the connection, unless [`held`](Self::held), [`reset`](Self::reset),
/// [`endless`](Self::endless), [`live`](Self::live), [`keep_alive`](Self::keep_alive) or [`then`](Self::then) sets
/// another end. Of these calls, the last one counts.
#[must_use]
pub struct Answer {
    steps: Vec<Step>,
    /// The pause before each byte. Without a pause, all bytes of a step are written at once.
    drip: Option<Duration>,
    end: End,
}

enum Step {
    Write(Vec<u8>),
    Pause(Duration),
}

enum End {
    Close,
    Reset,
    Hold,
    KeepAlive,
    Endless(Vec<u8>),
    Live(Receiver<Vec<u8>>),
    Then(Box<dyn FnOnce(TcpStream) + Send>),
}

/// What happens on a connection after an answer.
pub(super) enum Next {
    Request(TcpStream),
    End,
}

impl Answer {
    /// Returns an event stream with this body. It ends with the connection.
    pub fn stream(body: &str) -> Self {
        Self::response(&format!("200 OK\r\nContent-Type: text/event-stream\r\n\r\n{body}"))
    }

    /// Returns an empty response with this status, such as `204`.
    pub fn status(status: u16) -> Self {
        Self::response(&format!("{status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    }

    /// Returns a redirect to this location.
    pub fn redirect(status: u16, location: &str) -> Self {
        let rest = "Content-Length: 0\r\nConnection: close\r\n\r\n";
        Self::response(&format!("{status} -\r\nLocation: {location}\r\n{rest}"))
    }

    /// Returns a response with these headers and this body. `text` follows `HTTP/1.1 `, as in `"200 OK\r\nContent-Type:
    /// text/html\r\n\r\n<p>Hello"`.
    pub fn response(text: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {text}"))
    }

    /// Returns an answer of any bytes, which need not be a response.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], drip: None, end: End::Close }
    }

    /// Adds bytes to the end of the answer.
    pub fn and(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Write(bytes.into()));
        self
    }

    /// Adds a pause at the end of the answer, during which nothing is written.
    pub fn pause(mut self, time: Duration) -> Self {
        self.steps.push(Step::Pause(time));
        self
    }

    /// Cuts the answer: only its first `length` bytes so far are written. The head of the response counts, too.
    pub fn cut(mut self, mut length: usize) -> Self {
        for step in &mut self.steps {
            if let Step::Write(bytes) = step {
                bytes.truncate(length);
                length -= bytes.len();
            }
        }
        self
    }

    /// Writes each byte on its own, after this pause.
    pub fn drip(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Keeps the connection open, without writing more, until the client closes it.
    pub fn held(mut self) -> Self {
        self.end = End::Hold;
        self
    }

    /// Resets the connection after the answer. Bytes that the client has not read by then may be lost.
    pub fn reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// Writes these bytes again and again, until the client closes the connection.
    pub fn endless(mut self, bytes: &str) -> Self {
        self.end = End::Endless(bytes.repeat(4096 / bytes.len().max(1) + 1).into_bytes());
        self
    }

    /// Writes the bytes that the test sends to this receiver, until its senders are dropped or the client closes the
    /// connection.
    pub fn live(mut self, bytes: Receiver<Vec<u8>>) -> Self {
        self.end = End::Live(bytes);
        self
    }

    /// Waits for the next request on this connection. The response must say where it ends, by a `Content-Length` or by
    /// chunks.
    pub fn keep_alive(mut self) -> Self {
        self.end = End::KeepAlive;
        self
    }

    /// Gives the connection to a closure. It runs on the thread of the connection and may block.
    pub fn then(mut self, then: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        self.end = End::Then(Box::new(then));
        self
    }

    pub(super) fn give(self, mut stream: TcpStream) -> Next {
        let Self { steps, drip, end } = self;
        for step in steps {
            let done = match step {
                Step::Pause(time) => {
                    thread::sleep(time);
                    Ok(())
                }
                Step::Write(bytes) => write(&mut stream, &bytes, drip),
            };
            // The client has closed the connection. A closure is called all the same, because it may report that.
            if done.is_err() {
                break;
            }
        }
        match end {
            End::Close => {}
            End::KeepAlive => return Next::Request(stream),
            End::Hold => while stream.read(&mut [0; 64]).is_ok_and(|length| length > 0) {},
            End::Reset => _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
            End::Endless(bytes) => while stream.write_all(&bytes).is_ok() {},
            End::Live(chunks) => _ = chunks.iter().try_for_each(|bytes| write(&mut stream, &bytes, drip)),
            End::Then(then) => then(stream),
        }
        Next::End
    }
}

fn write(stream: &mut TcpStream, bytes: &[u8], drip: Option<Duration>) -> io::Result<()> {
    let Some(pause) = drip else { return stream.write_all(bytes) };
    bytes.iter().try_for_each(|byte| {
        thread::sleep(pause);
        stream.write_all(&[*byte])
    })
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.steps.iter().map(Step::len).sum();
        f.debug_struct("Answer").field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl Step {
    fn len(&self) -> usize {
        if let Self::Write(bytes) = self { bytes.len() } else { 0 }
    }
}
