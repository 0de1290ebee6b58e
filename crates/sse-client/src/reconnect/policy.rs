//! The settings of the reconnect policy. A [`Reconnector`](crate::Reconnector) follows them.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

/// The policy by which an [`EventSource`](crate::EventSource) reconnects.
///
/// The wait before an attempt is the sum of two times:
///
/// - The reconnection time that the server has asked for, within bounds (100 ms at first).
/// - A random part of the *backoff*, so that clients that lost their server at the same time do not come back at the
///   same time. The backoff is 1 s at first. It is doubled by each failure, up to 60 s, and is halved after each
///   connection that did not fail. After a connection that lasted for a minute it is 1 s again. As long as nothing
///   fails and the server has asked for a reconnection time, the backoff is at most a quarter of that time, for servers
///   that close after each event.
///
/// A failure is an attempt without a good response, or a connection without an event that ended sooner than the wait
/// before it, or that was closed by an idle time-out within its first minute. After a response with `Retry-After`, the
/// wait is at least that long. `retry-after-ms` and fractions of a second count as well.
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
/// A [`Reconnector`](crate::Reconnector) follows the policy without an event source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reconnect {
    phase: Phase,
    backoff: RangeInclusive<Duration>,
    reconnection_times: RangeInclusive<Duration>,
    /// The reconnection time until the server asks for another one.
    first_reconnection_time: Duration,
    max_retry_after: Duration,
    healthy_after: Duration,
    max_retries: u32,
    max_elapsed: Duration,
    statuses: Statuses,
}

/// The statuses after which another attempt follows.
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

/// Two closures are equal if they are the same closure.
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

/// The part of a stream's life in which another attempt may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Never,
    Always,
    /// Until the first good response.
    BeforeResponse,
    /// From the first good response on.
    AfterResponse,
}

/// How a connection or an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// There was no response, or the connection broke.
    Network,
    /// The connection was closed by an idle time-out.
    IdleTimeout,
    /// The body ended without an error.
    End,
    /// The response had this status.
    Status(StatusCode),
    /// The response was not an event stream, or was compressed.
    ContentType,
    /// The request can't succeed as it is, for example because of an invalid URL, TLS, or too many redirects.
    Request,
}

/// What to do after the end of a connection or of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Reconnect after this time.
    Wait(Duration),
    /// Do not reconnect, because another attempt would fail as well, or because the policy allows no further attempt.
    Stop,
    /// Do not reconnect, because there were too many failures.
    GiveUp,
}

impl Reconnect {
    /// Returns the default policy. It also tries again after 408, 425, 429 and 5xx, which are usually temporary.
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

    /// Returns the policy of the standard (9.2.3). Each wait is the reconnection time, without a backoff. It is 3 s at
    /// first, as in browsers, at least 100 ms, and otherwise as long as the server asks for. Any status but 200 is
    /// final.
    pub fn standard() -> Self {
        Self {
            backoff: Duration::ZERO..=Duration::ZERO,
            reconnection_times: Duration::from_millis(100)..=Duration::MAX,
            first_reconnection_time: Duration::from_secs(3),
            statuses: Statuses::None,
            ..Self::new()
        }
    }

    /// Returns a policy that never reconnects.
    pub fn never() -> Self {
        Self { phase: Phase::Never, ..Self::new() }
    }

    /// Tries again only until there is a good response, and never after it. Use it for a request that must not be sent
    /// again once its answer has begun, such as a question to a model, and limit it by
    /// [`max_retries`](Self::max_retries).
    ///
    /// ```no_run
    /// # fn example(client: sse_client::reqwest::Client, question: sse_client::reqwest::Request)
    /// # -> Result<(), sse_client::Error> {
    /// use sse_client::{Ending, EventSource, Reconnect};
    ///
    /// // Two more attempts after a 429, a 5xx or a failed connection. A break within the answer is an error.
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

    /// Tries again only after the first good response. If the server can't be reached at the first attempt, the source
    /// ends with an error, because a wrong URL may be the cause.
    pub fn after_response(mut self) -> Self {
        self.phase = Phase::AfterResponse;
        self
    }

    /// Sets the shortest and the longest backoff. The defaults are 1 s and 60 s.
    pub fn backoff(mut self, times: RangeInclusive<Duration>) -> Self {
        self.backoff = times;
        self
    }

    /// Sets the bounds of the reconnection time. The defaults are 100 ms and 5 min. A time outside of the bounds is
    /// replaced by the nearest bound, also the time before the server has asked for one.
    pub fn reconnection_times(mut self, bounds: RangeInclusive<Duration>) -> Self {
        self.reconnection_times = bounds;
        self
    }

    /// Sets the longest `Retry-After`. The default is 1 h. A longer time is replaced by this one.
    pub fn max_retry_after(mut self, time: Duration) -> Self {
        self.max_retry_after = time;
        self
    }

    /// Sets how long a connection must have lasted, so that the backoff is the shortest one again. The default is 60 s.
    pub fn healthy_after(mut self, time: Duration) -> Self {
        self.healthy_after = time;
        self
    }

    /// Limits how many failures in a row are followed by another attempt. There is no limit by default.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Limits the time from the first of several failures in a row to the next attempt. There is no limit by default.
    pub fn max_elapsed(mut self, time: Duration) -> Self {
        self.max_elapsed = time;
        self
    }

    /// Sets the statuses after which another attempt follows. The defaults are 408, 425, 429 and 5xx.
    ///
    /// ```
    /// use sse_client::Reconnect;
    ///
    /// // The route is missing for a short time while a new version of the server is deployed.
    /// let policy = Reconnect::new().passing_statuses(|status| status == 404 || status.is_server_error());
    /// ```
    ///
    /// A 204 always ends a source that has had a good response.
    pub fn passing_statuses(mut self, pass: impl Fn(StatusCode) -> bool + Send + Sync + 'static) -> Self {
        self.statuses = Statuses::Own(Arc::new(pass));
        self
    }

    /// Returns true if another attempt may follow after this cause. `has_opened` is true if there has been a good
    /// response.
    pub(crate) fn tries_again_after(&self, cause: Cause, has_opened: bool) -> bool {
        let is_time = match self.phase {
            Phase::Never => false,
            Phase::Always => true,
            Phase::BeforeResponse => !has_opened,
            Phase::AfterResponse => has_opened,
        };
        is_time
            && match cause {
                Cause::Network | Cause::IdleTimeout | Cause::End => true,
                Cause::Status(status) => self.statuses.pass(status),
                Cause::ContentType | Cause::Request => false,
            }
    }

    /// Returns true if there were too many failures. `elapsed` is the time from the first of them to the next attempt.
    pub(super) fn gives_up(&self, failures: u32, elapsed: Option<Duration>) -> bool {
        failures > self.max_retries || elapsed.is_some_and(|elapsed| elapsed > self.max_elapsed)
    }

    /// Returns true if a connection that lasted this long resets the backoff.
    pub(super) fn is_healthy(&self, lasted: Duration) -> bool {
        lasted >= self.healthy_after
    }

    /// Returns the reconnection time within the bounds. `asked` is the time that the server has asked for.
    pub(crate) fn bounded_reconnection_time(&self, asked: Option<Duration>) -> Duration {
        let bounds = &self.reconnection_times;
        // `clamp` would panic on an empty range.
        asked.unwrap_or(self.first_reconnection_time).max(*bounds.start()).min(*bounds.end())
    }

    /// Returns the `Retry-After` within the bound. `asked` is the time that the server has asked for.
    pub(super) fn bounded_retry_after(&self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or_default().min(self.max_retry_after)
    }

    /// Returns the shortest backoff after this many doublings.
    pub(crate) fn doubled_backoff(&self, doublings: u32) -> Duration {
        let factor = 1 << doublings.min(31);
        self.backoff.start().saturating_mul(factor).min(*self.backoff.end())
    }

    /// Returns the longest backoff.
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
