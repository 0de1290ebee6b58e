//! One subscriber: what its stream begins with, what it reads from the channel, and when it ends.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sse_codec::{EventType, Message};

use crate::channel::{Channel, Next, Place};
use crate::heartbeat;
use crate::ring::{Gap, Read};
use crate::shutdown::Ending;

#[derive(Debug)]
pub(crate) struct Subscriber {
    channel: Arc<Channel>,
    place: Place,
    /// Goes out first, at once: headers wait for the first byte of the body in some proxies and clients.
    opening: Option<Bytes>,
    gap_event_type: EventType<'static>,
    ending: Option<Ending>,
    ended: bool,
}

impl Subscriber {
    pub(crate) fn new(
        channel: Arc<Channel>,
        place: Place,
        opening: &Message<'_>,
        gap_event_type: EventType<'static>,
        ending: Option<Ending>,
    ) -> Self {
        Self { channel, place, opening: Some(opening.to_bytes()), gap_event_type, ending, ended: false }
    }

    /// The next bytes: always whole blocks.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(opening));
        }
        self.ended = self.ended || self.is_over(cx);
        if self.ended {
            return Poll::Ready(None);
        }
        let next = ready!(self.channel.poll_next(&mut self.place, cx));
        self.ended = next.is_none();
        Poll::Ready(next.map(|next| match next {
            Next::Read(Read::Block(block)) => block,
            Next::Read(Read::Gap(gap)) => self.gap_event(&gap),
            Next::Read(Read::End) | Next::Heartbeat => Bytes::from_static(heartbeat::BLOCK),
        }))
    }

    /// Whether the server is shutting down and everything has been read.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(ending) = &mut self.ending else { return false };
        ending.poll_begun(cx).is_ready() && self.channel.is_read(&self.place)
    }

    /// The event that tells of a gap.
    fn gap_event(&self, gap: &Gap) -> Bytes {
        let missed = gap.missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
        let message = Message::new(format!("{{\"missed\":{missed}}}"));
        message.event_type(self.gap_event_type.as_borrowed()).id(gap.id.as_borrowed()).to_bytes()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.channel.unsubscribe(&self.place);
    }
}
