//! How many subscribers there are, and may be.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of subscribers, of all topics together.
#[derive(Clone, Debug)]
pub(crate) struct Subscribers {
    places: Arc<Semaphore>,
    most: usize,
}

impl Subscribers {
    /// So many at most.
    pub(crate) fn up_to(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(most)), most }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.most - self.places.available_permits()
    }

    /// A place, if there is one.
    pub(crate) fn join(&self) -> Option<Place> {
        Some(Place(self.places.clone().try_acquire_owned().ok()?))
    }
}

/// A subscriber's place, which is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "it is kept")] OwnedSemaphorePermit);

impl Place {
    /// Keeps the place for as long as the body is sent.
    pub(crate) fn keep<B>(self, body: B) -> Kept<B> {
        Kept { body, place: self }
    }
}

pin_project! {
    /// The stream of a subscriber that has its place.
    pub(crate) struct Kept<B> {
        #[pin]
        body: B,
        place: Place,
    }
}

impl<B: Body<Data = Bytes>> Body for Kept<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_stream_ends() {
        let subscribers = Subscribers::up_to(2);
        let first = subscribers.join().unwrap().keep(());
        let second = subscribers.join().unwrap();
        assert!(subscribers.join().is_none());
        assert_eq!(subscribers.count(), 2);
        drop((first, second));
        assert_eq!(subscribers.count(), 0);
        assert!(subscribers.join().is_some());
        assert!(Subscribers::up_to(usize::MAX).join().is_some());
    }
}
