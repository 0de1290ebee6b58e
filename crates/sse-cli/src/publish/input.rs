//! Events from the lines of standard input.

use std::future::ready;
use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::form::Form;
use super::queue::{Event, Place, Queue};
use crate::failure::Exit;

/// How much is read at a time.
const BUFFER: usize = 64 * 1024;

/// How long a line may be. No real event is longer, but a file without line endings is.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// What comes after the events that were read.
#[derive(Debug)]
pub(super) enum Rest {
    /// More, now or later.
    More,
    /// Nothing.
    None,
    /// A line that is not an event: the exit code, and what is wrong.
    Wrong(Exit, String),
}

#[derive(Debug)]
pub(super) struct Input<R> {
    reader: BufReader<R>,
    /// The line as far as it has come.
    line: Vec<u8>,
    /// How many lines were before it.
    lines: u64,
    bytes: u64,
    max_line: usize,
}

/// Why there is no line.
#[derive(Debug)]
enum NoLine {
    End,
    Unreadable(io::Error),
    TooLong,
}

impl<R: AsyncRead + Unpin> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        let reader = BufReader::with_capacity(BUFFER, reader);
        Self { reader, line: Vec::new(), lines: 0, bytes: 0, max_line: MAX_LINE }
    }

    /// How much was read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits for an event, then takes the events that have already come, as many as fit into a request.
    pub(super) async fn fill(&mut self, form: &Form, queue: &mut Queue) -> Rest {
        let mut next = self.event(form).await;
        loop {
            match next {
                Ok(event) => queue.push(event),
                Err(rest) => return rest,
            }
            if queue.is_full() {
                return Rest::More;
            }
            next = tokio::select! {
                biased;
                next = self.event(form) => next,
                () = ready(()) => return Rest::More,
            };
        }
    }

    /// The next event. What was read of it is kept if this is dropped.
    async fn event(&mut self, form: &Form) -> Result<Event, Rest> {
        loop {
            let line = self.line().await;
            let number = self.lines + 1;
            match line {
                Ok(()) => {}
                Err(NoLine::End) => return Err(Rest::None),
                Err(NoLine::Unreadable(error)) => {
                    return Err(Rest::Wrong(Exit::Failed, format!("standard input can't be read: {error}")));
                }
                Err(NoLine::TooLong) => {
                    let text = format!("line {number} is longer than {} MiB", self.max_line >> 20);
                    return Err(Rest::Wrong(Exit::Usage, text));
                }
            }
            self.lines = number;
            let line = std::mem::take(&mut self.line);
            let event = parse(form, number, &line).map_err(|text| Rest::Wrong(Exit::Usage, text))?;
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// Reads until the end of a line.
    async fn line(&mut self) -> Result<(), NoLine> {
        loop {
            let read = self.reader.fill_buf().await.map_err(NoLine::Unreadable)?;
            if read.is_empty() {
                // The last line may have no line ending, but an empty rest is not a line.
                return if self.line.is_empty() { Err(NoLine::End) } else { Ok(()) };
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            let (length, consumed) = (self.line.len() + part.len(), part.len() + usize::from(end.is_some()));
            if length > self.max_line {
                return Err(NoLine::TooLong);
            }
            self.line.extend_from_slice(part);
            self.reader.consume(consumed);
            self.bytes += consumed as u64;
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// The event of a line, if it has one.
fn parse(form: &Form, number: u64, line: &[u8]) -> Result<Option<Event>, String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = std::str::from_utf8(line).map_err(|error| {
        format!("line {number} is not UTF-8 from its byte {} on", error.valid_up_to() + 1)
    })?;
    // Some editors begin files with a byte order mark, which is not text.
    let line = if number == 1 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
    if form.skips_empty_lines() && line.trim().is_empty() {
        return Ok(None);
    }
    let json = form.json(line).map_err(|error| format!("line {number} is not an event: {error}"))?;
    Ok(Some(Event { place: Place::line(number), json }))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;
    use crate::publish::form::Ids;

    /// Gives so many bytes at a time, and now and then has to wait for them.
    struct Pieces<'a> {
        bytes: &'a [u8],
        size: usize,
        is_waiting: bool,
    }

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.is_waiting = !self.is_waiting;
            if self.is_waiting {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let (piece, rest) = self.bytes.split_at(self.size.min(self.bytes.len()).min(buf.remaining()));
            buf.put_slice(piece);
            self.bytes = rest;
            Poll::Ready(Ok(()))
        }
    }

    /// All batches with the numbers of their lines, and how it ended.
    fn read(bytes: &[u8], size: usize, form: &Form) -> (Vec<String>, Rest) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut input = Input::new(Pieces { bytes, size, is_waiting: false });
            input.max_line = 20;
            let (mut queue, mut found) = (Queue::new(), Vec::new());
            loop {
                let rest = input.fill(form, &mut queue).await;
                while let Some(batch) = queue.batch() {
                    found.push(format!("{} {}", batch.place, batch.body.replace('\n', " ").trim_end()));
                    queue.remove(batch.events);
                }
                if !matches!(rest, Rest::More) {
                    if matches!(rest, Rest::None) {
                        assert_eq!(input.bytes(), bytes.len() as u64);
                    }
                    return (found, rest);
                }
            }
        })
    }

    /// Checks the data, or the JSON, of all lines, whatever the pieces in which they come.
    #[track_caller]
    fn check(form: fn() -> Form, bytes: &[u8], expected: &[&str], wrong: Option<&str>) {
        for size in 1..=bytes.len().max(1) {
            let (found, rest) = read(bytes, size, &form());
            let found: Vec<_> = found
                .iter()
                .flat_map(|found| found.split(' ').filter(|word| word.starts_with('{')))
                .collect();
            let expected: Vec<_> = expected.iter().map(|data| format!("{{\"data\":\"{data}\"}}")).collect();
            assert_eq!(found, expected, "in pieces of {size}");
            match (rest, wrong) {
                (Rest::None, None) => {}
                (Rest::Wrong(Exit::Usage, found), Some(wrong)) => {
                    assert_eq!(&found[..wrong.len()], wrong);
                }
                (rest, _) => panic!("{rest:?}"),
            }
        }
    }

    fn data() -> Form {
        Form::Data { event_type: None, id: None }
    }

    fn json() -> Form {
        Form::Json { ids: Ids::OfPublishers }
    }

    #[test]
    fn each_line_is_an_event() {
        check(data, b"", &[], None);
        check(data, b"a", &["a"], None);
        check(data, b"a\n", &["a"], None);
        check(data, b"a\r\nb\r\n", &["a", "b"], None);
        check(data, b"a\nb\r", &["a", "b"], None);
        check(data, b"\n\n", &["", ""], None);
        check(data, "é\n☔".as_bytes(), &["é", "☔"], None);
        check(data, "\u{feff}a\n\u{feff}b".as_bytes(), &["a", "\u{feff}b"], None);
        check(data, b"12345678901234567890\na", &["12345678901234567890", "a"], None);
    }

    #[test]
    fn empty_lines_of_json_are_nothing() {
        check(json, b"\n{\"data\":\"a\"}\r\n \t\n\n{\"data\":\"b\"}", &["a", "b"], None);
    }

    #[test]
    fn what_is_before_a_wrong_line_is_published() {
        check(data, b"a\nb\xffc\nd", &["a"], Some("line 2 is not UTF-8 from its byte 2 on"));
        check(data, b"a\n123456789012345678901", &["a"], Some("line 2 is longer than"));
        check(
            json,
            b"{\"data\":\"a\"}\n\n{\"date\":1}",
            &["a"],
            Some("line 3 is not an event: unknown field"),
        );
    }

    #[test]
    fn what_has_come_is_taken_and_nothing_is_waited_for() {
        let check = |size, expected: &[&str]| {
            let (found, _) = read(b"1\n2\n3\n4", size, &data());
            let places: Vec<_> = found.iter().map(|found| found.split(" {").next().unwrap()).collect();
            assert_eq!(places, expected, "in pieces of {size}");
        };
        check(100, &["lines 1 to 3", "line 4"]);
        check(4, &["lines 1 to 2", "line 3", "line 4"]);
        check(3, &["line 1", "lines 2 to 3", "line 4"]);
        check(1, &["line 1", "line 2", "line 3", "line 4"]);
    }
}
