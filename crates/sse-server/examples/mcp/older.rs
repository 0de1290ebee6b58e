//! The version 2025-11-25: sessions, and streams that a client can resume after its connection ends.
//!
//! - An event id is `STREAM/NUMBER`: the name of the stream of a call, and the position in it.
//! - The first event has no data. It gives the client an id to resume with.
//! - Each connection ends after a moment, and the client polls until it has the result. Then it gets 204.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sse_server::{EventId, Message, PublishError, Route, Topics};
use tokio::time::sleep;

use crate::{PROTOCOL_VERSION, STEP, error, newer};

pub(crate) const VERSION: &str = "2025-11-25";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// About how long a connection lasts. It is short so that you can see it end; half a minute suits a real server.
const CONNECTION: Duration = Duration::from_millis(1500);

/// How long a client waits before it reconnects.
const RETRY: Duration = Duration::from_millis(500);

/// How many sessions are remembered. A client whose session was forgotten opens a new one.
const MAX_SESSIONS: usize = 1000;

/// The streams of calls, each by its name, and the sessions.
#[derive(Clone)]
pub(crate) struct Older {
    streams: Topics,
    sessions: Arc<Mutex<VecDeque<String>>>,
}

impl Older {
    pub(crate) fn new() -> Self {
        let route = Route::builder().max_age(CONNECTION).reconnection_time(RETRY);
        // A stream is kept for a minute after its last use, so that its client can get the rest.
        Self { streams: Topics::builder().route(route).build(), sessions: Arc::default() }
    }

    fn open_session(&self) -> String {
        let session = format!("{:032x}", fastrand::u128(..));
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.truncate(MAX_SESSIONS - 1);
        sessions.push_front(session.clone());
        session
    }

    /// Returns the status for a session that does not exist, or for another version. `curl` sends no session, and is
    /// served.
    fn refusal(&self, headers: &HeaderMap) -> Option<StatusCode> {
        if let Some(version) = headers.get(PROTOCOL_VERSION).filter(|version| *version != VERSION) {
            // Clients of the newer version only use `POST`.
            let is_newer = version == newer::VERSION;
            return Some(if is_newer { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::BAD_REQUEST });
        }
        let session = headers.get(SESSION)?;
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = sessions.iter().any(|known| session == known.as_str());
        (!is_known).then_some(StatusCode::NOT_FOUND)
    }
}

/// `DELETE`: ends a session.
pub(crate) async fn end(State(older): State<Older>, headers: HeaderMap) -> StatusCode {
    if let Some(refusal) = older.refusal(&headers) {
        return refusal;
    }
    let mut sessions = older.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    sessions.retain(|known| headers.get(SESSION).is_none_or(|session| session != known.as_str()));
    StatusCode::OK
}

/// `POST`: answers a request, and accepts a notification or a response.
pub(crate) fn receive(older: &Older, head: Parts, call: Value) -> Response {
    if let Some(refusal) = older.refusal(&head.headers) {
        return refusal.into_response();
    }
    let Some(method) = call["method"].as_str().filter(|_| !call["id"].is_null()) else {
        return StatusCode::ACCEPTED.into_response();
    };
    let answer = match method {
        "initialize" => {
            let answer = result(
                &call,
                &json!({
                    "protocolVersion": VERSION,
                    "capabilities": { "tools": {} },
                    "serverInfo": { "name": "count", "version": "1.0.0" },
                }),
            );
            return ([(SESSION, older.open_session())], Json(answer)).into_response();
        }
        "ping" => result(&call, &json!({})),
        "tools/list" => result(&call, &json!({ "tools": newer::tools() })),
        "tools/call" if call["params"]["name"] == "count" => return start(&older.streams, head, call),
        "tools/call" => error(&call, -32602, "there is no such tool", &Value::Null),
        _ => error(&call, -32601, "there is no such method", &Value::Null),
    };
    Json(answer).into_response()
}

// region: resume
/// `GET`: resumes a stream after the last event that its client got.
pub(crate) async fn resume(State(older): State<Older>, request: Request) -> Response {
    if let Some(refusal) = older.refusal(request.headers()) {
        return refusal.into_response();
    }
    let Some(id) = request.headers().get(LAST_EVENT_ID) else {
        // The server has no messages outside calls.
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response();
    };
    let stream = id.to_str().ok().and_then(|id| older.streams.get(id.split_once('/')?.0));
    match stream {
        Some(stream) => stream.respond(&request).map(Body::new),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Starts the tool, and answers with its stream.
fn start(streams: &Topics, head: Parts, call: Value) -> Response {
    let Ok(stream) = Stream::open(streams) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let route = stream.route.clone();
    tokio::spawn(count(stream, call));
    // The stream begins with the messages that the tool has sent by now.
    route.subscribe(&Request::from_parts(head, ())).from_start().respond().map(Body::new)
}
// endregion

/// The tool. It goes on when its client disconnects, because a client of this version does not cancel a call so.
async fn count(mut stream: Stream, call: Value) -> Result<(), PublishError> {
    let token = &call["params"]["_meta"]["progressToken"];
    for progress in 1..=2 {
        sleep(STEP).await;
        // Only a client that gives a token wants progress messages.
        if !token.is_null() {
            let params = json!({ "progressToken": token, "progress": progress, "total": 3 });
            let method = "notifications/progress";
            stream.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))?;
        }
    }
    sleep(STEP).await;
    stream.send(&result(&call, &json!({ "content": [{ "type": "text", "text": "one, two, three" }] })))
}

fn result(call: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": call["id"], "result": result })
}

/// The stream of one call. When this value is dropped, also by a panic of the tool, the stream ends after its last
/// message.
struct Stream {
    name: String,
    route: Route,
    sent: u64,
}

impl Stream {
    /// Opens a stream with the event that gives the client an id.
    fn open(streams: &Topics) -> Result<Self, Box<dyn Error>> {
        // A random name, so that an id of an earlier run names no stream of this run.
        let name = format!("{:016x}", fastrand::u64(..));
        let mut stream = Self { route: streams.route(&name)?, name, sent: 0 };
        stream.publish(Message::new(""))?;
        Ok(stream)
    }

    fn send(&mut self, message: &Value) -> Result<(), PublishError> {
        self.publish(Message::new(message.to_string()))
    }

    fn publish(&mut self, message: Message<'_>) -> Result<(), PublishError> {
        let id = self.id(self.sent);
        self.sent += 1;
        self.route.publish(&message.id(id)).map(drop)
    }

    fn id(&self, number: u64) -> EventId<'static> {
        EventId::try_from(format!("{}/{number}", self.name)).expect("digits and a slash are an id")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.route.close();
    }
}
