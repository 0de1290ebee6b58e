//! Events whose data contains their topic, on request: a stream of several topics does not show it otherwise.

use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use sse_server::{Candidate, Subscription};

use super::rejection::Rejection;
use crate::envelope::{self, Envelope};

/// The header by which a client asks for it, and by which the response says that the data has this form.
pub(crate) const HEADER: HeaderName = HeaderName::from_static(envelope::HEADER);

/// The query parameter, for the `EventSource` of a browser, to which a page can't add headers.
const PARAMETER: &str = "envelope";

/// The only supported form.
const JSON: &str = "json";

/// The form of the data of a stream's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// As it was published.
    Plain,
    /// In a line of JSON, with the event's topic, time, type and id.
    InEnvelope,
}

impl Data {
    /// What a request asks for, by its query or by its header.
    pub(crate) fn asked_for(uri: &Uri, headers: &HeaderMap) -> Result<Self, Rejection> {
        let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let parameter = query.find(|(key, _)| key == PARAMETER).map(|(_, value)| value.into_owned());
        let header =
            || headers.get(HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        match parameter.or_else(header).as_deref() {
            None => Ok(Self::Plain),
            Some(JSON) => Ok(Self::InEnvelope),
            Some(other) => Err(Rejection::bad(format!(
                "there is no envelope {other:?}; write ?{PARAMETER}={JSON} or {HEADER}: {JSON}, or leave it out"
            ))),
        }
    }

    /// Returns the subscription, with its data in this form.
    pub(crate) fn of(self, subscription: Subscription) -> Subscription {
        match self {
            Self::Plain => subscription,
            Self::InEnvelope => subscription.map_data(envelope),
        }
    }

    /// Names the form in the response.
    pub(crate) fn tell(self, mut response: Response) -> Response {
        if self == Self::InEnvelope {
            response.headers_mut().insert(HEADER, HeaderValue::from_static(JSON));
        }
        response
    }
}

/// The event as a line of JSON. A gap of several topics has no topic.
fn envelope(event: Candidate<'_>) -> String {
    let (topic, id) = (event.topic(), event.event().last_event_id());
    let envelope = Envelope {
        topic: (!topic.is_empty()).then(|| topic.into()),
        time: event.published().and_then(envelope::time).map(Into::into),
        event_type: Some(event.event_type().into()),
        id: (!id.is_empty()).then(|| id.into()),
        data: event.data().into(),
    };
    serde_json::to_string(&envelope).expect("text is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, header: Option<&'static str>, expected: Result<Data, &str>) {
        let headers = header.map(|value| (HEADER, HeaderValue::from_static(value))).into_iter().collect();
        match (Data::asked_for(&uri.parse().unwrap(), &headers), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.text().contains(expected), "{found:?}"),
            (found, _) => panic!("{uri} {header:?}: {found:?}"),
        }
    }

    #[test]
    fn it_is_asked_for_by_query_or_by_header() {
        check("/", None, Ok(Data::Plain));
        check("/?envelope=json", None, Ok(Data::InEnvelope));
        check("/", Some("json"), Ok(Data::InEnvelope));
        check("/?topic=a&envelope=json", Some("xml"), Ok(Data::InEnvelope));
        check("/?envelope=", None, Err("no envelope \"\"; write ?envelope=json"));
        check("/", Some("xml"), Err("no envelope \"xml\""));
    }
}
