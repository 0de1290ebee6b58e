//! `sse bench`: many subscribers, and what they get.

mod connection;
mod histogram;
mod mark;
mod measure;
mod place;
mod progress;
mod publisher;
mod report;
mod sources;
mod stream;
mod subscribers;
mod tally;
mod threads;

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use hyper::header::{AUTHORIZATION, HeaderValue};
use sse_client::reqwest::Url;

use crate::bench::measure::{Plan, PublishPlan};
use crate::bench::progress::Progress;
use crate::failure::Failure;
use crate::target::{self, Credentials};
use crate::transport::Transport;
use crate::{system, units};

/// How long a server has for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long to wait without an event before the missing ones count as lost.
const DRAIN: Duration = Duration::from_secs(5);

/// Open many subscribers, publish, and measure what they get
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The URL of the event stream; with --publish, that of a topic of a hub (sse serve)
    #[arg(value_parser = target::url)]
    url: Url,
    /// How many subscribers
    #[arg(short = 'n', long, value_name = "N", default_value = "100", value_parser = at_least_one())]
    subscribers: usize,
    /// How many of them may connect at a time
    #[arg(long, value_name = "N", default_value = "128", value_parser = at_least_one())]
    connecting: usize,
    /// Publish this many events per second; without it, measure what others publish
    #[arg(long, value_name = "RATE", value_parser = rate)]
    publish: Option<f64>,
    /// The size of the data of each published event, at least some 40 bytes
    #[arg(long, value_name = "BYTES", default_value = "256", value_parser = units::bytes, requires = "publish")]
    size: usize,
    /// How long to measure, once all are connected
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::time)]
    duration: Duration,
    #[command(flatten)]
    transport: Transport,
    #[command(flatten)]
    credentials: Credentials,
    /// Send this token with what is published, instead of --token
    #[arg(
        long,
        value_name = "TOKEN",
        env = "SSE_PUBLISH_TOKEN",
        hide_env_values = true,
        value_parser = target::token
    )]
    publish_token: Option<HeaderValue>,
    /// Print one object of JSON instead of a report
    #[arg(long)]
    json: bool,
    /// Print no progress
    #[arg(short, long)]
    quiet: bool,
}

const AFTER_HELP: &str = "\
A latency counts from the moment at which an event was due, not from when it was sent. So a server that answers late is \
seen to be late; `publish delay` says how long due events waited for the answers to earlier ones.

Lost, doubled and late events are known only with --publish, by the numbers in the data. After the last event, the program \
waits until nothing has come for 5 seconds. What is missing then is lost, also on streams that have ended. An interrupt ends \
the run early, with a report.

In the JSON, times are in seconds (latency_p99_s), and rates are per second (events_per_s).";

/// Most events per second; beyond it, the program itself would be the limit.
const MAX_RATE: f64 = 1e6;

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=MAX_RATE).contains(rate));
    rate.ok_or_else(|| "write a rate as events per second, from 0.001 to 1000000".to_owned())
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=10_000_000)
}

impl Options {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if let Some(lack) = system::lack_of_files(self.subscribers, system::raise_file_limit()) {
            return Err(Failure::usage(format!("{lack}, or ask for fewer with -n")));
        }
        let is_json = self.json;
        let progress = Progress::new(self.quiet);
        let numbers = measure::run(self.plan(), progress)?;
        let report = if is_json { format!("{}\n", numbers.json()) } else { numbers.text() };
        let mut output = anstream::stdout().lock();
        output.write_all(report.as_bytes()).map_err(|error| Failure::output(&error))?;
        output.flush().map_err(|error| Failure::output(&error))?;
        numbers.failure().map_or(Ok(()), Err)
    }

    fn plan(self) -> Plan {
        let headers = self.credentials.headers();
        let mut publish_headers = headers.clone();
        if let Some(token) = self.publish_token {
            publish_headers.insert(AUTHORIZATION, token);
        }
        let publishing =
            self.publish.map(|rate| PublishPlan { rate, size: self.size, headers: publish_headers });
        Plan {
            url: self.url,
            transport: self.transport,
            headers,
            subscribers: self.subscribers,
            connecting: self.connecting,
            duration: self.duration,
            publishing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_that_can_be_kept() {
        for (text, expected) in [
            ("10", Some(10.0)),
            ("0.5", Some(0.5)),
            ("1e6", Some(1e6)),
            ("0", None),
            ("-1", None),
            ("1e7", None),
            ("NaN", None),
            ("inf", None),
            ("ten", None),
        ] {
            assert_eq!(rate(text).ok(), expected, "{text}");
        }
    }
}
