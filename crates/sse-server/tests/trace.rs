//! What a stream logs with the feature `tracing`.
#![cfg(feature = "tracing")]

use std::sync::{Arc, Mutex};

use sse_server::{Message, Route};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Records what happens, one line each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl Log {
    fn write(&self, start: String, record: impl FnOnce(&mut Line)) {
        let mut line = Line(start);
        record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sse_server")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(format!("open {}", span.metadata().name()), |line| span.record(line));
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata().level().to_string(), |line| event.record(line));
    }

    fn try_close(&self, _: Id) -> bool {
        self.write("close".to_owned(), |_| ());
        true
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_stream_is_a_span_with_events_for_its_gaps_and_refusals() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let route = Route::builder().history(1).burst_bytes(0).max_subscribers(1).build();
        let mut reader = sse_testing::subscribe(&route, "from afar");
        let request = http::Request::get("/").body(()).unwrap();
        assert_eq!(route.respond(&request).status(), 503);
        reader.read();
        (0..3).for_each(|_| _ = route.publish(&Message::new("x")).unwrap());
        reader.read();
    });
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            r#"open event_stream last_event_id="from afar""#,
            r#"INFO message=subscription refused reason="full""#,
            "DEBUG message=gap",
            "DEBUG message=gap missed=2",
            "close",
        ]
    );
}

mod of_a_log {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use sse_server::Topics;
    use sse_server::log::{Batch, Entry, LogError, Position, PublisherBuilder};
    use sse_testing::log::MemoryLog;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    /// A log that can be unavailable.
    #[derive(Clone, Default)]
    struct Far(MemoryLog, Arc<AtomicBool>);

    impl Far {
        fn reach(&self) -> Result<&MemoryLog, LogError> {
            let is_away = self.1.load(Ordering::Relaxed);
            if is_away { Err(LogError::unavailable("the test log is away")) } else { Ok(&self.0) }
        }
    }

    impl sse_server::log::Log for Far {
        async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
            self.reach()?.append(batch).await
        }

        async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
            self.reach()?.before(position, limit).await
        }

        async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
            self.reach()?.after(position, limit).await
        }

        async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
            let page = timeout(Duration::from_secs(1), self.reach()?.follow(position, limit)).await;
            self.reach()?;
            page.unwrap_or(Ok(Some(Vec::new())))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_fails_is_reported() {
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(log.clone());
        let far = Far::default();
        let impatient = PublisherBuilder::default().patience(Duration::from_secs(5));
        let topics = Topics::builder().publisher(impatient).build_on(far.clone()).await.unwrap();
        let route = topics.route("t").unwrap();
        route.publish(&Message::new("x")).unwrap().stored().await.unwrap();

        far.1.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(80) {
            route.publish(&Message::new("y")).unwrap().stored().await.unwrap_err();
        }
        far.1.store(false, Ordering::Relaxed);
        route.publish(&Message::new("z")).unwrap().stored().await.unwrap();
        sleep(Duration::from_secs(5)).await;
        far.0.lose(1);
        sleep(Duration::from_secs(5)).await;

        // How long each attempt and each pause takes, is random.
        let told = |line: &String| line.split([' ', '=']).next() != Some("DEBUG");
        let without_times = |line: &String| {
            line.split(" error=").next().unwrap().split(" lasted=").next().unwrap().to_owned()
        };
        let lines: Vec<_> =
            log.0.lock().unwrap().iter().filter(|line| told(line)).map(without_times).collect();
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        // Some 80 s: at the beginning, and every 30 s.
        for (text, times) in [
            ("WARN message=messages can't be appended to the log, and wait", 1),
            ("WARN message=messages still can't be appended to the log", 2),
            ("INFO message=messages are appended to the log again", 1),
            ("ERROR message=messages were not appended to the log in time, and are given up", 3),
            ("WARN message=the log can't be followed, so subscribers get nothing new; it is tried again", 1),
            ("WARN message=the log still can't be followed", 2),
            ("INFO message=the log is followed again", 1),
            (
                "ERROR message=the log has lost the entries after this id: all subscribers get a gap event id=2",
                1,
            ),
        ] {
            assert_eq!(count(text), times, "{text}: {lines:#?}");
        }
        assert_eq!(lines.len(), 12, "{lines:#?}");
    }
}
