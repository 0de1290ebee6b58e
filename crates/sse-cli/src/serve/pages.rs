//! Events on request, as lines of JSON: for programs that do not subscribe, and for clients whose proxy buffers event
//! streams.
//!
//! An answer is one page of limited size. It names the id after which the next page begins.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use sse_server::{EventId, Gap, Item, Received, Subscription, Topics};
use tokio::time::{Instant, timeout_at};

use super::rejection::Rejection;
use super::topic;
use crate::envelope::{self, Envelope, JSON_LINES};
use crate::since::{self, Written};
use crate::units;

/// How a client of a stream says where it goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// In an answer: the `since` of the next page.
const NEXT: HeaderName = LAST_EVENT_ID;

/// In an answer: the next page has events already.
const MORE: HeaderName = HeaderName::from_static("sse-more");

/// What an answer says in headers of its own.
pub(crate) const HEADERS: [HeaderName; 2] = [NEXT, MORE];

/// How many events a page has, if nothing else is asked for, and at most.
const LIMIT: usize = 1000;
const MOST: usize = 10_000;

/// How many bytes a page has at most, but for its last event.
const BYTES: usize = 1024 * 1024;

/// How long a poll may wait.
const LONGEST: Duration = Duration::from_secs(60);

/// What is asked for: a page of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    since: Since,
    limit: usize,
    /// How long to wait for an event, if there is none.
    wait: Duration,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// The oldest event that is kept.
    Oldest,
    /// The event after the one with this id.
    Id(String),
    /// The first event that was published at this time or later.
    Time(Timestamp),
    /// So many events before the end.
    Newest(usize),
}

impl Page {
    /// The page that a request asks for; `None` if it asks for a stream.
    pub(crate) fn asked_for(uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, Rejection> {
        let query = uri.query().unwrap_or_default().as_bytes();
        let parameter =
            |name| form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value);
        let poll = parameter("poll");
        if poll.is_none() && !prefers_lines(headers)? {
            return Ok(None);
        }
        if parameter("lastEventId").is_some_and(|id| !id.is_empty()) || headers.contains_key(LAST_EVENT_ID) {
            return Err(Rejection::bad(
                "lastEventId and Last-Event-ID are for streams; a page of lines begins after the event that since=ID names",
            ));
        }
        let last = topic::last_of_query(uri.query().unwrap_or_default()).map_err(Rejection::bad)?;
        let since = match (parameter("since"), last) {
            (None, None) => Since::Oldest,
            (None, Some(last)) => Since::Newest(last),
            (Some(_), Some(_)) => {
                return Err(Rejection::bad(
                    "since and last both say where the page begins; give one of them",
                ));
            }
            (Some(text), None) if text.is_empty() => {
                return Err(Rejection::bad(
                    "since has no value; write an event's id, a time, or leave it out",
                ));
            }
            (Some(text), None) => Since::parse(&text).map_err(Rejection::bad)?,
        };
        let limit = match parameter("limit") {
            None => LIMIT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..) => MOST.min(limit),
                _ => {
                    return Err(Rejection::bad(format!(
                        "limit={text}: write a number of events, 1 to {MOST}"
                    )));
                }
            },
        };
        let wait = match poll.as_deref() {
            None | Some("") => Duration::ZERO,
            Some(text) => {
                let time =
                    units::time(text).map_err(|error| Rejection::bad(format!("poll={text}: {error}")))?;
                time.min(LONGEST)
            }
        };
        Ok(Some(Self { since, limit, wait }))
    }

    /// The id after which it begins; empty if it begins elsewhere.
    pub(crate) fn id(&self) -> &str {
        match &self.since {
            Since::Id(id) => id,
            Since::Oldest | Since::Time(_) | Since::Newest(_) => "",
        }
    }

    /// The time at which it begins, if it begins at one.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        match self.since {
            // Each `Timestamp` fits into a `SystemTime`, on all platforms of the hub.
            Since::Time(time) => SystemTime::try_from(time).ok(),
            Since::Oldest | Since::Id(_) | Since::Newest(_) => None,
        }
    }

    /// The same page, as one that begins after an id if a log knows which one is the last before its time.
    pub(crate) async fn found_in(&self, topics: &Topics) -> Result<Self, Rejection> {
        let id = match self.time() {
            Some(time) => topics.id_before(time).await,
            None => Ok(None),
        };
        let id =
            id.map_err(|error| Rejection::unavailable(format!("the events can't be read now: {error}")))?;
        let since = id.map_or_else(|| self.since.clone(), |id| Since::Id(id.as_str().to_owned()));
        Ok(Self { since, ..self.clone() })
    }

    /// The answer from a subscription that begins after [`id`](Self::id). `evicted` are topics that have evicted events,
    /// perhaps some of those that were published since the [`time`](Self::time).
    pub(crate) async fn read(
        &self,
        subscription: Subscription,
        mut evicted: Vec<&str>,
    ) -> Result<Response, Rejection> {
        if !subscription.is_open() {
            // The topic is closed, or a limit is reached.
            return Ok(subscription.respond().map(Body::new));
        }
        let subscription = match self.since {
            Since::Oldest | Since::Time(_) => subscription.from_start(),
            Since::Newest(last) => subscription.from_newest(last),
            Since::Id(_) => subscription,
        };
        let mut events = subscription.into_events();
        let deadline = Instant::now() + self.wait;
        let (mut lines, mut end) = (Lines::default(), None);
        while !lines.is_full(self.limit) {
            let item = match events.next_published().await {
                Some(item) => item,
                None if lines.count > 0 => break,
                None => match timeout_at(deadline, events.next()).await {
                    Ok(Some(item)) => item,
                    Ok(None) => break,
                    Err(_) => {
                        end = events.last_event_id();
                        if end.is_some() || lines.next.is_some() {
                            break;
                        }
                        // Something was published meanwhile. It must be read, since no id is known before it.
                        continue;
                    }
                },
            };
            match &item {
                // So the topic has not evicted any later event.
                Item::Event(received) if self.is_too_old(received) => {
                    evicted.retain(|topic| *topic != received.topic());
                }
                Item::Event(received) => {
                    lines.add_gap_of(&mut evicted);
                    lines.add(&line(received));
                }
                Item::Gap(gap) => lines.add(&gap_line(gap)),
                _ => {}
            }
            lines.next = next(item.last_event_id());
        }
        lines.add_gap_of(&mut evicted);
        Ok(lines.answer(end.or_else(|| events.last_event_id())))
    }

    fn is_too_old(&self, received: &Received) -> bool {
        self.time().zip(received.published()).is_some_and(|(since, published)| published < since)
    }
}

impl Since {
    /// Reads an id or a time.
    fn parse(text: &str) -> Result<Self, String> {
        match since::parse(text) {
            Some(Written::Id(id)) => Ok(Self::Id(id.to_owned())),
            Some(Written::Time(time)) => Ok(Self::Time(time)),
            None => Err(format!(
                "since={text}: write a time as @1732550000, in seconds since 1970, or as 2026-01-31T12:00:00Z"
            )),
        }
    }
}

/// The lines of a page.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    count: usize,
    next: Option<HeaderValue>,
}

impl Lines {
    fn is_full(&self, limit: usize) -> bool {
        self.count >= limit || self.text.len() >= BYTES
    }

    fn add(&mut self, envelope: &Envelope<'_>) {
        serde_json::to_writer(&mut self.text, envelope).expect("text is JSON");
        self.text.push(b'\n');
        self.count += 1;
    }

    /// Adds one gap, if events of these topics may be missing.
    fn add_gap_of(&mut self, evicted: &mut Vec<&str>) {
        if !evicted.is_empty() {
            evicted.clear();
            self.add(&Envelope { event_type: Some(GAP.into()), data: UNKNOWN.into(), ..Envelope::default() });
        }
    }

    /// Returns the answer. `end` is the id with which to resume, if everything has been read.
    fn answer(self, end: Option<EventId<'_>>) -> Response {
        let has_more = end.is_none() && self.next.is_some();
        let end = end.and_then(|id| next(id.as_str()));
        let mut response = head(Body::from(self.text));
        if let Some(next) = end.or(self.next) {
            response.headers_mut().insert(NEXT, next);
        }
        if has_more {
            response.headers_mut().insert(MORE, HeaderValue::from_static("true"));
        }
        response
    }
}

/// The header that names the id after which the next page begins.
fn next(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(since::write(id).as_bytes()).ok()
}

/// The answer to a `HEAD` request, and the beginning of each other.
pub(crate) fn head(body: Body) -> Response {
    let headers = [(CONTENT_TYPE, JSON_LINES), (CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

/// The type of the events that tell of a gap, and what they say if nothing is known of it.
const GAP: &str = "gap";
const UNKNOWN: &str = r#"{"missed":null}"#;

fn line(received: &Received) -> Envelope<'_> {
    let event = received.event();
    Envelope {
        topic: Some(received.topic().into()),
        time: received.published().and_then(envelope::time).map(Into::into),
        event_type: Some(event.event_type().into()).filter(|event_type| event_type != "message"),
        id: Some(event.last_event_id().into()),
        data: event.data().into(),
    }
}

fn gap_line(gap: &Gap) -> Envelope<'static> {
    let data = gap.missed.map_or_else(|| UNKNOWN.into(), |missed| format!(r#"{{"missed":{missed}}}"#).into());
    let id = Some(gap.last_event_id.as_str().to_owned().into());
    Envelope { event_type: Some(GAP.into()), id, data, ..Envelope::default() }
}

/// Returns whether a client prefers lines of JSON to an event stream. If it accepts both equally, it gets a stream.
fn prefers_lines(headers: &HeaderMap) -> Result<bool, Rejection> {
    const STREAM: &str = "text/event-stream";

    let values: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        return Ok(false);
    }
    let accept = values.join(",");
    let (stream, lines) = (quality(&accept, STREAM), quality(&accept, JSON_LINES));
    if stream.max(lines) > 0.0 {
        return Ok(lines > stream);
    }
    Err(Rejection::new(
        StatusCode::NOT_ACCEPTABLE,
        format!("topics are {STREAM}, or {JSON_LINES} for what is kept; accept one of them, or */*"),
    ))
}

/// Returns the quality of a type, from 0 to 1, by the most specific range (RFC 9110, 12.5.1).
fn quality(accept: &str, media_type: &str) -> f32 {
    let any_subtype = media_type.split('/').next().map(|main| format!("{main}/*"));
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next()?.to_ascii_lowercase();
        let closeness = match &*range {
            "*/*" => 0,
            range if Some(range) == any_subtype.as_deref() => 1,
            range if range == media_type => 2,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        Some((closeness, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0))))
    });
    ranges.max_by_key(|(closeness, _)| *closeness).map_or(0.0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request asks for: `stream`, or where a page begins, its limit and its wait.
    #[track_caller]
    fn check(query: &str, accept: Option<&'static str>, expected: Result<&str, &str>) {
        let headers = accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept))).into_iter().collect();
        let uri = format!("/topics/a?{query}").parse().unwrap();
        let found = Page::asked_for(&uri, &headers).map(|page| match page {
            None => "stream".to_owned(),
            Some(Page { since, limit, wait }) => format!("{since:?} {limit} {wait:?}"),
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{query} {accept:?}"),
            (Err(found), Err(expected)) => assert!(found.text().contains(expected), "{found:?}"),
            (found, _) => panic!("{query} {accept:?}: {found:?}"),
        }
    }

    #[test]
    fn a_stream_is_sent_unless_lines_are_wanted_more() {
        let page = Ok("Oldest 1000 0ns");
        for accept in
            ["*/*", "text/event-stream", "text/*", "text/event-stream, application/x-ndjson", "text/*;q=0.5"]
        {
            check("", Some(accept), Ok("stream"));
            check("poll", Some(accept), page);
        }
        check("", None, Ok("stream"));
        for accept in ["application/x-ndjson", "Application/*", "*/*;q=0.1, application/x-ndjson; q=0.2"] {
            check("", Some(accept), page);
        }
        check("", Some("text/event-stream;q=0, */*"), page);
        for accept in
            ["application/json", "text/html, image/*", "*/*;q=0", "", "x", "application/x-ndjson;q=no"]
        {
            check("", Some(accept), Err("accept one of them, or */*"));
        }
    }

    #[test]
    fn a_page_begins_after_an_id_or_at_a_time_and_is_bounded() {
        check("poll&since=7", None, Ok("Id(\"7\") 1000 0ns"));
        check("poll&since=2026-01-31T12:00:00Z", None, Ok("Time(2026-01-31T12:00:00Z) 1000 0ns"));
        check("poll&since=@1732550000", None, Ok("Time(2024-11-25T15:53:20Z) 1000 0ns"));
        check("poll&limit=1", None, Ok("Oldest 1 0ns"));
        check("poll=30s&limit=100000", None, Ok("Oldest 10000 30s"));
        check("poll=1h", None, Ok("Oldest 1000 60s"));
        check("poll&last=20", None, Ok("Newest(20) 1000 0ns"));
        check("poll&last=0", None, Ok("Newest(0) 1000 0ns"));
        check("last=20", None, Ok("stream"));
        check("poll&limit=0", None, Err("limit=0: write a number of events, 1 to 10000"));
        check("poll&limit=-1", None, Err("limit=-1: write"));
        check("poll&limit=", None, Err("limit=: write"));
        check("poll&since=id:2026-01-31T12:00:00Z", None, Ok("Id(\"2026-01-31T12:00:00Z\") 1000 0ns"));
        check("poll&since=", None, Err("since has no value"));
        check("poll&last=x", None, Err("last=x: write a number of events"));
        check("poll&last=2&since=7", None, Err("give one of them"));
        check("poll&lastEventId=7", None, Err("begins after the event that since=ID names"));
        check("lastEventId=7", Some("application/x-ndjson"), Err("that since=ID names"));
        check("poll&lastEventId=", None, Ok("Oldest 1000 0ns"));
        check("poll&since=@x", None, Err("since=@x: write a time as @1732550000"));
        check("poll=x", None, Err("poll=x: write a time as 15s"));
    }

    #[test]
    fn an_id_is_written_so_that_it_is_read_again() {
        for id in
            ["7", "order-7", "é", "2026-01-31T12:00:00Z", "@1732550000", "@x", "id:7", "id:", "id:id:@1"]
        {
            assert_eq!(Since::parse(&since::write(id)), Ok(Since::Id(id.to_owned())));
        }
        assert_eq!(since::write("order-7"), "order-7");
    }
}
