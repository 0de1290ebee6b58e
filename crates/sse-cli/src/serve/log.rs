//! What the hub writes to standard error: messages for its operator, and the access log.
//!
//! A thread writes it, so that no stream waits for the reader of the log. If nobody reads, lines are left out.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::access_log::Format;

/// The log while it is written. What is left is written when it is dropped.
pub(crate) struct Log {
    repeats: Repeats,
    left_out: ErrorCounter,
    writer: NonBlocking,
    _guard: WorkerGuard,
}

/// How many lines of one kind may come at once, and how long it takes until there may be one more.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(10).unwrap();
const ONE_EACH: Duration = Duration::from_secs(30);

/// How often the number of left out lines is logged.
const TOLD_EACH: Duration = Duration::from_secs(30);

impl Log {
    /// Begins to log what passes the filter, as lines of text or of JSON.
    pub(crate) fn start(filter: Targets, format: Format) -> Self {
        let (writer, guard) = NonBlockingBuilder::default().lossy(true).finish(io::stderr());
        let is_coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let layer = tracing_subscriber::fmt::layer().with_writer(writer.clone()).with_ansi(is_coloured);
        // An error must not cause a panic: the terminal may be closed.
        let layer = layer.log_internal_errors(false);
        let repeats = Repeats::default();
        // A reader of lines of JSON can't read others.
        let layer = if format == Format::Json { layer.json().boxed() } else { layer.boxed() };
        tracing_subscriber::registry().with(layer.with_filter(repeats.clone())).with(filter).init();
        Self { repeats, left_out: writer.error_counter(), writer, _guard: guard }
    }

    pub(crate) fn writer(&self) -> NonBlocking {
        self.writer.clone()
    }

    /// Logs from time to time how many lines were left out.
    pub(crate) async fn tell_what_is_left_out(&self) -> ! {
        let mut told = 0;
        loop {
            tokio::time::sleep(TOLD_EACH).await;
            self.repeats.tell();
            let lines = self.left_out.dropped_lines();
            if lines > told {
                tracing::warn!(
                    lines = lines - told,
                    "lines of the log were left out, because nobody reads them fast enough"
                );
                told = lines;
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.repeats.tell();
    }
}

/// Limits the rate of lines of one kind, such as those of a thousand subscribers that stall together. Lines for
/// debugging are not limited.
#[derive(Clone, Default)]
struct Repeats(Arc<Mutex<HashMap<Identifier, Kind>>>);

/// The lines of one call site.
struct Kind {
    limiter: DefaultDirectRateLimiter,
    message: String,
    left_out: u64,
}

impl Repeats {
    /// Returns whether one more line of this kind may be written; else it is counted.
    fn passes(&self, event: &Event<'_>) -> bool {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(event.metadata().callsite()).or_insert_with(|| {
            let quota = Quota::with_period(ONE_EACH).expect("it is a time").allow_burst(AT_ONCE);
            Kind { limiter: RateLimiter::direct(quota), message: String::new(), left_out: 0 }
        });
        if kind.limiter.check().is_ok() {
            return true;
        }
        if kind.left_out == 0 {
            event.record(&mut Message(&mut kind.message));
        }
        kind.left_out += 1;
        false
    }

    /// Tells of what was left out since the last time.
    fn tell(&self) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = kinds.values_mut().filter(|kind| kind.left_out > 0);
        let told: Vec<_> = left_out
            .map(|kind| (std::mem::take(&mut kind.left_out), std::mem::take(&mut kind.message)))
            .collect();
        // Without the lock, because these lines pass this filter, too.
        drop(kinds);
        for (lines, message) in told {
            tracing::warn!(lines, like = message, "more lines of one kind were left out");
        }
    }
}

impl<S> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::INFO || metadata.target() == module_path!() || self.passes(event)
    }
}

/// Takes the message of an event.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn lines_that_come_again_and_again_are_counted() {
        let (lines, repeats) = (Lines::default(), Repeats::default());
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(repeats.clone()));
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..1000 {
                tracing::info!(target: "test", number, "it stalls");
            }
            for number in 0..15 {
                tracing::debug!(target: "test", number, "for debugging");
            }
            tracing::warn!(target: "test", "another kind");
            repeats.tell();
            repeats.tell();
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!(count("it stalls number="), 10, "{text}");
        assert_eq!(count("for debugging"), 15);
        assert_eq!(count("another kind"), 1);
        assert_eq!(count("more lines of one kind were left out lines=990 like=\"it stalls\""), 1, "{text}");
    }
}
