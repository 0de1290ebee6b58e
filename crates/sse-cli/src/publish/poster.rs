//! Requests that publish, and their outcomes.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use sse_client::reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use sse_client::reqwest::{self, Client, Response, StatusCode, Url, redirect};

use crate::envelope::JSON_LINES;
use crate::failure::{Exit, Failure};
use crate::refusal::{self, Refusal};
use crate::tls;
use crate::transport::Transport;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a request and its answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// How long an idle connection may be used again. A server closes it sooner or later, and a request that is sent at
/// that moment is lost. So the client closes it first.
const IDLE: Duration = Duration::from_secs(4);

/// How much of an answer is read.
const MAX_ANSWER: usize = 64 * 1024;

/// How much of a refusal is shown, in characters.
const MAX_SHOWN: usize = 500;

#[derive(Debug)]
pub(super) struct Poster {
    client: Client,
    url: Url,
    headers: HeaderMap,
}

/// Why events are not known to be published.
#[derive(Debug)]
pub(super) enum PostError {
    /// The server can't be reached: nothing was published.
    Unreachable(String),
    /// There is no answer: whether it was published is not known.
    NoAnswer(String),
    /// The body or the batch is larger than the server accepts: nothing was published.
    TooLarge,
    /// The hub gives all ids itself: nothing was published.
    OwnId(String),
    /// The id of one of the events can't be used: nothing was published.
    WrongId(String),
    /// The topic is elsewhere.
    Moved(String),
    /// The server says how long to wait before the same events may be sent again: nothing was published.
    Later { wait: Duration, text: String },
    /// The server says why not.
    Refused(String),
    /// The receipt is not one for these events.
    Strange(String),
}

impl PostError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable(_) | Self::NoAnswer(_) => Exit::Failed,
            Self::TooLarge
            | Self::OwnId(_)
            | Self::WrongId(_)
            | Self::Moved(_)
            | Self::Later { .. }
            | Self::Refused(_)
            | Self::Strange(_) => Exit::Refused,
        }
    }
}

/// The hub's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Receipt {
    /// How many events were published.
    pub(super) published: usize,
    /// How many were not, because they had been before.
    #[serde(default)]
    pub(super) repeated: usize,
    /// The id of the last one.
    pub(super) id: Option<String>,
}

impl Poster {
    pub(super) fn new(transport: &Transport, url: Url, mut headers: HeaderMap) -> Result<Self, Failure> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON_LINES));
        let client = transport
            .client_builder()?
            .user_agent(concat!("sse/", env!("CARGO_PKG_VERSION")))
            // Some redirects turn POST into GET, and the token is for this server only.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| Failure::failed(format!("requests can't be sent: {}", cause(&error))))?;
        Ok(Self { client, url, headers })
    }

    /// The server, without what may be secret in its URL.
    pub(super) fn server(&self) -> impl fmt::Display {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Publishes so many events. Returns the hub's receipt, or `None` if the server has taken them and gives none.
    pub(super) async fn post(&self, body: String, events: usize) -> Result<Option<Receipt>, PostError> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let response = request.send().await.map_err(|error| unsent(&error))?;
        let (status, location) = (response.status(), self.location(&response));
        let (content_type, refusal) = (content_type(&response), why(&response));
        let wait = retry_after(&response);
        let answer = read(response).await?;
        match status {
            _ if status.is_success() => match serde_json::from_slice(&answer) {
                Ok(Receipt { published, repeated, id })
                    if published.checked_add(repeated) == Some(events) =>
                {
                    Ok(Some(Receipt { published, repeated, id }))
                }
                Ok(Receipt { published, .. }) => Err(PostError::Strange(format!(
                    "it says that it published {published} events, not {events}"
                ))),
                Err(_) => Ok(None),
            },
            StatusCode::PAYLOAD_TOO_LARGE => Err(PostError::TooLarge),
            _ => Err(match location {
                Some(location) if status.is_redirection() => PostError::Moved(location),
                _ => match (refused(refusal, said(status, &content_type, &answer)), wait) {
                    (PostError::Refused(text), Some(wait)) if is_for_now(status, refusal) => {
                        PostError::Later { wait, text }
                    }
                    (refused, _) => refused,
                },
            }),
        }
    }

    /// Where the topic has moved to.
    fn location(&self, response: &Response) -> Option<String> {
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        Some(self.url.join(location).ok()?.into())
    }
}

fn unsent(error: &reqwest::Error) -> PostError {
    let cause = cause(error);
    if error.is_connect() { PostError::Unreachable(cause) } else { PostError::NoAnswer(cause) }
}

/// Returns the innermost source of an error. The outer ones only say that there is an error.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let within = if error.is_connect() { CONNECT } else { ANSWER };
        return format!("it took more than {within:?}");
    }
    let causes = std::iter::successors(Some(error as &dyn Error), |cause| (*cause).source());
    let cause = causes.last().map_or_else(String::new, ToString::to_string);
    let hint = tls::hint(&cause);
    cause + hint
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE);
    let value = value.map(|value| printable(&String::from_utf8_lossy(value.as_bytes())));
    value.unwrap_or_else(|| "no Content-Type".to_owned())
}

/// The body, or its beginning.
async fn read(mut response: Response) -> Result<Vec<u8>, PostError> {
    let mut answer = Vec::new();
    while answer.len() < MAX_ANSWER {
        let chunk = response.chunk().await.map_err(|error| PostError::NoAnswer(cause(&error)))?;
        let Some(chunk) = chunk else { break };
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// Returns why the hub has published nothing, if this program knows the reason.
fn why(response: &Response) -> Option<Refusal> {
    Refusal::of_name(response.headers().get(refusal::HEADER)?.to_str().ok()?)
}

/// How many seconds the server asks to wait for. (The form with a date is for answers that caches keep.)
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns whether the server may accept the same request later, and has published nothing of it. A proxy's 503 does
/// not tell.
fn is_for_now(status: StatusCode, refusal: Option<Refusal>) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || refusal == Some(Refusal::Full)
}

fn refused(refusal: Option<Refusal>, text: String) -> PostError {
    match refusal {
        Some(Refusal::OwnId) => PostError::OwnId(text),
        Some(Refusal::InvalidId | Refusal::IdTaken) => PostError::WrongId(text),
        Some(Refusal::BatchTooLarge | Refusal::Closed | Refusal::Full) | None => PostError::Refused(text),
    }
}

/// Returns the status, and the line of text that explains it. A page of HTML is left out.
fn said(status: StatusCode, content_type: &str, answer: &[u8]) -> String {
    let is_text = content_type.starts_with("text/plain");
    let text = String::from_utf8_lossy(answer);
    match text.lines().find(|line| is_text && !line.trim().is_empty()) {
        Some(line) => format!("{status}: {}", printable(line)),
        None if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED => {
            format!("{status}; is this the URL of a topic of sse serve?")
        }
        None => status.to_string(),
    }
}

/// Returns a server's text, cut and escaped: it may be long, and may contain control characters.
fn printable(text: &str) -> String {
    let characters = text.trim().chars().filter(|character| !character.is_control());
    characters.take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refusal(status: u16, content_type: &str, answer: &[u8], expected: &str) {
        assert_eq!(said(StatusCode::from_u16(status).unwrap(), content_type, answer), expected);
    }

    #[test]
    fn a_refusal_is_the_status_and_a_line_of_text() {
        check_refusal(401, "text/plain; charset=utf-8", b"no token\n", "401 Unauthorized: no token");
        check_refusal(400, "text/plain", b"\n a\x1b[31m\tb\xff\nc", "400 Bad Request: a[31mb\u{fffd}");
        check_refusal(500, "text/html", b"<h1>", "500 Internal Server Error");
        check_refusal(503, "text/plain", b"", "503 Service Unavailable");
        check_refusal(404, "text/html", b"", "404 Not Found; is this the URL of a topic of sse serve?");
        let long = "é".repeat(MAX_SHOWN + 1);
        check_refusal(
            403,
            "text/plain",
            long.as_bytes(),
            &format!("403 Forbidden: {}", "é".repeat(MAX_SHOWN)),
        );
    }
}
