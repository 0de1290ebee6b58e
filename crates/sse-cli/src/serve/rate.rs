//! How fast one client may publish.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use lru::LruCache;

use super::client::Account;
use super::rejection::Rejection;
use crate::refusal::Refusal;
use crate::units;

/// A number of events within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    events: NonZeroU32,
    within: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = || {
            let (events, within) = text.split_once('/')?;
            // `100/s` is as good as `100/1s`.
            let one = if within.starts_with(|char: char| char.is_ascii_digit()) { "" } else { "1" };
            let rate =
                Self { events: events.parse().ok()?, within: units::time(&format!("{one}{within}")).ok()? };
            rate.quota().map(|_| rate)
        };
        rate().ok_or_else(|| "write a number of events and a time as 100/s or 1000/1m".to_owned())
    }
}

impl Rate {
    /// All of them may come at once; `None` if the time is too short to be divided.
    fn quota(self) -> Option<Quota> {
        Some(Quota::with_period(self.within / self.events.get())?.allow_burst(self.events))
    }
}

/// The rates of the clients, if there is a limit.
pub(crate) struct PublishRate<C: Clock = MonotonicClock>(Option<Limiter<C>>);

struct Limiter<C: Clock> {
    rate: Rate,
    limiter: RateLimiter<Account, Newest, C, NoOpMiddleware<C::Instant>>,
}

/// How many clients are remembered. A forgotten client may publish as much at once as a new one, so no client waits
/// because there are many others.
const MAX_CLIENTS: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();

impl PublishRate {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self::by(rate, MonotonicClock)
    }
}

impl<C: Clock> PublishRate<C> {
    fn by(rate: Option<Rate>, clock: C) -> Self {
        let limited = rate.and_then(|rate| Some((rate, rate.quota()?)));
        Self(limited.map(|(rate, quota)| Limiter {
            rate,
            limiter: RateLimiter::new(quota, Newest::of(MAX_CLIENTS), clock),
        }))
    }

    /// Refuses a request of a client that has published too much. The request counts as one event, whatever it
    /// contains.
    pub(crate) fn check(&self, account: &Account) -> Result<(), Rejection> {
        self.take(account, 1)
    }

    /// Refuses the events of such a request if they are too many, for now or at once.
    pub(crate) fn check_events(&self, account: &Account, events: usize) -> Result<(), Rejection> {
        match &self.0 {
            Some(Limiter { rate, .. }) if events > rate.events.get() as usize => {
                let text = format!("{rate}, and this batch has more; send smaller ones");
                Err(Rejection::unpublished(StatusCode::PAYLOAD_TOO_LARGE, Refusal::BatchTooLarge, text))
            }
            _ => self.take(account, events.saturating_sub(1)),
        }
    }

    fn take(&self, account: &Account, events: usize) -> Result<(), Rejection> {
        let Some(Limiter { rate, limiter }) = &self.0 else { return Ok(()) };
        let Some(events) = u32::try_from(events).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        match limiter.check_key_n(account, events) {
            Ok(Err(until)) => {
                let wait = until.wait_time_from(limiter.clock().now());
                Err(Rejection::too_many(format!("{rate}; send these again later"), wait))
            }
            // There are no more than may come at once.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a client may publish {} events within {:?}", self.events, self.within)
    }
}

/// The states of the clients that came last.
struct Newest(Mutex<LruCache<Account, InMemoryState>>);

impl Newest {
    fn of(most: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::sparse(most)))
    }
}

impl StateStore for Newest {
    type Key = Account;

    fn measure_and_replace<T, F, E>(&self, account: &Account, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.get_or_insert_ref(account, InMemoryState::default);
        state.measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn account(name: &str) -> Account {
        Account::User(name.into())
    }

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        let rate = |events, within| Rate { events: NonZeroU32::new(events).unwrap(), within };
        assert_eq!("100/s".parse(), Ok(rate(100, Duration::from_secs(1))));
        assert_eq!("1/m".parse(), Ok(rate(1, Duration::from_secs(60))));
        assert_eq!("1000/10m".parse(), Ok(rate(1000, Duration::from_secs(600))));
        assert_eq!("5/250ms".parse(), Ok(rate(5, Duration::from_millis(250))));
        for wrong in ["", "100", "0/s", "-1/s", "100/", "/s", "many/s", "1/often", "1/0s", "1.5/s"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    /// Checks a request with so many events.
    #[track_caller]
    fn check(
        rate: &PublishRate<FakeRelativeClock>,
        name: &str,
        events: usize,
        expected: Option<(u16, &str)>,
    ) {
        let found = rate.check(&account(name)).and_then(|()| rate.check_events(&account(name), events)).err();
        let found = found.as_ref().map(|rejection| (rejection.status().as_u16(), rejection.text()));
        assert_eq!(found.map(|(status, _)| status), expected.map(|(status, _)| status), "{found:?}");
        assert!(found.zip(expected).is_none_or(|((_, found), (_, text))| found.contains(text)), "{found:?}");
    }

    #[test]
    fn each_client_has_its_rate() {
        let clock = FakeRelativeClock::default();
        let rate = PublishRate::by(Some("10/10s".parse().unwrap()), clock.clone());
        let later = Some((429, "a client may publish 10 events within 10s; send these again later"));
        check(&rate, "ann", 7, None);
        // One that is refused counts as one.
        check(&rate, "ann", 4, later);
        check(&rate, "ann", 2, None);
        check(&rate, "ann", 1, later);
        check(&rate, "bob", 10, None);
        check(&rate, "cid", 11, Some((413, "this batch has more; send smaller ones")));
        check(&rate, "cid", 9, None);
        check(&rate, "dot", 0, None);
        check(&rate, "dot", 10, later);
        assert_eq!(rate.check_events(&account("ann"), 4).unwrap_err().retry_after(), Some(3));
        clock.advance(Duration::from_secs(2));
        check(&rate, "ann", 2, None);
        assert!(PublishRate::new(None).check_events(&account("ann"), usize::MAX).is_ok());
    }

    #[test]
    fn only_so_many_clients_are_remembered() {
        let rate = PublishRate::by(Some("1/h".parse().unwrap()), FakeRelativeClock::default());
        for number in 0..=MAX_CLIENTS.get() {
            check(&rate, &number.to_string(), 1, None);
        }
        check(&rate, &MAX_CLIENTS.to_string(), 1, Some((429, "")));
        // The first one was forgotten.
        check(&rate, "0", 1, None);
        let states = rate.0.unwrap().limiter.into_state_store();
        assert_eq!(states.0.into_inner().unwrap().len(), MAX_CLIENTS.get());
    }
}
