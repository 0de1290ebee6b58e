//! Metrics whose values are read when Prometheus asks for them.

use std::time::Duration;

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// Metrics by name, each with its lines.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<MetricFamily>);

/// A line of a metric: its labels, sorted by name, and its value.
pub(super) struct Line {
    labels: Vec<LabelPair>,
    value: f64,
}

impl Line {
    pub(super) fn new<const N: usize>(labels: [(&str, &str); N], value: u64) -> Self {
        Self { labels: labels.into_iter().map(label).collect(), value: float(value) }
    }

    /// A time without labels. The base unit of Prometheus is the second.
    fn seconds(time: Duration) -> Self {
        Self { labels: Vec::new(), value: time.as_secs_f64() }
    }
}

impl Families {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.gauges(name, help, [Line::new([], value)]);
    }

    pub(super) fn gauge_of_time(&mut self, name: &str, help: &str, time: Duration) {
        self.gauges(name, help, [Line::seconds(time)]);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help, [Line::new([], value)]);
    }

    pub(super) fn counter_of_time(&mut self, name: &str, help: &str, time: Duration) {
        self.counters(name, help, [Line::seconds(time)]);
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str, lines: impl IntoIterator<Item = Line>) {
        let metric = |line: Line| {
            let mut gauge = Gauge::default();
            gauge.set_value(line.value);
            let mut metric = Metric::from_label(line.labels);
            metric.set_gauge(gauge);
            metric
        };
        self.add(name, help, MetricType::GAUGE, lines.into_iter().map(metric).collect());
    }

    pub(super) fn counters(&mut self, name: &str, help: &str, lines: impl IntoIterator<Item = Line>) {
        let metric = |line: Line| {
            let mut counter = Counter::default();
            counter.set_value(line.value);
            let mut metric = Metric::from_label(line.labels);
            metric.set_counter(counter);
            metric
        };
        self.add(name, help, MetricType::COUNTER, lines.into_iter().map(metric).collect());
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    pub(super) fn into_vec(self) -> Vec<MetricFamily> {
        self.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has only floats, and 2^53 is enough")]
fn float(value: u64) -> f64 {
    value as f64
}

fn label((name, value): (&str, &str)) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}
