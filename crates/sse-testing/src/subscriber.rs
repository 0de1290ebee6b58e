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

/// Reads the response of a handler as a client does, without a socket. `B` is any body that implements
/// [`http_body::Body`].
///
/// A stream consists of blocks of lines, each with an empty line at its end. A block is an event if it has data. Other
/// blocks are a comment (a heartbeat), a reconnection time, or an id.
///
/// | method | returns | waits |
/// |---|---|---|
/// | [`next_event`](Self::next_event) | an event | yes |
/// | [`next_data`](Self::next_data) | the data of so many events | yes |
/// | [`next_block`](Self::next_block) | the text of a block | yes |
/// | [`read`](Self::read) | the text of a block | no |
/// | [`read_data`](Self::read_data) | the data of all events that are there | no |
/// | [`frame`](Self::frame) | a frame of the body | no |
///
/// The methods that don't wait poll the body with a waker that does nothing. They return `-` if there is nothing to
/// read now, and `.` at the end of the stream. So one assertion checks what came, and that nothing more came:
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
/// // More than the history keeps, so the subscriber gets a gap event.
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
/// Each method that reads panics if the body fails, if it is not UTF-8, or if it ends in the middle of a block. A
/// client would not see the event of such a block.
pub struct Subscriber<B = sse_server::Body> {
    body: Pin<Box<B>>,
    blocks: Blocks,
    /// Blocks that have come and were not read.
    queue: VecDeque<String>,
    decoder: Decoder,
    patience: Duration,
}

/// Returns a request for an event stream, with this `Last-Event-ID`. An empty id is not sent.
///
/// # Panics
///
/// If the id can't be in a header, because it has a line end or another control character.
pub fn request(last_event_id: &str) -> Request<()> {
    let mut request = Request::get("/events");
    if !last_event_id.is_empty() {
        request = request.header("last-event-id", last_event_id);
    }
    request.body(()).expect("the id has no control characters")
}

/// Subscribes to a route with this last event ID, which may be empty. Reads the opening of the stream: a comment, the
/// reconnection time, and an id.
///
/// # Panics
///
/// If the route responds with anything but a stream.
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
    /// If the status is not 200, or the content type is not `text/event-stream`, because a client would refuse the
    /// response.
    #[track_caller]
    pub fn of(response: Response<B>) -> Self {
        assert_eq!(response.status(), 200);
        let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str());
        let Some(Ok(content_type)) = content_type else { panic!("there is no content type") };
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        assert!(essence.eq_ignore_ascii_case("text/event-stream"), "the content type is {content_type:?}");
        Self::of_body(response.into_body())
    }

    /// Reads a body, whatever its response is.
    pub fn of_body(body: B) -> Self {
        let (body, decoder) = (Box::pin(body), Decoder::new());
        Self { body, blocks: Blocks::default(), queue: VecDeque::new(), decoder, patience: PATIENCE }
    }

    /// Sets how long the methods that wait do so, by the clock of tokio: 30 seconds by default. A paused clock jumps to
    /// the end of this time if all tasks wait.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits for the next event, and returns it; `None` at the end of the stream. It skips blocks without data, such as
    /// heartbeats. A gap is an event of the type `gap`.
    ///
    /// # Panics
    ///
    /// If it is not called within a tokio runtime with timers, or if no event comes within the
    /// [`patience`](Self::patience).
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

    /// Waits for the next events, this many, and returns their data. At the end of the stream, there may be fewer.
    ///
    /// # Panics
    ///
    /// As [`next_event`](Self::next_event), if an event does not come within the [`patience`](Self::patience).
    pub async fn next_data(&mut self, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.len() < count
            && let Some(event) = self.next_event().await
        {
            seen.push(event.into_data());
        }
        seen
    }

    /// Waits for the next block, and returns its text; `None` at the end of the stream.
    ///
    /// # Panics
    ///
    /// If it is not called within a tokio runtime with timers, or if no block comes within the
    /// [`patience`](Self::patience).
    pub async fn next_block(&mut self) -> Option<String> {
        let next = timeout(self.patience, poll_fn(|cx| self.poll_text(cx))).await;
        let block = next.unwrap_or_else(|_| panic!("no block came within {:?}", self.patience))?;
        self.take(&block);
        Some(block)
    }

    /// Returns the text of the next block that is there. Returns `-` if there is none yet, and `.` at the end of the
    /// stream.
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

    /// Returns the data of all events that are there, and then `-`, or `.` if the stream has ended. A gap event has its
    /// data, such as `{"missed":12}` or `{"missed":null}`.
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

    /// Returns the next frame of the body that is there, which may have several blocks. Returns `-` if there is no
    /// frame yet, and `.` at the end of the stream.
    ///
    /// # Panics
    ///
    /// If blocks of an earlier frame were not read, or if the frame ends in the middle of a block.
    pub fn frame(&mut self) -> String {
        assert!(self.queue.is_empty(), "{} blocks of the last frame were not read", self.queue.len());
        match self.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => "-".to_owned(),
            Poll::Ready(false) => ".".to_owned(),
            Poll::Ready(true) => {
                assert!(
                    !self.blocks.has_rest(),
                    "the frame ends in the middle of a block: {:?}",
                    self.blocks
                );
                let frame: String = self.queue.drain(..).collect();
                self.take(&frame);
                frame
            }
        }
    }

    /// Returns the id with which a client resumes that has read as far as this subscriber. It is empty if there was no
    /// id.
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// Returns the body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// Returns the body, to poll it with a waker of the caller's. The subscriber does not see what is read from it
    /// here.
    pub fn body_mut(&mut self) -> Pin<&mut B> {
        self.body.as_mut()
    }

    /// Returns the body with everything that was not read from it. Blocks that came in the same frame as a block that
    /// was read are dropped.
    pub fn into_body(self) -> Pin<Box<B>> {
        self.body
    }

    /// Reads a block. Returns its event, if it is one.
    fn take(&mut self, text: &str) -> Option<Event> {
        let (mut chunk, mut last) = (text.as_bytes(), None);
        while let Some(event) = self.decoder.next_event(&mut chunk).expect("the event has less than 16 MiB") {
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

    /// Queues the blocks of the next frame. Returns `false` at the end.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match ready!(self.body.as_mut().poll_frame(cx)) {
            Some(Err(error)) => panic!("the body fails: {error}"),
            Some(Ok(frame)) => {
                // Trailers are not part of the stream.
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
