//! Publishes into a log from a process without subscribers.

use std::time::Duration;

use sse_codec::Message;

use super::contract::Log;
use super::erased::SharedLog;
use super::error::PublishError;
use super::outbox::{Limits, Outbox};
use super::published::Published;
use crate::message::{EventWriter, Publication, Record};

/// The longest time for which a batch is repeated. A log may forget a batch after this time.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// Publishes into a log from a process without subscribers. It is a handle, and its clones are the same publisher.
///
/// Its messages are appended in the order in which they are published.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use sse_server::Message;
/// use sse_server::log::Publisher;
/// use sse_testing::log::MemoryLog;
///
/// let publisher = Publisher::new(MemoryLog::new());
/// // `stored` waits until the log has the message. Without this call, the message is appended all the same.
/// let id = publisher.publish("news", &Message::new("rain"))?.stored().await?;
/// assert!(id.is_some());
/// # Ok::<(), sse_server::PublishError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Publisher(Outbox);

/// The settings of a [`Publisher`], and of [`Topics`](crate::TopicsBuilder::publisher) with a log.
#[derive(Clone, Debug)]
#[must_use]
pub struct PublisherBuilder(Limits);

impl PublisherBuilder {
    /// Sets how long a message may wait for a log that fails before [`stored`](Published::stored) returns the error: 10
    /// s by default, at most an hour. With [`Duration::ZERO`], nothing is tried again.
    pub fn patience(mut self, time: Duration) -> Self {
        self.0.patience = time.min(LONGEST_PATIENCE);
        self
    }

    /// Sets how many messages may wait to be appended: 8,192 by default. A further message is refused with
    /// [`PublishError::Full`].
    pub fn max_queued(mut self, messages: usize) -> Self {
        self.0.messages = messages;
        self
    }

    /// Sets how many bytes of messages may wait to be appended: 16 MiB by default. A larger message can't be published.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.0.bytes = bytes;
        self
    }

    /// Returns the publisher. It works in the tokio runtime in which this method is called.
    ///
    /// # Panics
    ///
    /// If it is not called within a tokio runtime.
    pub fn build(self, log: impl Log) -> Publisher {
        Publisher(self.outbox(SharedLog::new(log)))
    }

    pub(crate) fn outbox(self, log: SharedLog) -> Outbox {
        Outbox::new(self.0, log)
    }
}

impl Default for PublisherBuilder {
    fn default() -> Self {
        Self(Limits { patience: Duration::from_secs(10), messages: 8192, bytes: 16 * 1024 * 1024 })
    }
}

impl Publisher {
    /// Returns a publisher with the default settings. It works in the tokio runtime in which this function is called.
    ///
    /// # Panics
    ///
    /// If it is not called within a tokio runtime.
    pub fn new(log: impl Log) -> Self {
        Self::builder().build(log)
    }

    /// Returns the settings for a new publisher.
    pub fn builder() -> PublisherBuilder {
        PublisherBuilder::default()
    }

    /// Publishes a message to a topic, as [`Route::publish`](crate::Route::publish) does with a log. The call never
    /// waits.
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`]; [`PublishError::Closed`] if the runtime is gone in which the publisher was made;
    /// [`PublishError::OwnId`] and [`PublishError::InvalidId`] as for a route.
    pub fn publish<'m>(
        &self,
        topic: &str,
        message: impl Into<Publication<'m>>,
    ) -> Result<Published, PublishError> {
        let mut published = self.publish_all(topic, [message])?;
        Ok(published.pop().unwrap_or_else(|| Published::known(None)))
    }

    /// Publishes messages, one directly after the other, all or none, as
    /// [`Route::publish_all`](crate::Route::publish_all) does with a log.
    ///
    /// # Errors
    ///
    /// The same as of [`publish`](Self::publish), and [`PublishError::BatchTooLarge`] for more than 4,096 messages or 1
    /// MiB.
    pub fn publish_all<'m, P: Into<Publication<'m>>>(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Published>, PublishError> {
        let drafts: Vec<_> =
            messages.into_iter().map(|message| EventWriter::draft(&message.into())).collect();
        drafts.iter().filter_map(|draft| draft.own_id()).try_for_each(|id| self.0.log().check_id(id))?;
        let records = drafts.into_iter().map(|draft| Record::of(topic.into(), draft)).collect();
        let published = self.0.enqueue(records);
        self.0.wake();
        published
    }

    /// Publishes a message that replaces the earlier messages with the same key, as
    /// [`Route::publish_keyed`](crate::Route::publish_keyed) does.
    ///
    /// # Errors
    ///
    /// The same as of [`publish`](Self::publish).
    pub fn publish_keyed(
        &self,
        topic: &str,
        key: &str,
        message: &Message<'_>,
    ) -> Result<Published, PublishError> {
        self.publish(topic, Publication::new(message).key(key))
    }

    /// Waits until the log has stored or refused all messages that were published before this call.
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}
