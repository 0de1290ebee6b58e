//! How many subscribers there are, and may be, in all and of one client.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use prometheus::HistogramTimer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::Account;
use super::topic;

/// The places of subscribers, of all topics together.
#[derive(Clone, Debug)]
pub(crate) struct Subscribers {
    places: Arc<Semaphore>,
    most: usize,
    /// What each client has, if that is bounded.
    shares: Option<Arc<Shares>>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are as many subscribers as there may be.
    All,
    /// This client has as many streams as it may have.
    Streams(usize),
    /// The streams of this client would have more topics than they may have.
    Topics(usize),
}

impl Subscribers {
    /// So many at most, and of one client.
    pub(crate) fn up_to(most: usize, per_client: Option<usize>) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        let shares = per_client.map(|most| Arc::new(Shares { most, held: Mutex::default() }));
        Self { places: Arc::new(Semaphore::new(most)), most, shares }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.most - self.places.available_permits()
    }

    /// A place for a client's stream of so many topics, if there is one. The account is asked for if it matters.
    pub(crate) fn join(&self, account: impl FnOnce() -> Account, topics: usize) -> Result<Place, Full> {
        let share = self.shares.as_ref().map(|shares| shares.take(account(), topics)).transpose()?;
        let permit = self.places.clone().try_acquire_owned().map_err(|_| Full::All)?;
        Ok(Place { _permit: permit, _share: share })
    }
}

/// A subscriber's place, which is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    /// In a box: there are many streams, and most hubs have no such limit.
    _share: Option<Box<Share>>,
}

impl Place {
    /// Keeps the place for as long as the body is sent, and measures how long that is.
    pub(crate) fn keep<B>(self, body: B, lifetime: Option<HistogramTimer>) -> Kept<B> {
        Kept { body, place: self, lifetime }
    }
}

/// The streams and topics of each client that has a stream.
#[derive(Debug)]
struct Shares {
    /// How many streams a client may have.
    most: usize,
    held: Mutex<HashMap<Account, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    streams: usize,
    topics: usize,
}

/// The share of one stream. It is given back when this is dropped.
#[derive(Debug)]
struct Share {
    shares: Arc<Shares>,
    account: Account,
    topics: usize,
}

/// How many topics the streams of a client may have at least: those of one stream.
const LEAST_TOPICS: usize = topic::MAX_TOPICS;

impl Shares {
    fn take(self: &Arc<Self>, account: Account, topics: usize) -> Result<Box<Share>, Full> {
        // So a few streams can't hold every topic that there may be.
        let most_topics = self.most.max(LEAST_TOPICS);
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.get(&account);
        if held.is_some_and(|held| held.streams >= self.most) {
            return Err(Full::Streams(self.most));
        }
        if held.map_or(0, |held| held.topics) + topics > most_topics {
            return Err(Full::Topics(most_topics));
        }
        let held = all.entry(account.clone()).or_default();
        held.streams += 1;
        held.topics += topics;
        Ok(Box::new(Share { shares: self.clone(), account, topics }))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = all.get_mut(&self.account) else { return };
        held.streams -= 1;
        held.topics -= self.topics;
        if held.streams == 0 {
            all.remove(&self.account);
        }
    }
}

pin_project! {
    /// The stream of a subscriber that has its place.
    pub(crate) struct Kept<B> {
        #[pin]
        body: B,
        place: Place,
        lifetime: Option<HistogramTimer>,
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

    fn ann() -> Account {
        Account::User("ann".into())
    }

    fn bob() -> Account {
        Account::User("bob".into())
    }

    #[test]
    fn a_place_is_free_again_when_its_stream_ends() {
        let subscribers = Subscribers::up_to(2, None);
        let first = subscribers.join(ann, 1).unwrap().keep((), None);
        let second = subscribers.join(ann, 1).unwrap();
        assert_eq!(subscribers.join(ann, 1).unwrap_err(), Full::All);
        assert_eq!(subscribers.count(), 2);
        drop((first, second));
        assert_eq!(subscribers.count(), 0);
        assert!(subscribers.join(ann, 1).is_ok());
        assert!(Subscribers::up_to(usize::MAX, None).join(ann, 1).is_ok());
    }

    #[test]
    fn a_client_has_no_more_than_its_share() {
        let subscribers = Subscribers::up_to(5, Some(2));
        let first = subscribers.join(ann, 1).unwrap();
        let second = subscribers.join(ann, 1).unwrap();
        assert_eq!(subscribers.join(ann, 1).unwrap_err(), Full::Streams(2));
        let others = [subscribers.join(bob, 1).unwrap(), subscribers.join(bob, 1).unwrap()];
        drop(first);
        assert!(subscribers.join(ann, 99).is_ok());
        assert_eq!(subscribers.join(ann, 100).unwrap_err(), Full::Topics(100));
        drop((second, others));
        assert_eq!(subscribers.count(), 0);
        assert!(subscribers.shares.unwrap().held.lock().unwrap().is_empty());
    }

    #[test]
    fn where_all_places_are_taken_nobody_is_counted() {
        let subscribers = Subscribers::up_to(1, Some(2));
        let place = subscribers.join(ann, 1).unwrap();
        assert_eq!(subscribers.join(bob, 1).unwrap_err(), Full::All);
        drop(place);
        assert!(subscribers.shares.unwrap().held.lock().unwrap().is_empty());
    }
}
