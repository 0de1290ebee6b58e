//! The hub's numbers as Prometheus reads them (text format 0.0.4).

mod series;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use axum::http::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, HistogramTimer, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use sse_disk::DiskStats;
use sse_server::{LogStats, Stats, TopicsStats};

use self::series::{COUNTERS, Series};

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many topics have lines of their own.
const MAX_TOPICS: usize = 500;

/// The label of all others.
const OTHERS: &str = "other";

/// How long streams last, in seconds: from those that break at once to those of a day.
const LIFETIMES: [f64; 10] = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0];

/// A number: its name, what it is, and where its value stands.
type Metric<T> = (&'static str, &'static str, fn(&T) -> u64);

const OF_TOPICS: [Metric<Stats>; 4] = [
    ("sse_topic_subscribers", "Subscribers of the topic.", |stats| stats.subscribers as u64),
    ("sse_topic_catching_up", "Subscribers that have not read everything.", |stats| stats.catching_up as u64),
    ("sse_topic_kept_events", "Events that the topic keeps.", |stats| stats.history as u64),
    ("sse_topic_memory_bytes", "Memory that the history of the topic takes.", |stats| stats.memory as u64),
];

const OF_THE_LOG: [Metric<LogStats>; 2] = [
    ("sse_log_following", "1 if the log is followed.", |log| u64::from(log.is_following)),
    ("sse_log_queued", "Events that wait to be appended.", |log| log.queued as u64),
];

const COUNTERS_OF_THE_LOG: [Metric<LogStats>; 6] = [
    ("sse_log_appended_total", "Events appended.", |log| log.appended),
    ("sse_log_failed_total", "Events given up.", |log| log.failed),
    ("sse_log_retries_total", "Appends repeated.", |log| log.retries),
    ("sse_log_reads_total", "Reads of old events for subscribers that resume.", |log| log.reads),
    ("sse_log_interruptions_total", "How often the log could not be followed.", |log| log.interruptions),
    ("sse_log_losses_total", "How often the log had lost events.", |log| log.losses),
];

const OF_THE_DISK: [Metric<DiskStats>; 4] = [
    ("sse_disk_bytes", "Bytes that the events take of the disk.", |disk| disk.bytes),
    ("sse_disk_events", "Events on the disk.", |disk| disk.entries),
    ("sse_disk_writable", "1 if the disk takes events, as far as is known.", |disk| {
        u64::from(disk.refusal.is_none())
    }),
    ("sse_disk_oldest_timestamp_seconds", "When the oldest event was published, or 0.", |disk| {
        let since = disk.oldest.and_then(|oldest| oldest.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_secs())
    }),
];

const COUNTERS_OF_THE_DISK: [Metric<DiskStats>; 2] = [
    ("sse_disk_flushes_total", "How often events were flushed to the disk.", |disk| disk.commits),
    ("sse_disk_failures_total", "How often the disk was full or has failed.", |disk| disk.failures),
];

/// The metrics that are counted as things happen, and the state of the lines of topics.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    responses: IntCounterVec,
    refusals: IntCounterVec,
    lifetimes: Histogram,
    series: Arc<Mutex<Series>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let responses = counters("sse_responses_total", "Responses begun.", &["method", "code"]);
        let refusals = counters("sse_refusals_total", "Requests refused.", &["reason"]);
        let lifetimes =
            HistogramOpts::new("sse_stream_seconds", "How long streams that have ended had lasted.");
        let lifetimes = Histogram::with_opts(lifetimes.buckets(LIFETIMES.to_vec())).expect(VALID);
        let build = Opts::new("sse_build_info", "The version of the hub.");
        let build =
            IntGauge::with_opts(build.const_label("version", env!("CARGO_PKG_VERSION"))).expect(VALID);
        build.set(1);
        let parts: [Box<dyn Collector>; 4] = [
            Box::new(responses.clone()),
            Box::new(refusals.clone()),
            Box::new(lifetimes.clone()),
            Box::new(build),
        ];
        for part in parts {
            registry.register(part).expect(VALID);
        }
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect(VALID);
        Self {
            registry,
            responses,
            refusals,
            lifetimes,
            series: Arc::new(Mutex::new(Series::up_to(MAX_TOPICS))),
        }
    }

    /// Counts a response.
    pub(crate) fn count(&self, method: &Method, status: StatusCode) {
        // Anybody can invent a method.
        let known = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
        let method = if known.contains(method) { method.as_str() } else { OTHERS };
        self.responses.with_label_values(&[method, status.as_str()]).inc();
        if let Some(reason) = reason(status) {
            self.refusals.with_label_values(&[reason]).inc();
        }
    }

    /// Counts how long a stream lasts: until it is dropped.
    pub(crate) fn stream(&self) -> HistogramTimer {
        self.lifetimes.start_timer()
    }

    /// All numbers, with those of the topics, of which `streams` are open.
    pub(crate) fn text(&self, streams: usize, stats: &TopicsStats, disk: Option<&DiskStats>) -> String {
        let now = Registry::new();
        let gauge = |name: &str, help: &str, value: u64| {
            let gauge = gauges(name, help, &[]);
            gauge.with_label_values::<&str>(&[]).set(signed(value));
            now.register(Box::new(gauge)).expect(VALID);
        };
        let counter = |name: &str, help: &str, value: u64| {
            let counter = counters(name, help, &[]);
            counter.with_label_values::<&str>(&[]).inc_by(value);
            now.register(Box::new(counter)).expect(VALID);
        };
        gauge("sse_subscribers", "Event streams, of one topic or of several.", streams as u64);
        gauge("sse_topics", "Topics.", stats.topics.len() as u64);
        gauge("sse_memory_bytes", "Memory that all histories take.", stats.total.memory as u64);
        gauge("sse_max_memory_bytes", "Memory that all histories may take.", stats.max_memory as u64);
        let rows = self.series.lock().unwrap_or_else(PoisonError::into_inner).rows(stats);
        let label = |row: &series::Row| row.topic.as_deref().unwrap_or(OTHERS).to_owned();
        for (number, (name, help, _)) in COUNTERS.iter().enumerate() {
            let counter = counters(name, help, &["topic"]);
            // A topic may be called `other`, too.
            for row in &rows {
                counter.with_label_values(&[label(row)]).inc_by(row.counters[number]);
            }
            now.register(Box::new(counter)).expect(VALID);
        }
        for (name, help, value) in OF_TOPICS {
            let gauge = gauges(name, help, &["topic"]);
            for row in &rows {
                gauge.with_label_values(&[label(row)]).add(signed(value(&row.now)));
            }
            now.register(Box::new(gauge)).expect(VALID);
        }
        if let Some(log) = &stats.total.log {
            for (name, help, value) in OF_THE_LOG {
                gauge(name, help, value(log));
            }
            for (name, help, value) in COUNTERS_OF_THE_LOG {
                counter(name, help, value(log));
            }
        }
        if let Some(disk) = disk {
            for (name, help, value) in OF_THE_DISK {
                gauge(name, help, value(disk));
            }
            for (name, help, value) in COUNTERS_OF_THE_DISK {
                counter(name, help, value(disk));
            }
            // The base unit of Prometheus is the second, so these two have fractions.
            let longest =
                Gauge::new("sse_disk_longest_flush_seconds", "How long the longest flush has taken.");
            let longest = longest.expect(VALID);
            longest.set(disk.longest_commit.as_secs_f64());
            now.register(Box::new(longest)).expect(VALID);
            let flushes = Counter::new("sse_disk_flush_seconds_total", "How long the flushes have taken.");
            let flushes = flushes.expect(VALID);
            flushes.inc_by(disk.commit_time.as_secs_f64());
            now.register(Box::new(flushes)).expect(VALID);
        }
        let mut families = self.registry.gather();
        families.extend(now.gather());
        TextEncoder::new().encode_to_string(&families).expect("every metric has a name and a value")
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Why names, labels and buckets are right.
const VALID: &str = "names, labels and buckets are those of this file, and each is there once";

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect(VALID)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Why a request was refused, by the status of its answer; `None` if it was not.
fn reason(status: StatusCode) -> Option<&'static str> {
    let reason = match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method",
        StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE => "media_type",
        StatusCode::REQUEST_TIMEOUT => "slow",
        StatusCode::CONFLICT => "id_taken",
        StatusCode::GONE => "closed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::TOO_MANY_REQUESTS => "client_limit",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        StatusCode::GATEWAY_TIMEOUT => "log",
        status if status.is_client_error() => "wrong",
        status if status.is_server_error() => "failed",
        _ => return None,
    };
    Some(reason)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sse_server::{Message, Topics};

    use super::*;

    #[test]
    fn each_number_has_its_help_its_kind_and_its_topic() {
        let topics = Topics::new();
        for name in ["a", r#"b"\"#] {
            topics.route(name).unwrap().publish(&Message::new(name)).unwrap();
        }
        let mut stats = topics.stats();
        let metrics = Metrics::new();
        let text = metrics.text(7, &stats, None);
        let published = "\
# HELP sse_published_total Events published.
# TYPE sse_published_total counter
sse_published_total{topic=\"a\"} 1
sse_published_total{topic=\"b\\\"\\\\\"} 1
sse_published_total{topic=\"other\"} 0
";
        assert!(text.contains(published), "{text}");
        assert!(text.contains("\nsse_subscribers 7\n"), "{text}");
        assert!(text.contains("\nsse_topics 2\n"), "{text}");
        assert!(text.contains("\nsse_max_memory_bytes 268435456\n"), "{text}");
        assert!(
            text.contains(concat!("\nsse_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n")),
            "{text}"
        );
        assert!(!text.contains("sse_log"), "{text}");
        stats.total.log = Some(LogStats::default());
        assert!(metrics.text(0, &stats, None).contains("\nsse_log_following 0\n"));
    }

    #[test]
    fn refusals_are_counted_by_their_reasons() {
        let metrics = Metrics::new();
        metrics.count(&Method::GET, StatusCode::OK);
        metrics.count(&"INVENTED".parse().unwrap(), StatusCode::METHOD_NOT_ALLOWED);
        metrics.count(&Method::POST, StatusCode::IM_A_TEAPOT);
        drop(metrics.stream());
        let mut disk = DiskStats::default();
        disk.commit_time = Duration::from_millis(1500);
        let text = metrics.text(0, &Topics::new().stats(), Some(&disk));
        assert!(text.contains("\nsse_disk_flush_seconds_total 1.5\n"), "{text}");
        assert!(text.contains("# TYPE sse_disk_longest_flush_seconds gauge\n"), "{text}");
        assert!(!text.contains("microseconds"), "`promtool check metrics` asks for seconds: {text}");
        assert!(text.contains("\nsse_disk_oldest_timestamp_seconds 0\n"), "{text}");
        assert!(text.contains("# TYPE sse_disk_failures_total counter\n"), "{text}");
        for line in [
            "sse_responses_total{code=\"200\",method=\"GET\"} 1",
            "sse_responses_total{code=\"405\",method=\"other\"} 1",
            "sse_refusals_total{reason=\"method\"} 1",
            "sse_refusals_total{reason=\"wrong\"} 1",
            "sse_stream_seconds_bucket{le=\"0.1\"} 1",
            "sse_stream_seconds_count 1",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} is not in {text}");
        }
    }
}
