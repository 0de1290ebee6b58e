//! What a server of a test does with a request.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// What a [`Server`](super::Server) does with one request: which bytes it writes, and what becomes of the connection.
///
/// After its bytes, an answer closes the connection, unless one of [`held`](Self::held), [`reset`](Self::reset),
/// [`endless`](Self::endless), [`live`](Self::live), [`keep_alive`](Self::keep_alive) and [`then`](Self::then) says
/// otherwise. Of these, the last call counts.
#[must_use]
pub struct Answer {
    steps: Vec<Step>,
    /// The pause before each byte. Without one, all bytes of a step are written at once.
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

/// What follows an answer on its connection.
pub(super) enum Next {
    Request(TcpStream),
    End,
}

impl Answer {
    /// An event stream with this body, which ends with the connection.
    pub fn stream(body: &str) -> Self {
        Self::response(&format!("200 OK\r\nContent-Type: text/event-stream\r\n\r\n{body}"))
    }

    /// An empty response with this status, as in `204`.
    pub fn status(status: u16) -> Self {
        Self::response(&format!("{status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    }

    /// A redirect to this location.
    pub fn redirect(status: u16, location: &str) -> Self {
        let rest = "Content-Length: 0\r\nConnection: close\r\n\r\n";
        Self::response(&format!("{status} -\r\nLocation: {location}\r\n{rest}"))
    }

    /// A response of these headers and this body. `text` follows `HTTP/1.1 `, as in
    /// `"200 OK\r\nContent-Type: text/html\r\n\r\n<p>Hello"`.
    pub fn response(text: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {text}"))
    }

    /// Bytes, which need not be a response.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], drip: None, end: End::Close }
    }

    /// Writes these bytes after what the answer writes so far.
    pub fn and(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Write(bytes.into()));
        self
    }

    /// Writes nothing for this time, after what the answer writes so far.
    pub fn pause(mut self, time: Duration) -> Self {
        self.steps.push(Step::Pause(time));
        self
    }

    /// Writes only the first `length` bytes of what the answer writes so far. The head of the response counts too.
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

    /// Keeps the connection open and silent, until the client hangs up.
    pub fn held(mut self) -> Self {
        self.end = End::Hold;
        self
    }

    /// Resets the connection. Bytes that the client has not read by then may be lost.
    pub fn reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// Writes these bytes again and again, until the client hangs up.
    pub fn endless(mut self, bytes: &str) -> Self {
        self.end = End::Endless(bytes.repeat(4096 / bytes.len().max(1) + 1).into_bytes());
        self
    }

    /// Writes what the test sends through a channel, until its senders are dropped or the client hangs up.
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

    /// Gives the connection to a closure, which runs on the connection's thread and may block.
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
            // The client has hung up. A closure is called all the same: it may have to tell of it.
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
