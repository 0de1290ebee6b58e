//! The metrics that tell the state of the hub, and what its topics, its log and its listeners have counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily};
use sse_disk::{DiskLog, DiskStats};
use sse_server::{ConnectionStats, LogStats, Stats, TopicsStats};

use super::families::{Families, Line};
use super::series::{COUNTERS, Row, Series};
use super::{OTHERS, VALID};
use crate::serve::status::Numbers;
use crate::serve::traffic::Traffic;

/// How many topics have lines of their own.
const MAX_TOPICS: usize = 500;

/// A number: its name, what it is, and where its value stands.
type Number<T> = (&'static str, &'static str, fn(&T) -> u64);

const OF_TOPICS: [Number<Stats>; 4] = [
    ("sse_topic_subscribers", "Subscribers of the topic.", |stats| stats.subscribers as u64),
    ("sse_topic_catching_up", "Subscribers that have not read everything.", |stats| stats.catching_up as u64),
    ("sse_topic_kept_events", "Events that the topic keeps.", |stats| stats.history as u64),
    ("sse_topic_memory_bytes", "Memory that the history of the topic takes.", |stats| stats.memory as u64),
];

const OF_THE_LOG: [Number<LogStats>; 2] = [
    ("sse_log_following", "1 if the log is followed.", |log| u64::from(log.is_following)),
    ("sse_log_queued", "Events that wait to be appended.", |log| log.queued as u64),
];

const COUNTERS_OF_THE_LOG: [Number<LogStats>; 6] = [
    ("sse_log_appended_total", "Events appended.", |log| log.appended),
    ("sse_log_failed_total", "Events given up.", |log| log.failed),
    ("sse_log_retries_total", "Appends repeated.", |log| log.retries),
    ("sse_log_reads_total", "Reads of old events for subscribers that resume.", |log| log.reads),
    ("sse_log_interruptions_total", "How often the log could not be followed.", |log| log.interruptions),
    ("sse_log_losses_total", "How often the log had lost events.", |log| log.losses),
];

const OF_THE_DISK: [Number<DiskStats>; 4] = [
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

const COUNTERS_OF_THE_DISK: [Number<DiskStats>; 2] = [
    ("sse_disk_flushes_total", "How often events were flushed to the disk.", |disk| disk.commits),
    ("sse_disk_failures_total", "How often the disk was full or has failed.", |disk| disk.failures),
];

/// Reads the numbers when Prometheus asks for them.
pub(super) struct State {
    numbers: Numbers,
    traffic: Traffic,
    series: Mutex<Series>,
    descriptions: Vec<Desc>,
}

/// The numbers of one moment.
struct Now {
    streams: usize,
    topics: TopicsStats,
    disk: Option<DiskStats>,
}

impl State {
    pub(super) fn new(numbers: Numbers, traffic: Traffic) -> Self {
        let series = Mutex::new(Series::up_to(MAX_TOPICS));
        let mut state = Self { numbers, traffic, series, descriptions: Vec::new() };
        state.descriptions = state.families(&state.now()).iter().map(description).collect();
        state
    }

    fn now(&self) -> Now {
        Now {
            streams: self.numbers.subscribers.count(),
            topics: self.numbers.topics.stats(),
            disk: self.numbers.disk.as_ref().map(DiskLog::stats),
        }
    }

    fn families(&self, now: &Now) -> Vec<MetricFamily> {
        let (mut families, topics) = (Families::default(), &now.topics);
        families.gauge("sse_subscribers", "Event streams, of one topic or of several.", now.streams as u64);
        families.gauge("sse_topics", "Topics.", topics.topics.len() as u64);
        families.gauge("sse_memory_bytes", "Memory that all histories take.", topics.total.memory as u64);
        families.gauge(
            "sse_max_memory_bytes",
            "Memory that all histories may take.",
            topics.max_memory as u64,
        );
        self.add_topics(topics, &mut families);
        self.add_connections(&mut families);
        if let Some(log) = &topics.total.log {
            add(&OF_THE_LOG, &COUNTERS_OF_THE_LOG, log, &mut families);
        }
        if let Some(disk) = &now.disk {
            add(&OF_THE_DISK, &COUNTERS_OF_THE_DISK, disk, &mut families);
            families.gauge_of_time(
                "sse_disk_longest_flush_seconds",
                "How long the longest flush has taken.",
                disk.longest_commit,
            );
            families.counter_of_time(
                "sse_disk_flush_seconds_total",
                "How long the flushes have taken.",
                disk.commit_time,
            );
        }
        families.into_vec()
    }

    fn add_topics(&self, topics: &TopicsStats, families: &mut Families) {
        let rows = self.series.lock().unwrap_or_else(PoisonError::into_inner).rows(topics);
        for (number, (name, help, _)) in COUNTERS.iter().enumerate() {
            families.counters(name, help, lines(&rows, |row| row.counters[number]));
        }
        for (name, help, value) in OF_TOPICS {
            families.gauges(name, help, lines(&rows, |row| value(&row.now)));
        }
    }

    fn add_connections(&self, families: &mut Families) {
        let all = self.traffic.by_transport().map(|(transport, counts)| (transport, counts.stats()));
        let by_transport = |value: fn(&ConnectionStats) -> u64| {
            all.iter().map(move |(transport, stats)| Line::new([("transport", transport)], value(stats)))
        };
        let sum = |value: fn(&ConnectionStats) -> u64| all.iter().map(|(_, stats)| value(stats)).sum::<u64>();
        families.gauges("sse_open_connections", "Open connections.", by_transport(|stats| stats.open as u64));
        families.counters(
            "sse_connections_total",
            "Connections accepted, after the handshake.",
            by_transport(|stats| stats.accepted),
        );
        let versions = all.iter().flat_map(|(transport, stats)| {
            let line =
                |version, value: u64| Line::new([("transport", *transport), ("version", version)], value);
            [line("1", stats.http1), line("2", stats.http2)]
        });
        families.counters("sse_http_connections_total", "Connections by the version of HTTP.", versions);
        let faults = [("malformed", sum(|stats| stats.malformed)), ("slow", sum(|stats| stats.slow))];
        families.counters(
            "sse_dropped_connections_total",
            "Connections closed because the head of a request was malformed, or did not come in time.",
            faults.map(|(reason, value)| Line::new([("reason", reason)], value)),
        );
        families.counter(
            "sse_accept_failures_total",
            "How often no connection could be accepted for lack of descriptors.",
            sum(|stats| stats.accept_failures),
        );
    }
}

impl Collector for State {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families(&self.now())
    }
}

/// Adds gauges and counters whose values are whole numbers.
fn add<T>(gauges: &[Number<T>], counters: &[Number<T>], of: &T, families: &mut Families) {
    for (name, help, value) in gauges {
        families.gauge(name, help, value(of));
    }
    for (name, help, value) in counters {
        families.counter(name, help, value(of));
    }
}

/// Returns a line for each topic that has its own, and one for all others.
fn lines(rows: &[Row], value: impl Fn(&Row) -> u64) -> Vec<Line> {
    let is_others = |row: &&Row| row.topic.as_deref().is_none_or(|topic| topic == OTHERS);
    let own = rows.iter().filter(|row| !is_others(row));
    let own = own.map(|row| Line::new([("topic", row.topic.as_deref().unwrap_or(OTHERS))], value(row)));
    // A topic may be called `other`, too.
    let others: u64 = rows.iter().filter(is_others).map(&value).sum();
    own.chain([Line::new([("topic", OTHERS)], others)]).collect()
}

fn description(family: &MetricFamily) -> Desc {
    let labels = family.get_metric().first().map(Metric::get_label);
    let labels = labels.unwrap_or_default().iter().map(|label| label.name().to_owned()).collect();
    Desc::new(family.name().to_owned(), family.help().to_owned(), labels, HashMap::new()).expect(VALID)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use prometheus::TextEncoder;
    use sse_server::{Message, Topics};

    use super::*;
    use crate::serve::subscribers::Subscribers;

    fn state(topics: &Topics) -> State {
        let subscribers = Subscribers::up_to(10, None);
        let numbers = Numbers { topics: topics.clone(), disk: None, subscribers, begun: Instant::now() };
        State::new(numbers, Traffic::new())
    }

    #[track_caller]
    fn check(state: &State, now: &Now, expected: &[&str]) {
        let text = TextEncoder::new().encode_to_string(&state.families(now)).unwrap();
        for lines in expected {
            assert!(format!("\n{text}").contains(&format!("\n{lines}\n")), "{lines} is not in {text}");
        }
    }

    #[test]
    fn each_number_has_its_help_its_kind_and_its_topic() {
        let topics = Topics::new();
        for name in ["a", r#"b"\"#, "other"] {
            topics.route(name).unwrap().publish(&Message::new(name)).unwrap();
        }
        let state = state(&topics);
        let mut now = Now { streams: 7, ..state.now() };
        let published = "\
# HELP sse_published_total Events published.
# TYPE sse_published_total counter
sse_published_total{topic=\"a\"} 1
sse_published_total{topic=\"b\\\"\\\\\"} 1
sse_published_total{topic=\"other\"} 1";
        check(
            &state,
            &now,
            &[published, "sse_subscribers 7", "sse_topics 3", "sse_max_memory_bytes 268435456"],
        );
        assert!(!state.families(&now).iter().any(|family| family.name().starts_with("sse_log")));
        now.topics.total.log = Some(LogStats::default());
        check(
            &state,
            &now,
            &["sse_log_following 0", "# TYPE sse_log_reads_total counter\nsse_log_reads_total 0"],
        );
    }

    #[test]
    fn the_times_of_the_disk_are_seconds() {
        let state = state(&Topics::new());
        let mut disk = DiskStats::default();
        disk.commit_time = Duration::from_millis(1500);
        let now = Now { disk: Some(disk), ..state.now() };
        let lines = [
            "# TYPE sse_disk_flush_seconds_total counter\nsse_disk_flush_seconds_total 1.5",
            "# TYPE sse_disk_longest_flush_seconds gauge\nsse_disk_longest_flush_seconds 0",
            "sse_disk_oldest_timestamp_seconds 0",
            "# TYPE sse_disk_failures_total counter\nsse_disk_failures_total 0",
        ];
        check(&state, &now, &lines);
    }

    #[test]
    fn every_transport_and_every_fault_has_a_line() {
        let state = state(&Topics::new());
        let now = state.now();
        for transport in ["tcp", "tls", "unix"] {
            let lines = [
                format!("sse_open_connections{{transport=\"{transport}\"}} 0"),
                format!("sse_connections_total{{transport=\"{transport}\"}} 0"),
                format!("sse_http_connections_total{{transport=\"{transport}\",version=\"1\"}} 0"),
                format!("sse_http_connections_total{{transport=\"{transport}\",version=\"2\"}} 0"),
            ];
            check(&state, &now, &lines.each_ref().map(String::as_str));
        }
        let lines = [
            "sse_dropped_connections_total{reason=\"malformed\"} 0",
            "sse_dropped_connections_total{reason=\"slow\"} 0",
            "sse_accept_failures_total 0",
        ];
        check(&state, &now, &lines);
    }
}
