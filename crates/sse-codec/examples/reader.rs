//! A reader over any `Read` that returns borrowed events. It reuses one event, so that most events need no allocation.
//!
//! ```sh
//! printf 'data: one\n\nevent: e\ndata: two' | cargo run -p sse-codec --example reader
//! ```

use std::io::{self, Read};
use std::ops::Range;

use sse_codec::{Decoder, Event};

fn main() -> io::Result<()> {
    let mut events = EventReader::new(io::stdin().lock());
    while let Some(event) = events.next()? {
        println!("{}: {}", event.event_type(), event.data());
    }
    Ok(())
}

/// Reads the events of one stream.
struct EventReader<R> {
    source: R,
    decoder: Decoder,
    buffer: [u8; 8192],
    /// The bytes of the buffer that have not been decoded yet.
    unread: Range<usize>,
    /// The event that is returned. Its memory is used again for the next one.
    event: Event,
}

impl<R: Read> EventReader<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: Decoder::new(), buffer: [0; 8192], unread: 0..0, event: Event::default() }
    }

    /// Returns the next event, or `None` at the end of the stream.
    ///
    /// Returning the event of the decoder itself does not compile. If a borrowed event is returned from a loop, the
    /// compiler takes the decoder as borrowed until the function ends, even in the rounds that return no event. So this
    /// function copies the event. To avoid the copy, a reader can pass each event to a closure.
    fn next(&mut self) -> io::Result<Option<&Event>> {
        loop {
            let mut chunk = &self.buffer[self.unread.clone()];
            let event = self.decoder.next_event(&mut chunk);
            let found = event.map(|event| event.map(|event| self.event.copy_from(event)).is_some());
            self.unread.start = self.unread.end - chunk.len();
            if found.map_err(io::Error::other)? {
                return Ok(Some(&self.event));
            }
            let length = self.source.read(&mut self.buffer)?;
            if length == 0 {
                return self.last();
            }
            self.unread = 0..length;
        }
    }

    /// Returns the event that the stream ended in. A reader that reconnects must not do this, because it receives the
    /// event again.
    fn last(&mut self) -> io::Result<Option<&Event>> {
        let Some(event) = self.decoder.finish().map_err(io::Error::other)? else { return Ok(None) };
        self.event.copy_from(event);
        Ok(Some(&self.event))
    }
}

#[test]
fn events_of_any_size_are_read() -> io::Result<()> {
    let long = "x".repeat(20_000);
    let stream = format!("data: a\n\nevent: e\ndata: {long}\n\n: c\n\nid: 1\ndata: b\n\ndata: unfinished");
    let mut events = EventReader::new(stream.as_bytes());
    let mut seen = Vec::new();
    while let Some(event) = events.next()? {
        seen.push((event.event_type().to_owned(), event.data().to_owned()));
    }
    let expected = [("message", "a"), ("e", &*long), ("message", "b"), ("message", "unfinished")];
    assert!(seen.iter().map(|(event_type, data)| (&**event_type, &**data)).eq(expected), "{seen:?}");
    assert_eq!(events.next()?, None);
    Ok(())
}

#[test]
fn a_large_event_is_an_error_and_the_next_one_follows() -> io::Result<()> {
    let mut events = EventReader::new(&b"data: large\n\ndata: a\n\n"[..]);
    events.decoder = Decoder::with_limit(4);
    assert!(events.next().is_err());
    assert_eq!(events.next()?.map(Event::data), Some("a"));
    Ok(())
}
