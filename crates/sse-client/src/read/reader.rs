//! Reads the events of connections. Its decoder, its time-outs and the ending are used for all connections of a source.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use sse_codec::{Decoder, Event, EventId, EventRef, Item, TooLarge};

use super::compression::Start;
use super::ending::{Ending, Progress, Verdict};
use super::idle::{Idle, IdleTimeouts};
use crate::error::Error;
use crate::platform::Body;

/// After this many chunks without an event, other tasks get their turn.
const CHUNKS_PER_POLL: usize = 64;

/// Reads one connection after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    decoder: Decoder,
    timeouts: IdleTimeouts,
    endings: Endings,
    /// Whether an event that the end of a body leaves unfinished is returned.
    gives_unfinished: bool,
    /// The limit of the data of an event, if the caller has set one.
    max_event_bytes: Option<usize>,
    comments: Comments,
}

/// What the reader does with comments.
#[derive(Clone, Debug, Default)]
enum Comments {
    #[default]
    Skipped,
    /// They are returned. The comment is one that was read and has not been taken yet.
    Returned(Option<String>),
}

/// What decides whether an event ends the stream or is skipped.
#[derive(Clone, Default)]
struct Endings {
    progress: Progress,
    is_error: Option<Predicate>,
    is_skipped: Option<Predicate>,
}

/// A predicate of the caller, which the sources of one builder share.
#[derive(Clone)]
pub(crate) struct Predicate(Arc<Mutex<IsTrue>>);

type IsTrue = dyn FnMut(&Event) -> bool + Send;

impl Predicate {
    pub(crate) fn new(predicate: impl FnMut(&Event) -> bool + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(predicate)))
    }

    fn is_true(&self, event: &Event) -> bool {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(event)
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    body: Body,
    start: Start,
    input: Input,
    idle: Idle,
    event_received: bool,
    /// The body has ended, and its unfinished event has been taken.
    has_ended: bool,
}

/// The chunk that came last.
#[derive(Debug, Default)]
struct Input {
    /// It is empty when all of it has been decoded, so that an idle connection holds no memory.
    chunk: Bytes,
    /// How many bytes of it have been decoded.
    decoded: usize,
}

/// The result of reading.
#[derive(Debug)]
pub(crate) enum Read {
    /// An event, or an error that is not final.
    Item(Result<Event, Error>),
    /// The last event of the stream.
    Last(Event),
    /// The connection has ended. Another one may resume the stream.
    Disconnected(Option<Error>),
    /// The stream has ended.
    Finished(Option<Error>),
}

impl Reader {
    pub(crate) fn with_decoder(decoder: Decoder) -> Self {
        Self { decoder, ..Self::default() }
    }

    /// Takes over the settings of `other`.
    pub(crate) fn adopt(&mut self, other: &Self) {
        self.timeouts = other.timeouts;
        self.endings = other.endings.clone();
        if let Some(limit) = other.max_event_bytes {
            self.set_max_event_bytes(limit);
        }
    }

    pub(crate) fn set_max_event_bytes(&mut self, limit: usize) {
        self.max_event_bytes = Some(limit);
        let mut decoder = Decoder::with_limit(limit);
        if let Ok(id) = EventId::new(self.decoder.last_event_id()) {
            decoder.set_last_event_id(&id);
        }
        self.decoder = decoder;
    }

    pub(crate) fn set_initial_idle_timeout(&mut self, limit: Option<Duration>) {
        self.timeouts.set_initial(limit);
    }

    pub(crate) fn set_idle_timeout(&mut self, limit: Option<Duration>) {
        self.timeouts.set_later(limit);
    }

    /// Sets the event that ends the stream.
    pub(crate) fn end_at(&mut self, ending: Ending) {
        self.endings.progress.set_ending(ending);
    }

    /// Sets whether an event that the end of a body leaves unfinished is returned.
    pub(crate) fn give_unfinished(&mut self, gives: bool) {
        self.gives_unfinished = gives;
    }

    /// Ends the stream at an event for which `is_error` returns `true`.
    pub(crate) fn fail_at(&mut self, is_error: Predicate) {
        self.endings.is_error = Some(is_error);
    }

    /// Returns comments as well.
    pub(crate) fn give_comments(&mut self) {
        self.comments = Comments::Returned(None);
    }

    /// Takes the comment at which [`poll`](Self::poll) has stopped, if there is one.
    pub(crate) fn take_comment(&mut self) -> Option<String> {
        if let Comments::Returned(comment) = &mut self.comments { comment.take() } else { None }
    }

    /// Skips events for which `is_skipped` returns `true`.
    pub(crate) fn skip_if(&mut self, is_skipped: Predicate) {
        self.endings.is_skipped = Some(is_skipped);
    }

    pub(crate) fn set_last_event_id(&mut self, id: &EventId<'_>) {
        self.decoder.set_last_event_id(id);
    }

    pub(crate) fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// Returns the reconnection time that the server has asked for, if there is one.
    pub(crate) fn reconnection_time(&self) -> Option<Duration> {
        self.decoder.reconnection_time()
    }

    /// Begins to read `response`. An unfinished event of the connection before it is dropped.
    pub(crate) fn open(&mut self, response: Response) -> Connection {
        self.decoder.reset();
        Connection::new(response)
    }

    /// Returns an error if the stream lacks the event that ends it.
    pub(crate) fn missing_end(&self) -> Option<Error> {
        self.endings.progress.lacks_end().then_some(Error::Incomplete)
    }

    /// Reads the next event of `connection`. `received` is called with each chunk.
    // Inlined, so that an event is built at its final place: moving it would cost as much as decoding it.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        connection: &mut Connection,
        mut received: impl FnMut(&[u8]),
        cx: &mut Context<'_>,
    ) -> Poll<Read> {
        for _ in 0..CHUNKS_PER_POLL {
            match connection.input.decode(&mut self.decoder, &self.comments) {
                Ok(Some(Item::Event(event))) => {
                    connection.event_received = true;
                    match self.endings.apply(event) {
                        Some(read) => return Poll::Ready(read),
                        None => continue,
                    }
                }
                Ok(Some(Item::Comment(comment))) => {
                    // `WithComments` takes the comment. Any other task is woken, and polls again.
                    self.comments = Comments::Returned(Some(comment.to_owned()));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // The decoder keeps ids and reconnection times.
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(error) => return Poll::Ready(Read::Item(Err(error.into()))),
            }
            if connection.has_ended {
                return Poll::Ready(self.ended());
            }
            match connection.body.poll_chunk(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    received(&chunk);
                    if let Some(refusal) = connection.start.compressed(&chunk) {
                        return Poll::Ready(Read::Finished(Some(Error::ContentEncoding(refusal))));
                    }
                    connection.idle.received();
                    connection.input = Input { chunk, decoded: 0 };
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Read::Disconnected(Some(error)));
                }
                Poll::Ready(None) => {
                    connection.has_ended = true;
                    return Poll::Ready(self.unfinished().unwrap_or_else(|| self.ended()));
                }
                Poll::Pending => return self.poll_time_out(connection, cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads the event that the end of the body leaves unfinished, if it is to be returned.
    fn unfinished(&mut self) -> Option<Read> {
        if !self.gives_unfinished {
            return None;
        }
        let id = self.decoder.last_event_id().to_owned();
        match self.decoder.finish() {
            Ok(Some(event)) => self.endings.apply(event),
            Ok(None) => {
                // An id of an unfinished block without an event does not count.
                if let Ok(id) = EventId::new(&id) {
                    self.decoder.set_last_event_id(&id);
                }
                None
            }
            Err(error) => Some(Read::Item(Err(error.into()))),
        }
    }

    /// Returns what the end of the body means.
    fn ended(&self) -> Read {
        if self.endings.progress.may_end() { Read::Finished(None) } else { Read::Disconnected(None) }
    }

    fn poll_time_out(&self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<Read> {
        let Some(after) = self.timeouts.limit(connection.event_received) else { return Poll::Pending };
        let timed_out = connection.idle.poll_time_out(after, cx);
        timed_out.map(|()| Read::Disconnected(Some(Error::IdleTimeout { after })))
    }
}

impl Connection {
    fn new(response: Response) -> Self {
        let start = Start::of(&response);
        let (body, input, idle) = (Body::new(response), Input::default(), Idle::default());
        Self { body, start, input, idle, event_received: false, has_ended: false }
    }
}

impl Input {
    /// Decodes the next event or other item, or returns `None` when all of the chunk has been decoded.
    #[inline]
    fn decode<'d>(
        &'d mut self,
        decoder: &'d mut Decoder,
        comments: &Comments,
    ) -> Result<Option<Item<'d>>, TooLarge> {
        if self.decoded == self.chunk.len() {
            *self = Self::default();
            return Ok(None);
        }
        let mut rest = &self.chunk[self.decoded..];
        let next = match comments {
            Comments::Skipped => decoder.next_event(&mut rest).map(|event| event.map(Item::Event)),
            Comments::Returned(_) => decoder.next_item(&mut rest),
        };
        self.decoded = self.chunk.len() - rest.len();
        next
    }
}

impl Endings {
    /// Returns what an event means for the caller, or `None` if it is skipped.
    #[inline]
    fn apply(&mut self, event: EventRef<'_>) -> Option<Read> {
        if self.is_empty() {
            return Some(Read::Item(Ok(event.to_event())));
        }
        self.judge(event.to_event())
    }

    fn is_empty(&self) -> bool {
        !self.progress.has_ending() && self.is_error.is_none() && self.is_skipped.is_none()
    }

    fn judge(&mut self, event: Event) -> Option<Read> {
        match self.progress.judge(&event) {
            Verdict::More | Verdict::MayEnd => {}
            Verdict::Last => return Some(Read::Last(event)),
            Verdict::End => return Some(Read::Finished(None)),
            Verdict::Failed => return Some(Read::Finished(Some(Error::Event(Box::new(event))))),
        }
        if self.is_error.as_ref().is_some_and(|is_error| is_error.is_true(&event)) {
            return Some(Read::Finished(Some(Error::Event(Box::new(event)))));
        }
        if self.is_skipped.as_ref().is_some_and(|is_skipped| is_skipped.is_true(&event)) {
            return None;
        }
        Some(Read::Item(Ok(event)))
    }
}

impl fmt::Debug for Endings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endings").field("progress", &self.progress).finish_non_exhaustive()
    }
}
