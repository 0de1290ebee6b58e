//! The settings of a log.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::ConnectError;
use crate::log::RedisLog;
use crate::server::Server;

/// The settings of a [`RedisLog`].
///
/// ```no_run
/// use std::time::Duration;
/// use sse_redis::RedisLog;
///
/// # async fn example() -> Result<(), sse_redis::ConnectError> {
/// let log = RedisLog::builder("shop")
///     .max_entries(1_000_000)
///     .max_age(Duration::from_secs(24 * 60 * 60))
///     .connect_within(Duration::from_secs(30))
///     .connect("redis://:password@localhost:6379/")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RedisLogBuilder {
    pub(crate) namespace: String,
    pub(crate) max_entries: Option<usize>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) timeout: Duration,
    connect_within: Duration,
}

impl RedisLogBuilder {
    pub(crate) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            max_entries: Some(100_000),
            max_age: None,
            timeout: Duration::from_secs(5),
            connect_within: Duration::ZERO,
        }
    }

    /// Sets about how many entries the stream keeps, of all topics together: 100,000 by default, `None` for any number.
    /// Redis removes whole nodes of the stream (100 entries by default), so it may keep a few more.
    ///
    /// Publishers trim the stream, so give the same limits to all of them.
    pub fn max_entries(mut self, entries: impl Into<Option<usize>>) -> Self {
        self.max_entries = entries.into();
        self
    }

    /// Sets about how long the stream keeps entries. `None`, the default, keeps them as long as there is room. Older
    /// entries are removed at the next publish.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_age = age.into();
        self
    }

    /// Sets how long Redis may take to accept a connection, or to respond: 5 s by default, at least 10 ms.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time.max(Duration::from_millis(10));
        self
    }

    /// Sets how long the start tries to connect before it fails. By default it tries once. After the start, a lost
    /// connection is tried again without an end.
    pub fn connect_within(mut self, time: Duration) -> Self {
        self.connect_within = time;
        self
    }

    /// Connects to a server. See [`RedisLog::connect`].
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the URL or the namespace can't be used, or the server can't be reached.
    pub async fn connect(self, url: &str) -> Result<RedisLog, ConnectError> {
        self.begin(Server::single(url)).await
    }

    /// Connects to a Redis Cluster by the URLs of some of its nodes, at least one. The whole log is on one of the
    /// shards. Other namespaces may be on other shards.
    ///
    /// # Errors
    ///
    /// The same as of [`connect`](Self::connect).
    #[cfg(feature = "cluster")]
    pub async fn connect_cluster<U: AsRef<str>>(
        self,
        urls: impl IntoIterator<Item = U>,
    ) -> Result<RedisLog, ConnectError> {
        let urls: Vec<_> = urls.into_iter().map(|url| url.as_ref().to_owned()).collect();
        self.begin(Server::cluster(urls)).await
    }

    /// Connects to a master that Sentinels name. They are asked at the start, and whenever the connection is lost. The
    /// master's URL has its name in place of the host, and its password if it has one, as in
    /// `redis://:password@mymaster`.
    ///
    /// # Errors
    ///
    /// The same as of [`connect`](Self::connect).
    #[cfg(feature = "sentinel")]
    pub async fn connect_sentinel<U: AsRef<str>>(
        self,
        sentinels: impl IntoIterator<Item = U>,
        master: &str,
    ) -> Result<RedisLog, ConnectError> {
        let sentinels: Vec<_> = sentinels.into_iter().map(|url| url.as_ref().to_owned()).collect();
        self.begin(Server::sentinel(sentinels, master)).await
    }

    async fn begin(self, server: redis::RedisResult<Server>) -> Result<RedisLog, ConnectError> {
        if self.namespace.is_empty() || self.namespace.contains(['{', '}']) {
            return Err(ConnectError::Namespace);
        }
        let server = server.map_err(ConnectError::Address)?;
        let end = Instant::now() + self.connect_within;
        let log = RedisLog::new(server, self);
        loop {
            let Err(error) = log.check().await else { return Ok(log) };
            if Instant::now() >= end {
                return Err(ConnectError::Log(error));
            }
            sleep(Duration::from_millis(fastrand::u64(100..400))).await;
        }
    }
}
