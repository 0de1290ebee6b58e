//! What the feature `tracing` shows of a stream.
#![cfg(feature = "tracing")]

mod common;

use std::sync::{Arc, Mutex};

use sse_server::{Message, Route};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down what happens, a line each.
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
fn a_stream_is_a_span_with_its_troubles() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let route = Route::builder().history(1).max_subscribers(1).build();
        let mut reader = common::subscribe(&route, "from afar");
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
