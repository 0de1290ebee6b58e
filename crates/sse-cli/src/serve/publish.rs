//! What `POST /topics/NAME` publishes.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use sse_server::{EventId, EventType, Message, PublishError, Route};

use super::rejection::Rejection;
use crate::envelope::Envelope;
use crate::refusal::Refusal;

const EVENT_TYPE: HeaderName = HeaderName::from_static("event-type");
const EVENT_ID: HeaderName = HeaderName::from_static("event-id");

/// The types of bodies that are lines of JSON; there is no registered one.
const JSON_LINES: [&str; 5] = [
    crate::envelope::JSON_LINES,
    "application/ndjson",
    "application/jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
];

/// What became of the events of a request.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Receipt {
    /// How many were published.
    published: usize,
    /// How many were repeats: events with the id and the fields of an earlier one.
    #[serde(skip_serializing_if = "is_zero")]
    repeated: usize,
    /// The id of the last one.
    id: Option<String>,
}

impl Receipt {
    /// How many events were published, without those that had been before.
    pub(crate) fn published(&self) -> usize {
        self.published
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Returns the messages of a request. Its body is the data of one message, or has a line of JSON for each. If one of
/// them is wrong, there are none.
pub(crate) fn messages<'b>(head: &Parts, body: &'b [u8]) -> Result<Vec<Message<'b>>, Rejection> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to();
        Rejection::bad(format!(
            "the body is not UTF-8 from byte {place} on; encode what is no text, say as Base64"
        ))
    })?;
    check_query(head.uri.query().unwrap_or_default())?;
    let event_type = setting(head, "type", &EVENT_TYPE)?;
    let id = setting(head, "id", &EVENT_ID)?;
    if !is_json_lines(&head.headers) {
        let envelope = Envelope { event_type, id, data: text.into(), ..Envelope::default() };
        return Ok(vec![message(envelope).map_err(Rejection::bad)?]);
    }
    if id.is_some() {
        return Err(Rejection::bad("the body is a batch, so its lines have the ids, not the request"));
    }
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let messages = lines.map(|(number, line)| {
        let envelope: Envelope<'b> = serde_json::from_str(line)
            .map_err(|error| format!("{error}; write {{\"data\":\"...\"}}, with type and id if you like"))
            .map_err(|error| Rejection::bad(format!("line {number} is no event: {error}")))?;
        let event_type = envelope.event_type.or_else(|| event_type.clone());
        message(Envelope { event_type, ..envelope })
            .map_err(|error| Rejection::bad(format!("line {number}: {error}")))
    });
    messages.collect()
}

fn message(envelope: Envelope<'_>) -> Result<Message<'_>, String> {
    let mut message = Message::new(envelope.data);
    if let Some(event_type) = envelope.event_type.filter(|event_type| !event_type.is_empty()) {
        let event_type = EventType::try_from(event_type.into_owned());
        message = message.event_type(event_type.map_err(|error| format!("the type: {error}"))?);
    }
    if let Some(id) = envelope.id.filter(|id| !id.is_empty()) {
        let id = EventId::try_from(id.into_owned());
        message = message.id(id.map_err(|error| format!("the id: {error}"))?);
    }
    Ok(message)
}

/// Refuses unknown query parameters: a misspelt one would be ignored, and a wrong event be published.
fn check_query(query: &str) -> Result<(), Rejection> {
    const KNOWN: [&str; 4] = ["type", "id", "access_token", "authorization"];

    let mut seen = Vec::new();
    for (name, _) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !name.is_empty()) {
        if seen.contains(&name) {
            return Err(Rejection::bad(format!("the query has {name:?} twice; leave one of them out")));
        }
        if KNOWN.contains(&&*name) {
            seen.push(name);
            continue;
        }
        let advice = match &*name.to_lowercase().replace(['-', '_'], "") {
            "event" | "eventtype" | "eventname" => "write ?type= for the type of the event",
            "eventid" | "lasteventid" => "write ?id= for the id of the event",
            "token" | "accesstoken" | "jwt" => "write ?access_token= for a token, or send it as a header",
            "data" | "message" | "body" => "the data of the event is the body",
            "topic" | "channel" => "the topic is in the path, as /topics/NAME",
            _ => "there are ?type= and ?id=",
        };
        return Err(Rejection::bad(format!("the query has an unknown parameter {name:?}; {advice}")));
    }
    Ok(())
}

/// A setting from the query or from a header.
fn setting(head: &Parts, name: &str, header: &HeaderName) -> Result<Option<Cow<'static, str>>, Rejection> {
    let mut query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    if let Some((_, value)) = query.find(|(key, _)| key == name) {
        return Ok(Some(value.into_owned().into()));
    }
    let Some(value) = head.headers.get(header) else { return Ok(None) };
    let value = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Rejection::bad(format!("the header {header} is not UTF-8; use the query, ?{name}=")))?;
    Ok(Some(value.to_owned().into()))
}

fn is_json_lines(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    JSON_LINES.iter().any(|json_lines| json_lines.eq_ignore_ascii_case(essence))
}

/// Publishes all messages of a request, or none of them, and waits until they are stored.
pub(crate) async fn publish(route: &Route, messages: &[Message<'_>]) -> Result<Receipt, Rejection> {
    let many = messages.len() > 1;
    let published = route.publish_all(messages).map_err(|error| rejection(&error, many))?;
    let mut receipt = Receipt::default();
    let mut failed = None;
    for message in published {
        match message.receipt().await {
            Ok(message) => {
                if message.is_repeat() {
                    receipt.repeated += 1;
                } else {
                    receipt.published += 1;
                }
                receipt.id = message.id().map(ToString::to_string);
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(receipt), |error| Err(rejection(&error, many)))
}

/// The answer to a request whose messages were not published.
fn rejection(error: &PublishError, are_many: bool) -> Rejection {
    let (status, refusal, text) = match error {
        PublishError::OwnId => (
            StatusCode::BAD_REQUEST,
            Refusal::OwnId,
            "the log of this hub (--redis) gives the ids; leave the id out, or put it into the data"
                .to_owned(),
        ),
        PublishError::InvalidId(error) => (StatusCode::BAD_REQUEST, Refusal::InvalidId, error.to_string()),
        PublishError::IdTaken => (
            StatusCode::CONFLICT,
            Refusal::IdTaken,
            "the id is that of another event of this topic; give each event an id of its own".to_owned(),
        ),
        PublishError::BatchTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BatchTooLarge,
            "it is too large to be published at once; send smaller batches".to_owned(),
        ),
        PublishError::Closed => (
            StatusCode::GONE,
            Refusal::Closed,
            "the topic is closed and takes no more events; publish to another one".to_owned(),
        ),
        PublishError::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Full,
            "too many events wait for the log of this hub; send yours again later".to_owned(),
        ),
        PublishError::Log(log) if !log.is_refused() => {
            let what = if are_many { "the events" } else { "the event" };
            let text = format!("{error}; {what} may be published or not");
            return Rejection::new(StatusCode::GATEWAY_TIMEOUT, text);
        }
        error => return Rejection::unavailable(error),
    };
    let text = if are_many { format!("nothing of the batch was published: {text}") } else { text };
    Rejection::unpublished(status, refusal, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::Request;
    use sse_server::InvalidId;
    use sse_server::log::LogError;

    use super::*;

    #[track_caller]
    fn check(uri: &str, headers: &[(&'static str, &str)], body: &[u8], expected: Result<&[&str], &str>) {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let found = messages(&head, body);
        let found = found.map(|messages| messages.iter().map(ToString::to_string).collect::<Vec<_>>());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.text().contains(expected), "{found:?}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_body_of_any_type_is_the_data() {
        check("/", &[], b"Hello", Ok(&["data: Hello\n\n"]));
        check("/", &[], b"", Ok(&["data:\n\n"]));
        check("/", &[("content-type", "application/json")], b"{\n}\n", Ok(&["data: {\ndata: }\ndata:\n\n"]));
        check("/", &[("content-type", "image/png")], "é".as_bytes(), Ok(&["data: é\n\n"]));
        check("/", &[], b"a\xff", Err("not UTF-8 from byte 1 on"));
    }

    #[test]
    fn type_and_id_come_by_query_or_by_header() {
        let expected = Ok(&["event: price\ndata: a\nid: 7\n\n"][..]);
        check("/?type=price&id=7", &[], b"a", expected);
        check("/", &[("event-type", "price"), ("event-id", "7")], b"a", expected);
        check("/?type=price", &[("event-type", "other"), ("event-id", "7")], b"a", expected);
        check("/?type=caf%C3%A9+au+lait", &[], b"a", Ok(&["event: café au lait\ndata: a\n\n"]));
        check("/", &[("event-type", "café")], b"a", Ok(&["event: café\ndata: a\n\n"]));
        check("/?type=&id=", &[], b"a", Ok(&["data: a\n\n"]));
        check("/?type=a%0Ab", &[], b"a", Err("the type: "));
        check("/?id=a%00b", &[], b"a", Err("the id: "));
    }

    #[test]
    fn a_query_takes_no_other_names() {
        check("/?access_token=a&type=a&", &[], b"a", Ok(&["event: a\ndata: a\n\n"]));
        check("/?event=a", &[], b"a", Err("unknown parameter \"event\"; write ?type= for the type"));
        check("/?Event-Type=a", &[], b"a", Err("write ?type="));
        check("/?lastEventId=a", &[], b"a", Err("write ?id="));
        check("/?data=a", &[], b"a", Err("is the body"));
        check("/?retry=a%0A", &[], b"a", Err("unknown parameter \"retry\"; there are ?type= and ?id="));
        check("/?a%0Ab", &[], b"a", Err("unknown parameter \"a\\nb\""));
        check("/?type=a&type=b", &[], b"a", Err("has \"type\" twice"));
    }

    #[test]
    fn a_batch_has_a_line_for_each_event() {
        let json = [("content-type", "Application/X-NDJSON; charset=utf-8")];
        let body = b"{\"data\":\"a\"}\r\n\n{\"type\":\"price\",\"id\":\"7\",\"data\":{\"tea\":1250}}";
        check("/", &json, body, Ok(&["data: a\n\n", "event: price\ndata: {\"tea\":1250}\nid: 7\n\n"]));
        check("/?type=b", &json, b"{\"data\":\"a\"}", Ok(&["event: b\ndata: a\n\n"]));
        check("/", &json, b"", Ok(&[]));
        check(
            "/",
            &json,
            b"{\"data\":\"a\"}\n{\"type\":\"a\"}",
            Err("line 2 is no event: missing field `data`"),
        );
        check(
            "/",
            &json,
            b"{\"data\":\"a\"}\n\n{\"type\":\"a\\n\",\"data\":\"a\"}",
            Err("line 3: the type: "),
        );
        check("/?id=7", &json, b"{\"data\":\"a\"}", Err("its lines have the ids"));
    }

    #[track_caller]
    fn check_rejection(error: &PublishError, status: u16, refusal: Option<Refusal>, text: &str) {
        for are_many in [false, true] {
            let found = rejection(error, are_many);
            assert_eq!((found.status().as_u16(), found.refusal()), (status, refusal), "{found:?}");
            let is_sure = found.text().starts_with("nothing of the batch was published: ");
            assert_eq!(is_sure, are_many && refusal.is_some(), "{found:?}");
            assert!(found.text().contains(text), "{found:?}");
        }
    }

    #[test]
    fn each_reason_has_its_status_and_says_what_to_do() {
        check_rejection(&PublishError::OwnId, 400, Some(Refusal::OwnId), "leave the id out");
        let invalid = PublishError::InvalidId(InvalidId::NotAHeader);
        check_rejection(&invalid, 400, Some(Refusal::InvalidId), "it must not be empty");
        check_rejection(
            &PublishError::IdTaken,
            409,
            Some(Refusal::IdTaken),
            "give each event an id of its own",
        );
        check_rejection(&PublishError::Closed, 410, Some(Refusal::Closed), "publish to another one");
        check_rejection(
            &PublishError::BatchTooLarge,
            413,
            Some(Refusal::BatchTooLarge),
            "send smaller batches",
        );
        check_rejection(&PublishError::Full, 503, Some(Refusal::Full), "send yours again later");
        let refused = PublishError::Log(Arc::new(LogError::refused("OOM")));
        check_rejection(&refused, 503, None, "the log refuses: OOM");
        let unknown = PublishError::Log(Arc::new(LogError::unavailable("no answer")));
        check_rejection(&unknown, 504, None, "no answer; the event");
    }

    #[tokio::test]
    async fn a_topic_that_is_closed_takes_no_more() {
        let route = Route::new();
        let messages = [Message::new("a"), Message::new("b")];
        assert_eq!(publish(&route, &messages).await.unwrap().published, 2);
        route.close();
        assert_eq!(publish(&route, &messages).await.unwrap_err().status(), StatusCode::GONE);
    }
}
