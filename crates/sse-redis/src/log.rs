//! The log: [`sse_server::log::Log`] by the commands of Redis Streams.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use redis::{ErrorKind, RedisError, RedisResult, Script};
use sse_server::EventId;
use sse_server::log::{Batch, Entry, Log, LogError, Position, timed};
use tokio::sync::Mutex;

use crate::builder::RedisLogBuilder;
use crate::chain::{self, Part};
use crate::error::ConnectError;
use crate::server::{Connection, Server};
use crate::wire::{self, RawEntry};

/// How many seconds a reader waits for new entries before it asks again.
const BLOCK: u32 = 5;

/// About how many bytes a page has, by the size of the entries before it.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// How many more entries are read with a page: the entry before it, and the entry after it, which shows whether the
/// last entry of the page counts.
const AROUND: usize = 2;

/// How often more entries are read if it is not known of any entry whether it counts. It takes more than one read only
/// if the messages of a batch differ much in size.
const READS: usize = 4;

/// How many entries the first page has, because their size is not known yet.
const FIRST_PAGE: usize = 16;

/// A log in one stream of Redis, Valkey, or another server with their protocol. It is a handle, and its clones share
/// its connections.
///
/// A process with such a log can publish, serve subscribers, or both: see [`sse_server::TopicsBuilder::build_on`] and
/// [`sse_server::log::Publisher`].
#[derive(Clone, Debug)]
pub struct RedisLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    server: Server,
    settings: RedisLogBuilder,
    script: Script,
    /// The connection for everything except reading new entries.
    connection: Mutex<Option<Connection>>,
    /// A connection for reading new entries, because its commands block.
    reader: Mutex<Option<Connection>>,
    /// How many entries a page may have.
    page: AtomicUsize,
}

impl RedisLog {
    /// Connects to a server: `redis://[user:password@]host[:port][/database]`, or `rediss://` with the feature `tls`.
    /// The stream has the name of the namespace. If the stream does not exist, the first message makes it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the URL or the namespace can't be used, or the server can't be reached.
    pub async fn connect(url: &str, namespace: &str) -> Result<Self, ConnectError> {
        Self::builder(namespace).connect(url).await
    }

    /// Returns the settings for a new log.
    pub fn builder(namespace: &str) -> RedisLogBuilder {
        RedisLogBuilder::new(namespace)
    }

    pub(crate) fn new(server: Server, settings: RedisLogBuilder) -> Self {
        Self(Arc::new(Shared {
            server,
            settings,
            script: Script::new(include_str!("append.lua")),
            connection: Mutex::new(None),
            reader: Mutex::new(None),
            page: AtomicUsize::new(FIRST_PAGE),
        }))
    }

    /// Checks that the server has the stream, or could have it.
    pub(crate) async fn check(&self) -> Result<(), LogError> {
        self.before(None, 1).await.map(drop)
    }
}

impl Shared {
    async fn connect(&self, timeout: Duration) -> RedisResult<Connection> {
        self.server.connect(self.settings.timeout, timeout).await
    }

    /// Returns the shared connection; after a failure, a new one.
    async fn connection(&self) -> Result<Connection, LogError> {
        let mut shared = self.connection.lock().await;
        if let Some(connection) = &*shared {
            return Ok(connection.clone());
        }
        let connection = self.connect(self.settings.timeout).await.map_err(|error| self.error(&error))?;
        Ok(shared.insert(connection).clone())
    }

    /// Converts the response to a command on the shared connection. After a failure, the next command gets a new
    /// connection: this one may be broken, or may be to a server that is no longer the master.
    async fn answer<T>(&self, answer: RedisResult<T>) -> Result<T, LogError> {
        if answer.is_err() {
            *self.connection.lock().await = None;
        }
        answer.map_err(|error| self.error(&error))
    }

    fn error(&self, error: &RedisError) -> LogError {
        let is_answer = matches!(
            error.kind(),
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed
        );
        let text = format!("Redis at {}: {error}", self.server);
        if is_answer { LogError::refused(text) } else { LogError::unavailable(text) }
    }

    fn page(&self, limit: usize) -> usize {
        limit.min(self.page.load(Ordering::Relaxed)).max(1)
    }

    /// Converts the entries of a response. Their size decides how many to ask for next time.
    fn entries(&self, raw: Vec<RawEntry>) -> Vec<Entry> {
        let count = raw.len();
        let values = raw.iter().flat_map(|(_, fields)| fields);
        let bytes: usize = values.map(|(_, value)| value.len()).sum();
        if count > 0 {
            let fitting = PAGE_BYTES * count / bytes.max(1);
            let more = self.page.load(Ordering::Relaxed).saturating_mul(2);
            self.page.store(fitting.clamp(1, more), Ordering::Relaxed);
        }
        raw.into_iter().filter_map(wire::entry).collect()
    }

    /// Returns the entries after a position, as [`Log::after`] does.
    async fn after(
        &self,
        connection: &mut Connection,
        position: Position,
        limit: usize,
    ) -> RedisResult<Option<Vec<Entry>>> {
        let page = self.page(limit);
        let mut count = page + AROUND;
        let mut part = self.part_after(connection, position, count).await?;
        for _ in 0..READS {
            let Some(missing) = part.as_ref().and_then(Part::missing) else { break };
            count += missing;
            part = self.part_after(connection, position, count).await?;
        }
        Ok(part.map(|part| part.page(page)))
    }

    /// Reads `count` entries from a position on, and returns those after the position.
    async fn part_after(
        &self,
        connection: &mut Connection,
        position: Position,
        count: usize,
    ) -> RedisResult<Option<Part>> {
        let stream = &self.settings.namespace;
        let mut commands = redis::pipe();
        // One transaction, so that both responses are of the same state.
        commands.atomic();
        commands.cmd("XRANGE").arg(stream).arg(timed::text(position)).arg("+").arg("COUNT").arg(count);
        commands.cmd("XRANGE").arg(stream).arg("-").arg("+").arg("COUNT").arg(1);
        let (from_there, first): (Vec<RawEntry>, Vec<RawEntry>) = commands.query_async(connection).await?;
        let is_end = from_there.len() < count;
        let entries = self.entries(from_there);
        if entries.first().is_some_and(|entry| entry.position == position) {
            return Ok(Part::new(entries, is_end).after(position));
        }
        // There is no entry at this position. Then the first entry after it must have been appended directly after it.
        let previous = match first.into_iter().next() {
            Some(first) => wire::entry(first).map(|first| first.previous),
            None => Some(Position::START),
        };
        Ok((previous == Some(position)).then(|| Part::new(entries, is_end)))
    }
}

impl Log for RedisLog {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        let Shared { settings, script, .. } = &*self.0;
        let namespace = &settings.namespace;
        let mut call = script.prepare_invoke();
        // With the braces, a cluster keeps both keys on one shard.
        call.key(namespace).key(format!("{{{namespace}}}:publisher:{:016x}", batch.publisher()));
        call.arg(batch.number()).arg(settings.max_entries.unwrap_or(0));
        call.arg(settings.max_age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        for record in batch.records() {
            let key = record.key();
            call.arg(record.topic()).arg(u8::from(key.is_some())).arg(key.unwrap_or_default());
            call.arg(&record.fields()[..]);
        }
        let first = call.invoke_async(&mut self.0.connection().await?).await;
        let (time, number): (u64, u64) = self.0.answer(first).await?;
        let numbers = (number..).take(batch.records().len());
        let positions: Option<Vec<_>> = numbers.map(|number| timed::position(time, number)).collect();
        positions
            .ok_or_else(|| LogError::refused(format!("the id {time}-{number} is too large for a position")))
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        let page = self.0.page(limit);
        // The entry at the position is read, too, because it shows whether the entry before it counts.
        let end = position.map_or("+".to_owned(), timed::text);
        let mut count = page + usize::from(position.is_some());
        loop {
            let mut command = redis::cmd("XREVRANGE");
            command.arg(&self.0.settings.namespace).arg(&end).arg("-").arg("COUNT").arg(count);
            let newest_first = command.query_async(&mut self.0.connection().await?).await;
            let mut raw: Vec<RawEntry> = self.0.answer(newest_first).await?;
            raw.reverse();
            let is_start = raw.len() < count;
            let mut entries = chain::linked(self.0.entries(raw));
            entries.pop_if(|last| Some(last.position) == position);
            if is_start || !entries.is_empty() {
                entries.drain(..entries.len().saturating_sub(page));
                return Ok(entries);
            }
            // No entry of this part counts, but there are earlier entries.
            count *= 2;
        }
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let entries = self.0.after(&mut self.0.connection().await?, position, limit).await;
        self.0.answer(entries).await
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        // It is put back after a response. If the call is dropped or fails, the next call makes a new connection.
        let reader = self.0.reader.lock().await.take();
        let (connection, followed) = if let Some(mut connection) = reader {
            let read = read(&mut connection, &self.0, position, limit).await;
            (connection, read.map(Some))
        } else {
            // Redis may have been replaced. This checks that it still has the log that was followed.
            let timeout = Duration::from_secs(BLOCK.into()) + self.0.settings.timeout;
            let mut connection = self.0.connect(timeout).await.map_err(|error| self.0.error(&error))?;
            let entries = self.0.after(&mut connection, position, limit).await;
            (connection, entries)
        };
        let followed = followed.map_err(|error| self.0.error(&error))?;
        // If the position is lost, it is asked again until the caller has another one.
        if followed.is_some() {
            *self.0.reader.lock().await = Some(connection);
        }
        Ok(followed)
    }

    fn id(&self, position: Position) -> EventId<'static> {
        timed::id(position)
    }

    fn position(&self, id: &str) -> Option<Position> {
        timed::parse(id)
    }

    fn time(&self, position: Position) -> Option<SystemTime> {
        Some(timed::system_time(position))
    }
}

/// Waits for new entries.
async fn read(
    connection: &mut Connection,
    log: &Shared,
    position: Position,
    limit: usize,
) -> RedisResult<Vec<Entry>> {
    let page = log.page(limit);
    // The entry after the page shows whether the last entry of the page counts.
    let mut count = page + 1;
    let mut part = read_part(connection, log, position, count).await?;
    for _ in 0..READS {
        let Some(missing) = part.missing() else { break };
        count += missing;
        part = read_part(connection, log, position, count).await?;
    }
    Ok(part.page(page))
}

/// Waits for new entries, and reads at most `count` of them.
async fn read_part(
    connection: &mut Connection,
    log: &Shared,
    position: Position,
    count: usize,
) -> RedisResult<Part> {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(count).arg("BLOCK").arg(BLOCK * 1000);
    command.arg("STREAMS").arg(&log.settings.namespace).arg(timed::text(position));
    // Each stream with its entries; nothing if there are no new entries.
    let streams: Option<Vec<(String, Vec<RawEntry>)>> = command.query_async(connection).await?;
    let raw: Vec<RawEntry> = streams.into_iter().flatten().flat_map(|(_, entries)| entries).collect();
    let (is_foreign, is_end) = (!raw.is_empty(), raw.len() < count);
    let entries = log.entries(raw);
    if entries.is_empty() && is_foreign {
        // Such an entry would be read again and again.
        return Err((ErrorKind::Client, "the newest entry has an id that this crate did not give").into());
    }
    Ok(Part::new(entries, is_end))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
