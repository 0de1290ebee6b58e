//! Turns connections into events. The decoder, the limits of time and what ends the stream outlive a connection.

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

/// After so many chunks without an event, others get their turn.
const CHUNKS_PER_POLL: usize = 64;

/// Reads one connection after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    decoder: Decoder,
    timeouts: IdleTimeouts,
    endings: Endings,
    /// An event that the end of a body leaves unfinished is given all the same.
    gives_unfinished: bool,
    /// The limit of an event, if the caller has set one.
    max_event_bytes: Option<usize>,
    comments: Comments,
}

/// What becomes of comments.
#[derive(Clone, Debug, Default)]
enum Comments {
    #[default]
    PassedOver,
    /// They are given. Here is the one that was read and not taken, if there is one.
    Given(Option<String>),
}

/// Events that end the stream, whatever the connection does.
#[derive(Clone, Default)]
struct Endings {
    progress: Progress,
    is_error: Option<Predicate>,
    is_skipped: Option<Predicate>,
}

/// A predicate of the caller's. The sources of one builder share it.
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
    /// The body has ended, and its unfinished event was taken.
    has_ended: bool,
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
    /// An event after which the stream is over.
    Last(Event),
    /// The connection is over; another one may go on.
    Disconnected(Option<Error>),
    /// The stream is over.
    Finished(Option<Error>),
}

impl Reader {
    pub(crate) fn with_decoder(decoder: Decoder) -> Self {
        Self { decoder, ..Self::default() }
    }

    /// Takes over what a caller has set on `other`.
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

    /// The event that ends the stream.
    pub(crate) fn end_at(&mut self, ending: Ending) {
        self.endings.progress.set_ending(ending);
    }

    /// Whether an event that the end of a body leaves unfinished is given all the same.
    pub(crate) fn give_unfinished(&mut self, gives: bool) {
        self.gives_unfinished = gives;
    }

    /// The stream ends at an event for which `is_error` returns `true`.
    pub(crate) fn fail_at(&mut self, is_error: Predicate) {
        self.endings.is_error = Some(is_error);
    }

    /// Gives comments too.
    pub(crate) fn give_comments(&mut self) {
        self.comments = Comments::Given(None);
    }

    /// The comment by which [`poll`](Self::poll) was interrupted, if it was.
    pub(crate) fn take_comment(&mut self) -> Option<String> {
        if let Comments::Given(comment) = &mut self.comments { comment.take() } else { None }
    }

    /// An event for which `is_skipped` returns `true` is passed over.
    pub(crate) fn skip_if(&mut self, is_skipped: Predicate) {
        self.endings.is_skipped = Some(is_skipped);
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
        self.endings.progress.lacks_end().then_some(Error::Incomplete)
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
            match connection.input.decode(&mut self.decoder, &self.comments) {
                Ok(Some(Item::Event(event))) => {
                    connection.event_received = true;
                    match self.endings.apply(event) {
                        Some(read) => return Poll::Ready(read),
                        None => continue,
                    }
                }
                Ok(Some(Item::Comment(comment))) => {
                    // Whoever wants comments takes it and polls again, and so does the task of anybody else.
                    self.comments = Comments::Given(Some(comment.to_owned()));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // The decoder has noted it.
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
                    connection.idle.heard();
                    connection.input = Input { chunk, decoded: 0 };
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Read::Disconnected(Some(Error::from_reading(error))));
                }
                Poll::Ready(None) => {
                    connection.has_ended = true;
                    return Poll::Ready(self.unfinished().unwrap_or_else(|| self.ended()));
                }
                Poll::Pending => return self.poll_silence(connection, cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What the event is that the end of the body leaves unfinished, if there is one and it is wanted.
    fn unfinished(&mut self) -> Option<Read> {
        if !self.gives_unfinished {
            return None;
        }
        let id = self.decoder.last_event_id().to_owned();
        match self.decoder.finish() {
            Ok(Some(event)) => self.endings.apply(event),
            Ok(None) => {
                // There was no event, so that an id that came without one does not count.
                if let Ok(id) = EventId::new(&id) {
                    self.decoder.set_last_event_id(&id);
                }
                None
            }
            Err(error) => Some(Read::Item(Err(error.into()))),
        }
    }

    /// What the end of the body means.
    fn ended(&self) -> Read {
        if self.endings.progress.may_end() { Read::Finished(None) } else { Read::Disconnected(None) }
    }

    fn poll_silence(&self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<Read> {
        let Some(after) = self.timeouts.limit(connection.event_received) else { return Poll::Pending };
        let silent = connection.idle.poll_silence(after, cx);
        silent.map(|()| Read::Disconnected(Some(Error::IdleTimeout { after })))
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
    /// The next event, or what else is given; `None` when the chunk is used up.
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
            Comments::PassedOver => decoder.next_event(&mut rest).map(|event| event.map(Item::Event)),
            Comments::Given(_) => decoder.next_item(&mut rest),
        };
        self.decoded = self.chunk.len() - rest.len();
        next
    }
}

impl Endings {
    /// What an event is to the caller; `None` if it is passed over.
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
