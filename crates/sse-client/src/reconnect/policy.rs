//! When to reconnect, and after how long: the settings. A [`Reconnector`](crate::Reconnector) follows them.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

/// The policy by which an [`EventSource`](crate::EventSource) reconnects.
///
/// The wait is the reconnection time that the server asked for, within bounds, and on top of it a random part of the
/// *backoff*, so that clients that lost their server together do not come back together. The backoff is 1 s at first,
/// is doubled by each failure, up to 60 s, is halved after each connection that did not fail, and is 1 s again after a
/// connection that lasted for a minute. While nothing fails, a server that has asked for a reconnection time gets its
/// clients back after that time and a quarter of it at most: one that closes after every event and asks for 100 ms means
/// it.
///
/// A failure is an attempt without a good response, or a connection that brought no event and ended sooner than the
/// wait before it, or was left by an idle time-out within its first minute. After a response with `Retry-After`, the wait
/// is at least that long; `retry-after-ms` and fractions of a second count too.
///
/// ```
/// use std::time::Duration;
/// use sse_client::Reconnect;
///
/// let patient = Reconnect::new().backoff(Duration::from_secs(5)..=Duration::from_secs(300));
/// let at_most_ten_times = Reconnect::new().max_retries(10);
/// let for_an_hour = Reconnect::new().max_elapsed(Duration::from_secs(3600));
/// ```
///
/// A [`Reconnector`](crate::Reconnector) follows it without an event source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reconnect {
    phase: Phase,
    backoff: RangeInclusive<Duration>,
    reconnection_times: RangeInclusive<Duration>,
    /// Until the server asks for another one.
    first_reconnection_time: Duration,
    max_retry_after: Duration,
    healthy_after: Duration,
    max_retries: u32,
    max_elapsed: Duration,
    statuses: Statuses,
}

/// Which statuses pass.
#[derive(Clone)]
enum Statuses {
    None,
    /// 408, 425, 429 and 5xx.
    Usual,
    Own(Arc<dyn Fn(StatusCode) -> bool + Send + Sync>),
}

impl Statuses {
    fn pass(&self, status: StatusCode) -> bool {
        match self {
            Self::None => false,
            Self::Usual => matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error(),
            Self::Own(pass) => pass(status),
        }
    }
}

/// Functions are equal if they are the same one.
impl PartialEq for Statuses {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) | (Self::Usual, Self::Usual) => true,
            (Self::Own(own), Self::Own(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl Eq for Statuses {}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Usual => "Usual",
            Self::Own(_) => "Own",
        })
    }
}

/// When in the life of a stream another attempt may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Never,
    Always,
    /// Until there is a good response.
    BeforeResponse,
    /// From the first good response on.
    AfterResponse,
}

/// How a connection, or the attempt at one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// There was no response, or the connection broke.
    Network,
    /// The connection brought nothing for the idle time-out.
    Silence,
    /// The body ended.
    End,
    /// The response had this status.
    Status(StatusCode),
    /// The response was no event stream, or one that can't be read.
    ContentType,
    /// The request can't succeed as it is: a URL of another scheme than HTTP, or a loop of redirects.
    Request,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Connect again after this time.
    Wait(Duration),
    /// Never connect again: another attempt would fail as well, or the policy makes no further attempt.
    Stop,
    /// Never connect again: there were too many failures.
    GiveUp,
}

impl Reconnect {
    /// The default. It also tries again after 408, 425, 429 and 5xx, because they pass.
    pub fn new() -> Self {
        Self {
            phase: Phase::Always,
            backoff: Duration::from_secs(1)..=Duration::from_secs(60),
            reconnection_times: Duration::from_millis(100)..=Duration::from_secs(5 * 60),
            first_reconnection_time: Duration::ZERO,
            max_retry_after: Duration::from_secs(60 * 60),
            healthy_after: Duration::from_secs(60),
            max_retries: u32::MAX,
            max_elapsed: Duration::MAX,
            statuses: Statuses::Usual,
        }
    }

    /// The standard's own (9.2.3): the reconnection time each time, 3 s at first as in browsers, and as long as the
    /// server likes, but 100 ms at least; and no other status than 200 is tried again.
    pub fn standard() -> Self {
        Self {
            backoff: Duration::ZERO..=Duration::ZERO,
            reconnection_times: Duration::from_millis(100)..=Duration::MAX,
            first_reconnection_time: Duration::from_secs(3),
            statuses: Statuses::None,
            ..Self::new()
        }
    }

    /// No reconnect at all.
    pub fn never() -> Self {
        Self { phase: Phase::Never, ..Self::new() }
    }

    /// Tries again only until there is a good response, and never after it: for a request that must not be made twice
    /// once it is being answered, such as a question to a model. Limit it by [`max_retries`](Self::max_retries).
    ///
    /// ```no_run
    /// # fn example(client: sse_client::reqwest::Client, question: sse_client::reqwest::Request)
    /// # -> Result<(), sse_client::Error> {
    /// use sse_client::{Ending, EventSource, Reconnect};
    ///
    /// // Twice more after 429, 5xx or without a connection; a break in the middle of the answer is an error.
    /// let answer = EventSource::builder(client, question)
    ///     .reconnect(Reconnect::new().until_response().max_retries(2))
    ///     .end_at(Ending::openai_chat())
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn until_response(mut self) -> Self {
        self.phase = Phase::BeforeResponse;
        self
    }

    /// Tries again only from the first good response on: a server that can't be reached at the first attempt is an
    /// error, which a wrong URL may be the reason for.
    pub fn after_response(mut self) -> Self {
        self.phase = Phase::AfterResponse;
        self
    }

    /// The shortest and the longest backoff; 1 s and 60 s by default.
    pub fn backoff(mut self, times: RangeInclusive<Duration>) -> Self {
        self.backoff = times;
        self
    }

    /// The bounds of what a server may ask for; 100 ms and 5 min by default. What is outside counts as the nearest
    /// bound, and so does the time until the server asks for one.
    pub fn reconnection_times(mut self, bounds: RangeInclusive<Duration>) -> Self {
        self.reconnection_times = bounds;
        self
    }

    /// The longest `Retry-After` that is waited for; 1 h by default. A longer one counts as this one.
    pub fn max_retry_after(mut self, time: Duration) -> Self {
        self.max_retry_after = time;
        self
    }

    /// How long a connection must have lasted for the backoff to begin anew; 60 s by default.
    pub fn healthy_after(mut self, time: Duration) -> Self {
        self.healthy_after = time;
        self
    }

    /// How many times in a row to try again after a failure, before giving up; without limit by default.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// How long to go on trying after the first of the failures in a row, before giving up; without limit by default.
    /// It gives up where the next attempt would come later.
    pub fn max_elapsed(mut self, time: Duration) -> Self {
        self.max_elapsed = time;
        self
    }

    /// Says which statuses pass, so that another attempt follows; 408, 425, 429 and 5xx by default.
    ///
    /// ```
    /// use sse_client::Reconnect;
    ///
    /// // The route is missing for a moment while the server is deployed.
    /// let policy = Reconnect::new().passing_statuses(|status| status == 404 || status.is_server_error());
    /// ```
    ///
    /// A 204 to a source that has had a good response is the end, whatever this says.
    pub fn passing_statuses(mut self, pass: impl Fn(StatusCode) -> bool + Send + Sync + 'static) -> Self {
        self.statuses = Statuses::Own(Arc::new(pass));
        self
    }

    /// Whether another attempt may follow, if a connection ended like this. `has_opened` says whether there has been a
    /// good response.
    pub(crate) fn tries_again_after(&self, cause: Cause, has_opened: bool) -> bool {
        let is_time = match self.phase {
            Phase::Never => false,
            Phase::Always => true,
            Phase::BeforeResponse => !has_opened,
            Phase::AfterResponse => has_opened,
        };
        is_time
            && match cause {
                Cause::Network | Cause::Silence | Cause::End => true,
                Cause::Status(status) => self.statuses.pass(status),
                Cause::ContentType | Cause::Request => false,
            }
    }

    /// Whether there have been enough failures. `elapsed` is the time from the first of them to the next attempt.
    pub(super) fn gives_up(&self, failures: u32, elapsed: Option<Duration>) -> bool {
        failures > self.max_retries || elapsed.is_some_and(|elapsed| elapsed > self.max_elapsed)
    }

    /// Whether a connection that lasted this long lets the backoff begin anew.
    pub(super) fn is_healthy(&self, lasted: Duration) -> bool {
        lasted >= self.healthy_after
    }

    /// The reconnection time that the server asked for, if it did, within the bounds.
    pub(crate) fn bounded_reconnection_time(&self, asked: Option<Duration>) -> Duration {
        let bounds = &self.reconnection_times;
        // Not `clamp`, which panics on an empty range.
        asked.unwrap_or(self.first_reconnection_time).max(*bounds.start()).min(*bounds.end())
    }

    /// The `Retry-After` that the server asked for, if it did, within the bound.
    pub(super) fn bounded_retry_after(&self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or_default().min(self.max_retry_after)
    }

    /// The backoff that has been doubled so many times.
    pub(crate) fn doubled_backoff(&self, doublings: u32) -> Duration {
        let factor = 1 << doublings.min(31);
        self.backoff.start().saturating_mul(factor).min(*self.backoff.end())
    }

    /// The longest backoff.
    #[cfg(test)]
    pub(crate) fn longest_backoff(&self) -> Duration {
        *self.backoff.end()
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}
