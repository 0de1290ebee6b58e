//! What turns a connection into events, and outlives it: the decoder, the watch's limits, and what ends the stream.

use std::fmt;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use reqwest::Response;
use sse_codec::{Decoder, Event};

use crate::error::Error;
use crate::idle::{Idle, IdleTimeouts};
use crate::platform::Body;

/// After so many chunks without an event, others get their turn.
const CHUNKS_PER_POLL: usize = 64;

/// Reads one connection after the other.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) decoder: Decoder,
    pub(crate) timeouts: IdleTimeouts,
    pub(crate) endings: Endings,
}

/// Events that end the stream, whatever the connection does.
#[derive(Default)]
pub(crate) struct Endings {
    /// The data of an event after which there is no more.
    pub(crate) done: Option<String>,
    pub(crate) is_error: Option<Predicate>,
}

pub(crate) type Predicate = Box<dyn FnMut(&Event) -> bool + Send>;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    body: Body,
    /// What of the last chunk has not been decoded yet.
    chunk: Bytes,
    idle: Idle,
    event_received: bool,
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

impl Connection {
    pub(crate) fn new(response: Response) -> Self {
        Self { body: Body::new(response), chunk: Bytes::new(), idle: Idle::default(), event_received: false }
    }
}

impl Reader {
    /// The next event of `connection`; `received` is shown each chunk as it comes.
    pub(crate) fn poll(
        &mut self,
        connection: &mut Connection,
        mut received: impl FnMut(&[u8]),
        cx: &mut Context<'_>,
    ) -> Poll<Read> {
        for _ in 0..CHUNKS_PER_POLL {
            if let Some(item) = self.decode(&mut connection.chunk) {
                connection.event_received |= item.is_ok();
                return Poll::Ready(self.endings.apply(item));
            }
            match connection.body.poll_chunk(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    connection.idle.heard();
                    received(&chunk);
                    connection.chunk = chunk;
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
        let limit = if connection.event_received { self.timeouts.later } else { self.timeouts.initial };
        let Some(after) = limit else { return Poll::Pending };
        let silent = connection.idle.poll_silence(after, cx);
        silent.map(|()| Read::Disconnected(Some(Error::IdleTimeout { after })))
    }

    /// The next event of the current chunk; `None` when that is used up.
    fn decode(&mut self, chunk: &mut Bytes) -> Option<Result<Event, Error>> {
        let mut rest = &chunk[..];
        let next = self.decoder.next_event(&mut rest).map(|event| event.map(|event| event.to_event()));
        chunk.advance(chunk.len() - rest.len());
        next.map_err(Error::from).transpose()
    }
}

impl Endings {
    fn apply(&mut self, item: Result<Event, Error>) -> Read {
        let Ok(event) = &item else { return Read::Item(item) };
        if self.done.as_ref().is_some_and(|done| done == event.data()) {
            return Read::Finished(None);
        }
        if self.is_error.as_mut().is_some_and(|is_error| is_error(event)) {
            return Read::Finished(item.ok().map(|event| Error::Event(Box::new(event))));
        }
        Read::Item(item)
    }
}

impl fmt::Debug for Endings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endings").field("done", &self.done).finish_non_exhaustive()
    }
}
