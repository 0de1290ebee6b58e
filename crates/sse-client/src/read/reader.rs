//! Turns connections into events. The decoder, the limits of time and what ends the stream outlive a connection.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use sse_codec::{Decoder, Event, EventId, EventRef, TooLarge};

use super::idle::{Idle, IdleTimeouts};
use crate::error::Error;
use crate::platform::Body;

/// After so many chunks without an event, others get their turn.
const CHUNKS_PER_POLL: usize = 64;

/// Reads one connection after the other.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    decoder: Decoder,
    timeouts: IdleTimeouts,
    endings: Endings,
}

/// Events that end the stream, whatever the connection does.
#[derive(Default)]
struct Endings {
    /// The data of an event after which there is no more.
    done: Option<String>,
    is_error: Option<Predicate>,
}

type Predicate = Box<dyn FnMut(&Event) -> bool + Send>;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    body: Body,
    input: Input,
    idle: Idle,
    event_received: bool,
}

/// What the connection brought last.
#[derive(Debug, Default)]
struct Input {
    /// Empty when all of it has been decoded, so that an idle connection holds no memory.
    chunk: Bytes,
    /// How much of it has been decoded.
    decoded: usize,
}

/// What came of reading.
#[derive(Debug)]
pub(crate) enum Read {
    /// An event, or an error that is not final.
    Item(Result<Event, Error>),
    /// The connection is over; another one may go on.
    Disconnected(Option<Error>),
    /// The stream is over.
    Finished(Option<Error>),
}

impl Reader {
    pub(crate) fn with_decoder(decoder: Decoder) -> Self {
        Self { decoder, ..Self::default() }
    }

    pub(crate) fn set_max_event_bytes(&mut self, limit: usize) {
        self.decoder = Decoder::with_limit(limit);
    }

    pub(crate) fn set_initial_idle_timeout(&mut self, limit: Option<Duration>) {
        self.timeouts.set_initial(limit);
    }

    pub(crate) fn set_idle_timeout(&mut self, limit: Option<Duration>) {
        self.timeouts.set_later(limit);
    }

    /// The stream ends at an event with this data.
    pub(crate) fn end_at(&mut self, data: String) {
        self.endings.done = Some(data);
    }

    /// The stream ends at an event for which `is_error` returns `true`.
    pub(crate) fn fail_at(&mut self, is_error: Predicate) {
        self.endings.is_error = Some(is_error);
    }

    pub(crate) fn set_last_event_id(&mut self, id: &EventId<'_>) {
        self.decoder.set_last_event_id(id);
    }

    pub(crate) fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// The reconnection time that the server asked for, if it did.
    pub(crate) fn reconnection_time(&self) -> Option<Duration> {
        self.decoder.reconnection_time()
    }

    /// Begins to read `response`. The rest of the connection before it is dropped.
    pub(crate) fn open(&mut self, response: Response) -> Connection {
        self.decoder.reset();
        Connection::new(response)
    }

    /// What a stream that ends without an error lacks: the event that was to end it.
    pub(crate) fn missing_end(&self) -> Option<Error> {
        self.endings.done.is_some().then_some(Error::Incomplete)
    }

    /// The next event of `connection`; `received` is shown each chunk as it comes.
    // Inlined, so that an event is built where it goes to: to move one costs as much as to decode it.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        connection: &mut Connection,
        mut received: impl FnMut(&[u8]),
        cx: &mut Context<'_>,
    ) -> Poll<Read> {
        for _ in 0..CHUNKS_PER_POLL {
            match connection.input.decode(&mut self.decoder) {
                Ok(Some(event)) => {
                    connection.event_received = true;
                    return Poll::Ready(self.endings.apply(event));
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Read::Item(Err(error.into()))),
            }
            match connection.body.poll_chunk(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    received(&chunk);
                    connection.idle.heard();
                    connection.input = Input { chunk, decoded: 0 };
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Read::Disconnected(Some(Error::Read(error))));
                }
                Poll::Ready(None) => return Poll::Ready(Read::Disconnected(None)),
                Poll::Pending => return self.poll_silence(connection, cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_silence(&self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<Read> {
        let Some(after) = self.timeouts.limit(connection.event_received) else { return Poll::Pending };
        let silent = connection.idle.poll_silence(after, cx);
        silent.map(|()| Read::Disconnected(Some(Error::IdleTimeout { after })))
    }
}

impl Connection {
    fn new(response: Response) -> Self {
        let (body, input, idle) = (Body::new(response), Input::default(), Idle::default());
        Self { body, input, idle, event_received: false }
    }
}

impl Input {
    /// The next event; `None` when the chunk is used up.
    #[inline]
    fn decode<'d>(&'d mut self, decoder: &'d mut Decoder) -> Result<Option<EventRef<'d>>, TooLarge> {
        if self.decoded == self.chunk.len() {
            *self = Self::default();
            return Ok(None);
        }
        let mut rest = &self.chunk[self.decoded..];
        let next = decoder.next_event(&mut rest);
        self.decoded = self.chunk.len() - rest.len();
        next
    }
}

impl Endings {
    #[inline]
    fn apply(&mut self, event: EventRef<'_>) -> Read {
        if self.done.as_ref().is_some_and(|done| done == event.data()) {
            return Read::Finished(None);
        }
        let Some(is_error) = &mut self.is_error else { return Read::Item(Ok(event.to_event())) };
        let event = event.to_event();
        if is_error(&event) {
            return Read::Finished(Some(Error::Event(Box::new(event))));
        }
        Read::Item(Ok(event))
    }
}

impl fmt::Debug for Endings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endings").field("done", &self.done).finish_non_exhaustive()
    }
}
