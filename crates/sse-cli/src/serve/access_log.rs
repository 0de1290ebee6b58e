//! The access log: a line for each request, written after its answer or after the end of its stream.

use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri, Version};
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use sse_server::{EndReason, Ended};
use tracing_appender::non_blocking::NonBlocking;

use super::client::Client;
use crate::visible::Visible;

/// How the access log is written, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Off,
}

/// Where the lines go.
pub(crate) struct AccessLog {
    format: Format,
    writer: NonBlocking,
}

/// The line of one request. It is written when the last handle is dropped: that of the request, the response or the
/// stream.
#[derive(Clone)]
pub(crate) struct Entry(Arc<Line>);

struct Line {
    log: Arc<AccessLog>,
    begun: Instant,
    client: Option<IpAddr>,
    method: Box<str>,
    path: Box<str>,
    version: Version,
    outcome: Mutex<Outcome>,
}

/// The outcome of the request.
#[derive(Default)]
struct Outcome {
    user: Option<Box<str>>,
    /// What the request asked to do.
    right: Option<&'static str>,
    status: Option<StatusCode>,
    events: u64,
    bytes: u64,
    /// Why the stream ended, or the request was left without an answer.
    end: Option<&'static str>,
}

/// A line, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    time: String,
    log: &'static str,
    client: Option<IpAddr>,
    user: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    http: &'static str,
    right: Option<&'static str>,
    status: Option<u16>,
    /// Seconds.
    duration: f64,
    events: u64,
    bytes: u64,
    end: Option<&'static str>,
}

impl AccessLog {
    /// A log that is written to standard error by a thread of its own; `None` if it is off.
    pub(crate) fn new(format: Format, writer: NonBlocking) -> Option<Arc<Self>> {
        (format != Format::Off).then(|| Arc::new(Self { format, writer }))
    }

    /// Begins the line of a request.
    pub(crate) fn begin(self: &Arc<Self>, client: &Client, request: &Request) -> Entry {
        Entry(Arc::new(Line {
            log: self.clone(),
            begun: Instant::now(),
            client: client.address(),
            method: shown_method(request.method()).into(),
            path: shown(request.uri()).into(),
            version: request.version(),
            outcome: Mutex::default(),
        }))
    }
}

impl Entry {
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.0.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the user.
    pub(crate) fn user(&self, user: Option<&str>) {
        self.outcome().user = user.map(Into::into);
    }

    /// What the request asks to do.
    pub(crate) fn right(&self, right: &'static str) {
        self.outcome().right = Some(right);
    }

    /// How many events it has published.
    pub(crate) fn published(&self, events: u64) {
        self.outcome().events = events;
    }

    /// The answer, and how many bytes its body has, if that is known.
    pub(crate) fn answered(&self, status: StatusCode, bytes: Option<u64>) {
        let mut outcome = self.outcome();
        outcome.status = Some(status);
        outcome.bytes += bytes.unwrap_or_default();
    }

    /// Notes why the hub itself ends the stream. This reason overrides the one that the server sees.
    pub(crate) fn ends(&self, reason: &'static str) {
        self.outcome().end = Some(reason);
    }

    /// The stream has ended.
    pub(crate) fn ended(&self, ended: Ended) {
        let mut outcome = self.outcome();
        outcome.events = ended.events;
        outcome.bytes = ended.bytes;
        outcome.end.get_or_insert(match ended.reason {
            EndReason::ClientGone => "client-gone",
            EndReason::WriteDeadline => "write-deadline",
            EndReason::MaxAge => "max-age",
            EndReason::Until => "ended",
            EndReason::ClientEnded => "client-ended",
            EndReason::TopicClosed => "topic-closed",
            EndReason::Lagged => "lagged",
            EndReason::Shutdown => "shutdown",
            EndReason::FilterPanicked => "failed",
            _ => "other",
        });
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = Written {
            time: format!("{:.3}", Timestamp::now()),
            log: "access",
            client: self.client,
            user: outcome.user.as_deref(),
            method: &self.method,
            path: &self.path,
            http: match self.version {
                Version::HTTP_10 => "1.0",
                Version::HTTP_2 => "2",
                _ => "1.1",
            },
            right: outcome.right,
            status: outcome.status.map(|status| status.as_u16()),
            duration: (self.begun.elapsed().as_secs_f64() * 1e6).round() / 1e6,
            events: outcome.events,
            bytes: outcome.bytes,
            // Without an answer, the connection was closed during the request.
            end: outcome.end.or_else(|| outcome.status.is_none().then_some("client-gone")),
        };
        let line = match self.log.format {
            Format::Json => serde_json::to_string(&written).expect("texts and numbers are JSON"),
            Format::Text | Format::Off => written.to_string(),
        };
        // If nobody reads the lines, they are left out, and counted.
        let _ = self.log.writer.clone().write_all((line + "\n").as_bytes());
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, log, method, http, duration, events, bytes, .. } = self;
        let client = self.client.map(|client| client.to_string());
        let status = self.status.map(|status| status.to_string());
        write!(f, "{time} {log} client={} user={} ", or_dash(client.as_deref()), or_dash(self.user))?;
        write!(f, "method={method} path={} http={http} right={} ", quoted(self.path), or_dash(self.right))?;
        write!(f, "status={} duration={duration} events={events} ", or_dash(status.as_deref()))?;
        write!(f, "bytes={bytes} end={}", or_dash(self.end))
    }
}

fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), quoted)
}

/// Quotes a value, if need be, so that it stays on one line and its end is clear.
fn quoted(text: &str) -> String {
    let is_plain =
        |char: char| char.is_ascii_graphic() && !matches!(char, '"' | '\\' | '=') || char.is_alphanumeric();
    // A path has `=` and stays readable: it has no spaces.
    if !text.is_empty() && text.chars().all(|char| is_plain(char) || char == '=') {
        return text.to_owned();
    }
    format!("\"{}\"", Visible(&text.replace('\\', r"\\").replace('"', r#"\""#)))
}

/// Returns the method of a request, cut if it is long: a client can send any word.
pub(crate) fn shown_method(method: &Method) -> String {
    /// How much is shown, in bytes. The longest registered method has 17.
    const MOST: usize = 32;

    cut(method.as_str().to_owned(), MOST)
}

/// Cuts a text to this length in bytes, and marks the cut.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

/// Returns the path and the query of a request without secrets, and cut if they are long.
pub(crate) fn shown(uri: &Uri) -> String {
    /// How much is shown, in bytes.
    const MOST: usize = 2048;
    /// Parameters whose values are secret.
    const SECRETS: [&str; 8] =
        ["access_token", "api_key", "apikey", "authorization", "jwt", "password", "secret", "token"];

    let mut shown = uri.path().to_owned();
    for (number, pair) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if number == 0 { '?' } else { '&' });
        // The decoded name, so that another spelling of it does not escape.
        let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.to_lowercase());
        match pair.split_once('=') {
            Some((raw, _)) if name.is_some_and(|name| SECRETS.contains(&&*name)) => {
                shown.push_str(raw);
                shown.push_str("=[redacted]");
            }
            _ => shown.push_str(pair),
        }
    }
    cut(shown, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_shown(uri: &str, expected: &str) {
        assert_eq!(shown(&uri.parse().unwrap()), expected);
    }

    #[test]
    fn secrets_of_a_query_are_not_shown() {
        check_shown("/topics/a?type=b&lastEventId=7", "/topics/a?type=b&lastEventId=7");
        check_shown("/topics/a?access_token=s3cret", "/topics/a?access_token=[redacted]");
        check_shown("/a?topic=b&authorization=s3cret&topic=c", "/a?topic=b&authorization=[redacted]&topic=c");
        check_shown(
            "/a?access%5Ftoken=s3cret&Access_Token=s3cret",
            "/a?access%5Ftoken=[redacted]&Access_Token=[redacted]",
        );
        check_shown("/a?token&x=1", "/a?token&x=1");
        check_shown("/a%0Ab%1B?c=%00", "/a%0Ab%1B?c=%00");
        assert!(shown(&format!("/{}", "a".repeat(5000)).parse().unwrap()).len() < 2100);
    }

    #[test]
    fn a_long_method_is_cut() {
        for (method, expected) in
            [("UPDATEREDIRECTREF", "UPDATEREDIRECTREF".to_owned()), (&"A".repeat(9000), "A".repeat(32) + "…")]
        {
            assert_eq!(shown_method(&method.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_value_is_on_one_line_and_ends_where_it_seems_to() {
        for (text, expected) in [
            ("ann", "ann"),
            ("/topics/a?b=c", "/topics/a?b=c"),
            ("two words", r#""two words""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a\nb\u{1b}[31m\u{202e}", r#""a\nb\u{1b}[31m\u{202e}""#),
            ("", r#""""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
