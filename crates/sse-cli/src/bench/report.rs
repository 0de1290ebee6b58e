//! What was measured, as text and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::HumanCount;
use serde::Serialize;

use crate::bench::connection::Refusal;
use crate::bench::histogram::{Row, Times, duration, three_digits};
use crate::bench::publisher::Published;
use crate::bench::tally::Total;

/// All numbers of a run.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) subscribers: usize,
    pub(super) connected: u64,
    pub(super) refusals: BTreeMap<Refusal, u64>,
    /// Streams that ended before the end.
    pub(super) ended: u64,
    /// From the first attempt until the last subscriber had its stream.
    pub(super) connecting: Duration,
    pub(super) connect_times: Times,
    /// How long events were counted.
    pub(super) measuring: Duration,
    /// All events, with those that others published.
    pub(super) events: u64,
    /// All bytes of the streams.
    pub(super) bytes: u64,
    pub(super) total: Total,
    /// `None` if others publish.
    pub(super) publishing: Option<Publishing>,
    /// The time that the program itself has had CPUs, while it connected and measured, if the system tells it.
    pub(super) cpu: Option<Duration>,
}

/// What can be known only of what one publishes oneself.
#[derive(Debug)]
pub(super) struct Publishing {
    /// How many events were due.
    pub(super) due: u64,
    pub(super) published: Published,
    pub(super) latencies: Times,
}

/// The JSON: times in seconds, rates per second.
#[derive(Serialize)]
struct Json {
    subscribers: usize,
    connected: u64,
    refused: BTreeMap<String, u64>,
    ended_early: u64,
    connect_duration_s: f64,
    connect_rate_per_s: f64,
    connect_time_p50_s: f64,
    connect_time_p99_s: f64,
    connect_time_max_s: f64,
    duration_s: f64,
    events: u64,
    events_per_s: f64,
    bytes: u64,
    bytes_per_s: f64,
    events_per_subscriber_min: u64,
    events_per_subscriber_max: u64,
    events_of_others: u64,
    gap_events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_s: Option<f64>,
    #[serde(flatten)]
    publishing: Option<PublishingJson>,
}

#[derive(Serialize)]
struct PublishingJson {
    due: u64,
    published: u64,
    published_per_s: f64,
    publish_requests: u64,
    publish_ended_by: Option<String>,
    publish_lag_p50_s: f64,
    publish_lag_p99_s: f64,
    publish_lag_max_s: f64,
    delivered: u64,
    lost: u64,
    doubled: u64,
    out_of_order: u64,
    latency_p50_s: f64,
    latency_p90_s: f64,
    latency_p99_s: f64,
    latency_p999_s: f64,
    latency_max_s: f64,
    latency_histogram: Vec<RowJson>,
}

#[derive(Serialize)]
struct RowJson {
    from_s: f64,
    to_s: f64,
    count: u64,
}

impl Numbers {
    /// The report for people.
    pub(super) fn text(&self) -> String {
        let mut rows = Rows::default();
        self.connections(&mut rows);
        self.deliveries(&mut rows);
        if let Some(publishing) = &self.publishing {
            publishing.rows(&self.total, &mut rows);
        } else {
            rows.add("lost, doubled", "not known: only what --publish publishes has numbers");
        }
        if let Some(cpu) = self.cpu {
            let share = 100.0 * per_second(cpu.as_secs_f64(), self.connecting + self.measuring);
            rows.add("own CPU time", format!("{}, {} % of one CPU", duration(cpu), three_digits(share)));
        }
        let mut text = rows.0;
        if let Some(publishing) =
            self.publishing.as_ref().filter(|publishing| !publishing.latencies.is_empty())
        {
            text.push_str("\nlatency histogram\n");
            for line in publishing.latencies.lines() {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    fn connections(&self, rows: &mut Rows) {
        let rate = three_digits(per_second_of(self.connected, self.connecting));
        let connected = HumanCount(self.connected);
        let all = HumanCount(self.subscribers as u64);
        rows.add(
            "connected",
            format!("{connected} of {all} in {}, {rate} per second", duration(self.connecting)),
        );
        for (refusal, count) in &self.refusals {
            rows.add("not connected", format!("{}: {refusal}", HumanCount(*count)));
        }
        if self.ended > 0 {
            rows.add("ended early", format!("{} streams", HumanCount(self.ended)));
        }
        if self.connected > 0 {
            rows.add("connect time", percentiles(&self.connect_times, &[50.0, 99.0]));
        }
    }

    fn deliveries(&self, rows: &mut Rows) {
        if let Some(Publishing { due, published, .. }) = &self.publishing {
            let rate = three_digits(per_second_of(published.events, published.duration));
            let of_due =
                if published.events < *due { format!(" of {}", HumanCount(*due)) } else { String::new() };
            let (events, requests) = (HumanCount(published.events), HumanCount(published.requests));
            let time = duration(published.duration);
            rows.add(
                "published",
                format!("{events}{of_due} events in {time}, {rate} per second, {requests} POSTs"),
            );
            if let Some(refusal) = &published.refusal {
                rows.add("", format!("ended early: {refusal}"));
            }
            rows.add("publish delay", percentiles(&published.lags, &[50.0, 99.0]));
        }
        let rate = three_digits(per_second_of(self.events, self.measuring));
        let (events, time) = (HumanCount(self.events), duration(self.measuring));
        rows.add("delivered", format!("{events} events in {time}, {rate} per second"));
        let megabytes = per_second_of(self.bytes, self.measuring) / 1e6;
        rows.add("", format!("{} bytes, {} MB/s", HumanCount(self.bytes), three_digits(megabytes)));
        if let Some((least, most)) = self.total.per_subscriber {
            rows.add("per subscriber", format!("{} to {} events", HumanCount(least), HumanCount(most)));
        }
        if self.publishing.is_some() && self.total.others > 0 {
            rows.add("of others", format!("{} events", HumanCount(self.total.others)));
        }
        if self.total.gaps > 0 {
            rows.add("gap events", HumanCount(self.total.gaps).to_string());
        }
    }

    /// The report for programs: one object.
    pub(super) fn json(&self) -> String {
        let (least, most) = self.total.per_subscriber.unwrap_or_default();
        let refused = self.refusals.iter().map(|(refusal, count)| (refusal.to_string(), *count)).collect();
        let json = Json {
            subscribers: self.subscribers,
            connected: self.connected,
            refused,
            ended_early: self.ended,
            connect_duration_s: self.connecting.as_secs_f64(),
            connect_rate_per_s: per_second_of(self.connected, self.connecting),
            connect_time_p50_s: self.connect_times.percentile(50.0).as_secs_f64(),
            connect_time_p99_s: self.connect_times.percentile(99.0).as_secs_f64(),
            connect_time_max_s: self.connect_times.max().as_secs_f64(),
            duration_s: self.measuring.as_secs_f64(),
            events: self.events,
            events_per_s: per_second_of(self.events, self.measuring),
            bytes: self.bytes,
            bytes_per_s: per_second_of(self.bytes, self.measuring),
            events_per_subscriber_min: least,
            events_per_subscriber_max: most,
            events_of_others: self.total.others,
            gap_events: self.total.gaps,
            cpu_s: self.cpu.as_ref().map(Duration::as_secs_f64),
            publishing: self.publishing.as_ref().map(|publishing| publishing.json(&self.total)),
        };
        serde_json::to_string(&json).expect("numbers and text are JSON")
    }
}

impl Publishing {
    fn rows(&self, total: &Total, rows: &mut Rows) {
        for (name, count) in
            [("lost", total.lost), ("doubled", total.doubled), ("out of order", total.out_of_order)]
        {
            rows.add(name, HumanCount(count).to_string());
        }
        if !self.latencies.is_empty() {
            rows.add("latency", percentiles(&self.latencies, &[50.0, 90.0, 99.0, 99.9]));
        }
    }

    fn json(&self, total: &Total) -> PublishingJson {
        let Self { due, published, latencies } = self;
        let row = |row: Row| RowJson { from_s: row.from / 1e9, to_s: row.to / 1e9, count: row.count };
        let lag = |percent| published.lags.percentile(percent).as_secs_f64();
        let latency = |percent| latencies.percentile(percent).as_secs_f64();
        PublishingJson {
            due: *due,
            published: published.events,
            published_per_s: per_second_of(published.events, published.duration),
            publish_requests: published.requests,
            publish_ended_by: published.refusal.as_ref().map(ToString::to_string),
            publish_lag_p50_s: lag(50.0),
            publish_lag_p99_s: lag(99.0),
            publish_lag_max_s: lag(100.0),
            delivered: total.delivered(),
            lost: total.lost,
            doubled: total.doubled,
            out_of_order: total.out_of_order,
            latency_p50_s: latency(50.0),
            latency_p90_s: latency(90.0),
            latency_p99_s: latency(99.0),
            latency_p999_s: latency(99.9),
            latency_max_s: latency(100.0),
            latency_histogram: latencies.rows().into_iter().map(row).collect(),
        }
    }
}

/// Lines of a name and what there is to say.
#[derive(Default)]
struct Rows(String);

impl Rows {
    fn add(&mut self, name: &str, text: impl AsRef<str>) {
        self.0.push_str(&format!("{name:<16} {}\n", text.as_ref()));
    }
}

/// Some percentiles, and the greatest.
fn percentiles(times: &Times, percents: &[f64]) -> String {
    let percentiles = percents.iter().map(|percent| {
        let time = duration(times.percentile(*percent));
        format!("p{percent} {time:<8} ")
    });
    format!("{}max {}", percentiles.collect::<String>(), duration(times.max()))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn per_second_of(count: u64, time: Duration) -> f64 {
    per_second(count as f64, time)
}

/// Nothing, if no time has passed.
fn per_second(value: f64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { value / time.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(milliseconds: &[u64]) -> Times {
        let mut times = Times::new();
        for time in milliseconds {
            times.record(Duration::from_millis(*time));
        }
        times
    }

    /// Two of five subscribers, that got four events in two seconds.
    fn numbers() -> Numbers {
        let refusals = [(Refusal::Answer("503".to_owned()), 2), (Refusal::Unreachable("cut".to_owned()), 1)];
        Numbers {
            subscribers: 5,
            connected: 2,
            refusals: refusals.into(),
            ended: 0,
            connecting: Duration::from_millis(500),
            connect_times: times(&[100, 200]),
            measuring: Duration::from_secs(2),
            events: 4,
            bytes: 3_000_000,
            total: Total { others: 4, per_subscriber: Some((1, 3)), ..Total::default() },
            publishing: None,
            cpu: Some(Duration::from_millis(250)),
        }
    }

    fn published(refusal: Option<Refusal>) -> Numbers {
        let duration = Duration::from_secs(2);
        let published = Published { events: 2, requests: 1, duration, lags: times(&[1, 2]), refusal };
        let publishing = Publishing { due: 10, published, latencies: times(&[10, 10, 20]) };
        let total =
            Total { received: 3, lost: 1, doubled: 1_000, out_of_order: 2, gaps: 7, ..numbers().total };
        Numbers { total, ended: 1, publishing: Some(publishing), ..numbers() }
    }

    #[track_caller]
    fn check_text(numbers: &Numbers, expected: &[&str]) {
        let text = numbers.text();
        let (rows, _) = text.split_once("\nlatency histogram\n").unwrap_or((&text, ""));
        assert_eq!(rows.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_others_publish_has_rates_and_a_spread() {
        check_text(
            &numbers(),
            &[
                "connected        2 of 5 in 500 ms, 4.00 per second",
                "not connected    2: 503",
                "not connected    1: cut",
                "connect time     p50 100 ms   p99 200 ms   max 200 ms",
                "delivered        4 events in 2.00 s, 2.00 per second",
                "                 3,000,000 bytes, 1.50 MB/s",
                "per subscriber   1 to 3 events",
                "lost, doubled    not known: only what --publish publishes has numbers",
                "own CPU time     250 ms, 10.0 % of one CPU",
            ],
        );
    }

    #[test]
    fn what_it_publishes_itself_has_latencies_and_mistakes() {
        check_text(
            &published(Some(Refusal::Answer("413".to_owned()))),
            &[
                "connected        2 of 5 in 500 ms, 4.00 per second",
                "not connected    2: 503",
                "not connected    1: cut",
                "ended early      1 streams",
                "connect time     p50 100 ms   p99 200 ms   max 200 ms",
                "published        2 of 10 events in 2.00 s, 1.00 per second, 1 POSTs",
                "                 ended early: 413",
                "publish delay    p50 1.00 ms  p99 2.00 ms  max 2.00 ms",
                "delivered        4 events in 2.00 s, 2.00 per second",
                "                 3,000,000 bytes, 1.50 MB/s",
                "per subscriber   1 to 3 events",
                "of others        4 events",
                "gap events       7",
                "lost             1",
                "doubled          1,000",
                "out of order     2",
                "latency          p50 10.0 ms  p90 20.0 ms  p99 20.0 ms  p99.9 20.0 ms  max 20.0 ms",
                "own CPU time     250 ms, 10.0 % of one CPU",
            ],
        );
    }

    #[track_caller]
    fn check_json(numbers: &Numbers, expected: &str) {
        let json = numbers.json();
        assert!(json.contains(expected), "{expected:?} is not in {json}");
    }

    #[test]
    fn json_has_seconds_and_only_what_is_known() {
        check_json(
            &numbers(),
            r#"{"subscribers":5,"connected":2,"refused":{"503":2,"cut":1},"ended_early":0,"#,
        );
        check_json(&numbers(), r#""connect_duration_s":0.5,"connect_rate_per_s":4.0,"#);
        check_json(&numbers(), r#""duration_s":2.0,"events":4,"events_per_s":2.0,"bytes":3000000,"#);
        check_json(&numbers(), r#""events_of_others":4,"gap_events":0,"cpu_s":0.25}"#);
        let with_refusal = published(Some(Refusal::Answer("413".to_owned())));
        check_json(&with_refusal, r#""cpu_s":0.25,"due":10,"published":2,"published_per_s":1.0,"#);
        check_json(&with_refusal, r#""publish_ended_by":"413","#);
        check_json(&published(None), r#""publish_ended_by":null,"#);
        check_json(&published(None), r#""delivered":1003,"lost":1,"doubled":1000,"out_of_order":2,"#);
    }

    #[test]
    fn no_time_has_no_rate() {
        let nothing = Numbers { connecting: Duration::ZERO, measuring: Duration::ZERO, ..numbers() };
        check_json(&nothing, r#""connect_rate_per_s":0.0,"#);
        check_json(&nothing, r#""events_per_s":0.0,"#);
    }
}
