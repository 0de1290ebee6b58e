//! A subscriber without a socket.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Display;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Buf as _;
use http::{Request, Response, header};
use http_body::Body;
use sse_codec::{Decoder, Event};
use sse_server::Route;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::block::Blocks;

/// Reads the response of a handler as a client would, without a socket. `B` is the body of any crate that implements
/// [`http_body::Body`].
///
/// A stream is blocks of lines, each with an empty line at its end. A block is an event if it has data; otherwise it is
/// a comment (a heartbeat), or tells a reconnection time or an id.
///
/// | method | returns | waits |
/// |---|---|---|
/// | [`next_event`](Self::next_event) | an event | yes |
/// | [`next_block`](Self::next_block) | the text of a block | yes |
/// | [`read`](Self::read) | the text of a block | no |
/// | [`read_data`](Self::read_data) | the data of all events that are there | no |
/// | [`frame`](Self::frame) | a frame of the body | no |
///
/// The methods that don't wait poll the body with a waker that does nothing. They return `-` if there is nothing to read
/// now, and `.` at the end of the stream, so that an assertion says in one line what came and what did not:
///
/// ```
/// use sse_server::{Message, Route};
/// use sse_testing::subscribe;
///
/// let route = Route::builder().history(2).burst_bytes(0).build();
/// let mut subscriber = subscribe(&route, "");
/// route.publish(&Message::new("1"))?;
/// assert_eq!(subscriber.read_data(), ["1", "-"]);
///
/// // More than the history keeps: the subscriber is told of the gap.
/// for data in ["2", "3", "4"] {
///     route.publish(&Message::new(data))?;
/// }
/// route.close();
/// assert_eq!(subscriber.read_data(), [r#"{"missed":1}"#, "3", "4", "."]);
/// # Ok::<(), sse_server::PublishError>(())
/// ```
///
/// # Panics
///
/// Each method that reads panics if the body fails, if it is not UTF-8, or if it ends in the middle of a block: a client
/// never sees the event of such a block.
pub struct Subscriber<B = sse_server::Body> {
    body: Pin<Box<B>>,
    blocks: Blocks,
    /// Blocks that came and were not read.
    queue: VecDeque<String>,
    decoder: Decoder,
    patience: Duration,
}

/// Returns a request for an event stream, with this `Last-Event-ID`. An empty id is not sent.
///
/// # Panics
///
/// If the id can't stand in a header: it has a line end or another control character.
pub fn request(last_event_id: &str) -> Request<()> {
    let mut request = Request::get("/events");
    if !last_event_id.is_empty() {
        request = request.header("last-event-id", last_event_id);
    }
    request.body(()).expect("an id without control characters")
}

/// Subscribes to a route with this last event ID, which may be empty, and reads the opening of the stream: a comment,
/// the reconnection time, and an id.
///
/// # Panics
///
/// If the route answers with anything but a stream.
#[track_caller]
pub fn subscribe(route: &Route, last_event_id: &str) -> Subscriber {
    let mut subscriber = Subscriber::of(route.respond(&request(last_event_id)));
    let opening = subscriber.read();
    assert!(opening.starts_with(":\n"), "the stream begins with {opening:?}");
    subscriber
}

impl<B: Body<Error: Display>> Subscriber<B> {
    /// Reads the body of a response.
    ///
    /// # Panics
    ///
    /// Unless the status is 200 and the content type `text/event-stream`, as a client must have it.
    #[track_caller]
    pub fn of(response: Response<B>) -> Self {
        assert_eq!(response.status(), 200);
        let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str());
        let Some(Ok(content_type)) = content_type else { panic!("there is no content type") };
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        assert!(essence.eq_ignore_ascii_case("text/event-stream"), "the content type is {content_type:?}");
        Self::of_body(response.into_body())
    }

    /// Reads a body, whatever its response says.
    pub fn of_body(body: B) -> Self {
        let (body, decoder) = (Box::pin(body), Decoder::new());
        Self { body, blocks: Blocks::default(), queue: VecDeque::new(), decoder, patience: PATIENCE }
    }

    /// How long the methods that wait do so, by the clock of tokio: 30 seconds by default. A paused clock jumps to this
    /// time if nothing else can happen.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits for the next event, and returns it; `None` at the end of the stream. Blocks without data, such as
    /// heartbeats, are read on the way. A gap is an event of the type `gap`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers, or if no event comes within the [`patience`](Self::patience).
    pub async fn next_event(&mut self) -> Option<Event> {
        let patience = self.patience;
        let next = async {
            loop {
                let block = poll_fn(|cx| self.poll_text(cx)).await?;
                if let Some(event) = self.take(&block) {
                    return Some(event);
                }
            }
        };
        timeout(patience, next).await.unwrap_or_else(|_| panic!("no event came within {patience:?}"))
    }

    /// Waits for the next block, and returns its text; `None` at the end of the stream.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers, or if no block comes within the [`patience`](Self::patience).
    pub async fn next_block(&mut self) -> Option<String> {
        let next = timeout(self.patience, poll_fn(|cx| self.poll_text(cx))).await;
        let block = next.unwrap_or_else(|_| panic!("no block came within {:?}", self.patience))?;
        self.take(&block);
        Some(block)
    }

    /// Returns the text of the next block that is there: `-` if there is none yet, `.` at the end of the stream.
    pub fn read(&mut self) -> String {
        match self.poll_text(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => "-".to_owned(),
            Poll::Ready(None) => ".".to_owned(),
            Poll::Ready(Some(block)) => {
                self.take(&block);
                block
            }
        }
    }

    /// Returns the data of each event that is there, and then `-`, or `.` if the stream has ended. A gap shows as its
    /// data, `{"missed":12}` or `{"missed":null}`.
    pub fn read_data(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.poll_text(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => break seen.push("-".to_owned()),
                Poll::Ready(None) => break seen.push(".".to_owned()),
                Poll::Ready(Some(block)) => seen.extend(self.take(&block).map(Event::into_data)),
            }
        }
        seen
    }

    /// Returns the next frame of the body that is there, which may be several blocks: `-` if there is none yet, `.` at
    /// the end of the stream.
    ///
    /// # Panics
    ///
    /// If blocks of an earlier frame were not read, or the frame cuts a block.
    pub fn frame(&mut self) -> String {
        assert!(self.queue.is_empty(), "{} blocks of the last frame were not read", self.queue.len());
        match self.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => "-".to_owned(),
            Poll::Ready(false) => ".".to_owned(),
            Poll::Ready(true) => {
                assert!(!self.blocks.has_rest(), "the frame cuts a block: {:?}", self.blocks);
                let frame: String = self.queue.drain(..).collect();
                self.take(&frame);
                frame
            }
        }
    }

    /// The id with which a client that has read as far as this subscriber resumes; empty if the stream has told none.
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// The body, to poll it with a waker of the caller's. What is read from it here, the subscriber does not see.
    pub fn body_mut(&mut self) -> Pin<&mut B> {
        self.body.as_mut()
    }

    /// The body, with what was not read from it. Blocks that came together with one that was read are dropped.
    pub fn into_body(self) -> Pin<Box<B>> {
        self.body
    }

    /// Reads what a block says: the event, if it is one, and the id.
    fn take(&mut self, text: &str) -> Option<Event> {
        let (mut chunk, mut last) = (text.as_bytes(), None);
        while let Some(event) = self.decoder.next_event(&mut chunk).expect("an event of less than 16 MiB") {
            last = Some(event.to_event());
        }
        last
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        loop {
            if let Some(block) = self.queue.pop_front() {
                return Poll::Ready(Some(block));
            }
            if !ready!(self.poll_frame(cx)) {
                return Poll::Ready(None);
            }
        }
    }

    /// Queues the blocks of the next frame; `false` at the end.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match ready!(self.body.as_mut().poll_frame(cx)) {
            Some(Err(error)) => panic!("the body fails: {error}"),
            Some(Ok(frame)) => {
                // Trailers say nothing of the stream.
                if let Ok(mut data) = frame.into_data() {
                    self.queue.extend(self.blocks.feed(&data.copy_to_bytes(data.remaining())));
                }
                Poll::Ready(true)
            }
            None => {
                assert!(
                    !self.blocks.has_rest(),
                    "the stream ends in the middle of a block: {:?}",
                    self.blocks
                );
                Poll::Ready(false)
            }
        }
    }
}

impl<B> fmt::Debug for Subscriber<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("queue", &self.queue).finish_non_exhaustive()
    }
}
