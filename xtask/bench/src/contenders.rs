//! The decoders. All do the same work: the type, data and id of every event are read.

use std::convert::Infallible;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Read};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use eventsource::event::{ParseResult, parse_event_line};
use futures_core::Stream;

/// The counts of a decoder, which show that all have done the same work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) events: usize,
    /// The bytes of all data, and of all ids and types that are not the default.
    pub(crate) bytes: usize,
}

impl Seen {
    fn look(&mut self, event_type: &str, data: &str, id: &str) {
        let (event_type, data, id) = black_box((event_type, data, id));
        self.events += 1;
        self.bytes += data.len() + id.len();
        if event_type != "message" {
            self.bytes += event_type.len();
        }
    }
}

pub(crate) type Contender = fn(&[Bytes]) -> Seen;

/// `sse-codec` in four ways, then the peers. The events of all peers except `eventsource` own their text.
pub(crate) const ALL: [(&str, Contender); 9] = [
    ("sse-codec", sse_codec),
    ("owned", sse_codec_owned),
    ("stream", sse_codec_stream),
    ("shared", sse_codec_shared),
    ("sse-stream 0.3", sse_stream),
    ("sse-core 0.2", sse_core),
    ("eventsource-stream 0.2", eventsource_stream),
    ("sseer 0.3", sseer),
    ("eventsource 0.5", eventsource),
];

pub(crate) fn sse_codec(chunks: &[Bytes]) -> Seen {
    let mut decoder = sse_codec::Decoder::new();
    let mut seen = Seen::default();
    for chunk in chunks {
        let mut input = &chunk[..];
        while let Some(event) = decoder.next_event(&mut input).expect("under the limit") {
            seen.look(event.event_type(), event.data(), event.last_event_id());
        }
    }
    seen
}

fn sse_codec_owned(chunks: &[Bytes]) -> Seen {
    let mut decoder = sse_codec::Decoder::new();
    let mut seen = Seen::default();
    for chunk in chunks {
        let mut input = &chunk[..];
        while let Some(event) = decoder.next_event(&mut input).expect("under the limit") {
            let event = event.to_event();
            seen.look(event.event_type(), event.data(), event.last_event_id());
        }
    }
    seen
}

fn sse_codec_stream(chunks: &[Bytes]) -> Seen {
    let mut seen = Seen::default();
    drain(sse_codec::Events::new(Chunks(chunks.iter())), |event| {
        let event = event.expect("under the limit");
        seen.look(event.event_type(), event.data(), event.last_event_id());
    });
    seen
}

fn sse_codec_shared(chunks: &[Bytes]) -> Seen {
    let mut seen = Seen::default();
    drain(sse_codec::Events::new(Chunks(chunks.iter())).shared(), |event| {
        let event = event.expect("under the limit");
        seen.look(event.event_type(), event.data(), event.last_event_id());
    });
    seen
}

fn sse_core(chunks: &[Bytes]) -> Seen {
    let mut decoder = sse_core::SseDecoder::new();
    let mut seen = Seen::default();
    for chunk in chunks {
        let mut input = chunk.clone();
        while let Some(event) = decoder.next(&mut input) {
            if let sse_core::SseEvent::Message(event) = event.expect("under the limit") {
                seen.look(&event.event, &event.data, event.last_event_id.as_deref().unwrap_or_default());
            }
        }
    }
    seen
}

fn sse_stream(chunks: &[Bytes]) -> Seen {
    let mut seen = Seen::default();
    drain(sse_stream::SseByteStream::new(Chunks(chunks.iter())), |event| {
        let event = event.expect("valid");
        let [event_type, id] =
            [event.event.as_deref().unwrap_or("message"), event.id.as_deref().unwrap_or_default()];
        if let Some(data) = &event.data {
            seen.look(event_type, data, id);
        }
    });
    seen
}

fn eventsource_stream(chunks: &[Bytes]) -> Seen {
    let mut seen = Seen::default();
    drain(eventsource_stream::EventStream::new(Chunks(chunks.iter())), |event| {
        let event = event.expect("valid");
        seen.look(&event.event, &event.data, &event.id);
    });
    seen
}

fn sseer(chunks: &[Bytes]) -> Seen {
    let mut seen = Seen::default();
    drain(sseer::event_stream::EventStream::new(Chunks(chunks.iter())), |event| {
        let event = event.expect("valid");
        seen.look(&event.event, &event.data, &event.id);
    });
    seen
}

/// Reads the response as its client does: lines from a `BufReader`, each in a string, until an event is complete.
fn eventsource(chunks: &[Bytes]) -> Seen {
    let mut reader = BufReader::new(Body { current: &[], chunks: chunks.iter() });
    let mut seen = Seen::default();
    while let Some(event) = next_eventsource_event(&mut reader) {
        // It ends an event at each empty line, whether there is data or not, and leaves the last LF in the data.
        // It knows two line endings, CRLF and LF. No sample has a lone CR, which would not end a line here.
        if let Some(data) = event.data.strip_suffix('\n') {
            let [event_type, id] =
                [event.event_type.as_deref().unwrap_or("message"), event.id.as_deref().unwrap_or_default()];
            seen.look(event_type, data, id);
        }
    }
    seen
}

fn next_eventsource_event(reader: &mut impl BufRead) -> Option<eventsource::event::Event> {
    let mut event = eventsource::event::Event::new();
    let mut line = String::new();
    while reader.read_line(&mut line).expect("UTF-8") > 0 {
        if parse_event_line(&line, &mut event) == ParseResult::Dispatch {
            return Some(event);
        }
        line.clear();
    }
    None
}

/// The same chunks as a reader, which returns one chunk at a time.
struct Body<'c> {
    /// The rest of the current chunk.
    current: &'c [u8],
    chunks: std::slice::Iter<'c, Bytes>,
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            self.current = self.chunks.next().map_or(&[], |chunk| &chunk[..]);
        }
        self.current.read(into)
    }
}

/// Chunks that are always ready.
struct Chunks<'c>(std::slice::Iter<'c, Bytes>);

impl Stream for Chunks<'_> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().cloned().map(Ok))
    }
}

fn drain<S: Stream>(stream: S, mut each: impl FnMut(S::Item)) {
    let mut stream = std::pin::pin!(stream);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match stream.as_mut().poll_next(&mut context) {
            Poll::Ready(Some(item)) => each(item),
            Poll::Ready(None) => return,
            // Only a decoder that yields returns `Pending`, because no chunk is waited for.
            Poll::Pending => {}
        }
    }
}
