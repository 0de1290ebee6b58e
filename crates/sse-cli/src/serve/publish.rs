//! What `POST /topics/NAME` publishes.

use std::borrow::Cow;
use std::collections::VecDeque;

use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use sse_server::{EventId, EventType, Message, PublishError, Published, Route};

use super::rejection::Rejection;
use crate::envelope::Envelope;

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

/// What was published.
#[derive(Debug, Serialize)]
pub(crate) struct Receipt {
    /// How many events.
    published: usize,
    /// The id of the last one.
    id: Option<String>,
}

/// The messages of a request: its body is the data of one, or has a line of JSON for each. All of them are right, or
/// there is none.
pub(crate) fn messages<'b>(head: &Parts, body: &'b [u8]) -> Result<Vec<Message<'b>>, Rejection> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to();
        Rejection::bad(format!(
            "the body is not UTF-8 from byte {place} on; encode what is no text, say as Base64"
        ))
    })?;
    let event_type = setting(head, "type", &EVENT_TYPE)?;
    let id = setting(head, "id", &EVENT_ID)?;
    if !is_json_lines(&head.headers) {
        let envelope = Envelope { event_type, id, data: text.into() };
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

/// Publishes messages one after the other, and waits until they are stored.
pub(crate) async fn publish(route: &Route, messages: &[Message<'_>]) -> Result<Receipt, Rejection> {
    let mut receipt = Receipt { published: 0, id: None };
    match try_publish(route, messages, &mut receipt).await {
        Ok(()) => Ok(receipt),
        Err(error) => Err(rejection(&error, receipt.published, messages.len())),
    }
}

/// Publishes messages, and writes down how far it came.
async fn try_publish(
    route: &Route,
    messages: &[Message<'_>],
    receipt: &mut Receipt,
) -> Result<(), PublishError> {
    let mut waiting = VecDeque::new();
    for message in messages {
        loop {
            match route.publish(message) {
                Ok(published) => break waiting.push_back(published),
                // There is room when one of ours is stored.
                Err(PublishError::Full) if !waiting.is_empty() => store(&mut waiting, receipt).await?,
                Err(error) => {
                    // What is published is published.
                    while !waiting.is_empty() {
                        store(&mut waiting, receipt).await?;
                    }
                    return Err(error);
                }
            }
        }
    }
    while !waiting.is_empty() {
        store(&mut waiting, receipt).await?;
    }
    Ok(())
}

/// Waits until the first is stored.
async fn store(waiting: &mut VecDeque<Published>, receipt: &mut Receipt) -> Result<(), PublishError> {
    let Some(published) = waiting.pop_front() else { return Ok(()) };
    let id = published.stored().await?;
    receipt.published += 1;
    receipt.id = id.map(|id| id.to_string());
    Ok(())
}

fn rejection(error: &PublishError, published: usize, all: usize) -> Rejection {
    let text = match all {
        1 => error.to_string(),
        _ => format!("{published} of {all} events were published, and then: {error}"),
    };
    match error {
        PublishError::OwnId => Rejection::new(StatusCode::BAD_REQUEST, text),
        _ => Rejection::unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

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
}
