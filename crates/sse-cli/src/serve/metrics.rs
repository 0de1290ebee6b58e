//! The hub's numbers as Prometheus reads them (text format 0.0.4).
//!
//! One registry lives as long as the hub. Some numbers are counted in it as things happen. The others are read when
//! Prometheus asks for them.

mod families;
mod series;
mod state;

use std::fmt;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramTimer, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use self::state::State;
use super::status::Numbers;
use super::traffic::Traffic;

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The label of everything that has no line of its own.
const OTHERS: &str = "other";

/// How long streams last, in seconds: from those that break at once to those of a day.
const LIFETIMES: [f64; 10] = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0];

/// How long streams wait for their first event, in seconds: from those that resume to those of a quiet topic.
const WAITS: [f64; 11] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0];

/// All metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    responses: IntCounterVec,
    refusals: IntCounterVec,
    lifetimes: Histogram,
}

/// How long streams wait for their first event.
#[derive(Clone)]
pub(crate) struct FirstEvents(Histogram);

impl FirstEvents {
    pub(crate) fn new() -> Self {
        Self(histogram(
            "sse_first_event_seconds",
            "The time from the request of a stream to its first event.",
            &WAITS,
        ))
    }

    pub(crate) fn count(&self, waited: Duration) {
        self.0.observe(waited.as_secs_f64());
    }
}

impl Metrics {
    pub(crate) fn new(numbers: Numbers, traffic: Traffic, first_events: &FirstEvents) -> Self {
        let registry = Registry::new();
        let responses = counters("sse_responses_total", "Responses begun.", &["method", "code"]);
        let refusals = counters("sse_refusals_total", "Requests refused.", &["reason"]);
        let lifetimes =
            histogram("sse_stream_seconds", "How long streams that have ended had lasted.", &LIFETIMES);
        let build = Opts::new("sse_build_info", "The version of the hub.");
        let build =
            IntGauge::with_opts(build.const_label("version", env!("CARGO_PKG_VERSION"))).expect(VALID);
        build.set(1);
        let parts: [Box<dyn Collector>; 7] = [
            Box::new(responses.clone()),
            Box::new(refusals.clone()),
            Box::new(lifetimes.clone()),
            Box::new(first_events.0.clone()),
            Box::new(traffic.handshakes.collector()),
            Box::new(build),
            Box::new(State::new(numbers, traffic)),
        ];
        for part in parts {
            registry.register(part).expect(VALID);
        }
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect(VALID);
        Self { registry, responses, refusals, lifetimes }
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

    /// Returns all numbers.
    pub(crate) fn text(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("every metric has a name and a value")
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

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())).expect(VALID)
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
    use std::time::Instant;

    use sse_server::Topics;

    use super::*;
    use crate::serve::subscribers::Subscribers;
    use crate::serve::traffic::Unsecured;

    #[test]
    fn what_happens_is_counted_in_one_registry() {
        let (topics, subscribers) = (Topics::new(), Subscribers::up_to(1, None));
        let numbers = Numbers { topics, disk: None, subscribers, begun: Instant::now() };
        let (traffic, first_events) = (Traffic::new(), FirstEvents::new());
        let metrics = Metrics::new(numbers, traffic.clone(), &first_events);
        metrics.count(&Method::GET, StatusCode::OK);
        metrics.count(&"INVENTED".parse().unwrap(), StatusCode::METHOD_NOT_ALLOWED);
        metrics.count(&Method::POST, StatusCode::IM_A_TEAPOT);
        drop(metrics.stream());
        first_events.count(Duration::from_millis(20));
        traffic.handshakes.count(Unsecured::Slow);
        let text = metrics.text();
        assert!(!text.contains("microseconds"), "`promtool check metrics` asks for seconds: {text}");
        for line in [
            concat!("sse_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "sse_responses_total{code=\"200\",method=\"GET\"} 1",
            "sse_responses_total{code=\"405\",method=\"other\"} 1",
            "sse_refusals_total{reason=\"method\"} 1",
            "sse_refusals_total{reason=\"wrong\"} 1",
            "sse_stream_seconds_bucket{le=\"0.1\"} 1",
            "sse_stream_seconds_count 1",
            "sse_first_event_seconds_bucket{le=\"0.005\"} 0",
            "sse_first_event_seconds_bucket{le=\"0.025\"} 1",
            "sse_failed_handshakes_total{reason=\"failed\"} 0",
            "sse_failed_handshakes_total{reason=\"slow\"} 1",
            "sse_subscribers 0",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} is not in {text}");
        }
    }
}
