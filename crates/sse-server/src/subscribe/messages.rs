//! The stream of one request alone, as bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sse_codec::Message;

use super::shutdown::Ending;
use crate::history::FRAME;
use crate::hub::heartbeat;
use crate::sync::{Exclusive, Pulse};

/// How many messages are joined before other tasks get their turn.
const MESSAGES: usize = 128;

#[derive(Debug)]
pub(crate) struct Messages {
    /// `None` when the stream has ended, so that what it holds is dropped early.
    steps: Option<Exclusive<Pin<Box<dyn Stream<Item = Step> + Send>>>>,
    /// Sent at once, because some proxies and clients wait for the first byte of the body before they pass on the
    /// headers.
    opening: &'static [u8],
    pulse: Option<Pulse>,
    endings: Box<[Ending]>,
}

/// An item of a stream of the user's.
pub(crate) enum Step {
    Message(Message<'static>),
    Last(Message<'static>),
}

impl Messages {
    pub(crate) fn new(steps: impl Stream<Item = Step> + Send + 'static) -> Self {
        Self {
            steps: Some(Exclusive::new(Box::pin(steps))),
            opening: heartbeat::BLOCK,
            pulse: Some(Pulse::new(heartbeat::DEFAULT)),
            endings: Box::default(),
        }
    }

    pub(crate) fn set_heartbeat(&mut self, interval: Option<Duration>) {
        self.pulse = interval.map(Pulse::new);
    }

    pub(crate) fn set_endings(&mut self, endings: Box<[Ending]>) {
        self.endings = endings;
    }

    /// Returns the next bytes, which are always whole blocks.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.opening.is_empty() {
            return Poll::Ready(Some(Bytes::from_static(std::mem::take(&mut self.opening))));
        }
        let joined = self.join(cx);
        if !joined.is_empty() {
            if let Some(pulse) = &mut self.pulse {
                pulse.put_off();
            }
            return Poll::Ready(Some(joined.into()));
        }
        if self.endings.iter_mut().map(|ending| usize::from(ending.poll_begun(cx).is_ready())).sum::<usize>()
            > 0
        {
            self.steps = None;
        }
        if self.steps.is_none() {
            return Poll::Ready(None);
        }
        let pulse = self.pulse.as_mut().map_or(Poll::Pending, |pulse| pulse.poll(cx));
        pulse.map(|()| Some(Bytes::from_static(heartbeat::BLOCK)))
    }

    /// Joins the messages that are ready into one piece.
    fn join(&mut self, cx: &mut Context<'_>) -> Vec<u8> {
        let mut joined = Vec::new();
        for _ in 0..MESSAGES {
            let Some(steps) = &mut self.steps else { return joined };
            let steps = steps.get_mut().as_mut();
            // A panic ends this stream only, also if others share its connection.
            let polled = catch_unwind(AssertUnwindSafe(|| steps.poll_next(cx)));
            match polled.unwrap_or(Poll::Ready(None)) {
                Poll::Pending => return joined,
                Poll::Ready(Some(Step::Message(message))) => message.encode(&mut joined),
                Poll::Ready(Some(Step::Last(message))) => {
                    message.encode(&mut joined);
                    self.steps = None;
                }
                Poll::Ready(None) => self.steps = None,
            }
            if joined.len() >= FRAME {
                return joined;
            }
        }
        if joined.is_empty() {
            // All messages were empty. Other tasks get their turn.
            cx.waker().wake_by_ref();
        }
        joined
    }
}

pin_project_lite::pin_project! {
    /// Converts a stream of the user's to a stream of steps.
    pub(crate) struct Map<S, F> {
        #[pin]
        stream: S,
        step: F,
    }
}

impl<S, F> Map<S, F> {
    pub(crate) fn new(stream: S, step: F) -> Self {
        Self { stream, step }
    }
}

impl<S: Stream, F: FnMut(S::Item) -> Step> Stream for Map<S, F> {
    type Item = Step;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        let this = self.project();
        this.stream.poll_next(cx).map(|item| item.map(this.step))
    }
}
