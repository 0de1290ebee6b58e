//! An MCP server with one tool, over streamable HTTP (the specification of 2025-11-25): each call has a stream of its
//! own, which its client can lose, or is told to leave, and come back to.
//!
//! ```sh
//! cargo run -p sse-server --features axum --example mcp
//! curl -N http://127.0.0.1:8080/mcp --json '{"jsonrpc": "2.0", "id": 1, "method": "tools/call",
//!     "params": {"name": "count", "_meta": {"progressToken": 1}}}'
//! curl -N http://127.0.0.1:8080/mcp -H 'Last-Event-ID: …'
//! ```
//!
//! - An event id is `STREAM/NUMBER`: it names the stream of its call, and the position in it.
//! - The first event has no data: it primes the client to come back.
//! - Each connection ends after a moment, and the client polls, until it has the result. Then there is 204.
//!
//! Sessions and authentication are left out: they belong ahead of all this.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{ALLOW, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sse_server::{EventId, Listener, Message, PublishError, Route, Topics};
use tokio::net::TcpListener;
use tokio::time::sleep;

const VERSION: &str = "2025-11-25";
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a connection lasts, more or less. Short, to be seen here; half a minute suits a real server.
const CONNECTION: Duration = Duration::from_millis(1500);

/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_millis(500);

/// How long the tool takes for each of its steps.
const STEP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = Listener::from(TcpListener::bind(address).await?);
    let origin = format!("http://{}", listener.local_addr()?);
    println!("listening on {origin}/");

    // A stream is kept for a minute after its last use, so that its client can fetch the rest.
    let streams =
        Topics::builder().route(Route::builder().max_age(CONNECTION).reconnection_time(RETRY)).build();
    let app = Router::new()
        .route("/mcp", get(resume).post(receive))
        .with_state(streams)
        .layer(middleware::from_fn_with_state(origin, check));
    axum::serve(listener, app).await?;
    Ok(())
}

/// Refuses pages of other sites (they may come by DNS rebinding), and other versions of the protocol.
async fn check(State(own): State<String>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_other = |name, own: &str| headers.get(name).is_some_and(|value| value != own);
    if is_other(ORIGIN, &own) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if is_other(PROTOCOL_VERSION, VERSION) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    next.run(request).await
}

/// `POST`: answers a request, and takes in a notification or a response.
async fn receive(State(streams): State<Topics>, head: Parts, Json(call): Json<Value>) -> Response {
    let Some(method) = call["method"].as_str().filter(|_| !call["id"].is_null()) else {
        return StatusCode::ACCEPTED.into_response();
    };
    let answer = match method {
        "initialize" => result(
            &call,
            &json!({
                "protocolVersion": VERSION,
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "count", "version": "1.0.0" },
            }),
        ),
        "ping" => result(&call, &json!({})),
        "tools/list" => result(
            &call,
            &json!({ "tools": [{
                "name": "count",
                "description": "Counts to three, slowly",
                "inputSchema": { "type": "object" },
            }] }),
        ),
        "tools/call" if call["params"]["name"] == "count" => return start(&streams, head, call),
        "tools/call" => error(&call, -32602, "there is no such tool"),
        _ => error(&call, -32601, "there is no such method"),
    };
    Json(answer).into_response()
}

/// `GET`: goes on with a stream, behind the event that its client got last.
async fn resume(State(streams): State<Topics>, request: Request) -> Response {
    let Some(id) = request.headers().get(LAST_EVENT_ID) else {
        // There are no messages but those of a call.
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response();
    };
    let stream = id.to_str().ok().and_then(|id| streams.get(id.split_once('/')?.0));
    match stream {
        Some(stream) => stream.respond(&request).map(Body::new),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Lets the tool run, and answers with its stream.
fn start(streams: &Topics, head: Parts, call: Value) -> Response {
    let Ok(stream) = Stream::open(streams) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let route = stream.route.clone();
    tokio::spawn(count(stream, call));
    // Whatever the tool has sent by now.
    route.subscribe(&Request::from_parts(head, ())).from_start().respond().map(Body::new)
}

/// The tool. It goes on when its client is gone: that is no cancellation.
async fn count(mut stream: Stream, call: Value) -> Result<(), PublishError> {
    let token = &call["params"]["_meta"]["progressToken"];
    for progress in 1..=2 {
        sleep(STEP).await;
        // Only a client that gives a token asks for it.
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

fn error(call: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": code, "message": message } })
}

/// The stream of one call. It ends when this is dropped, also by a panic of the tool, and its client gets the rest.
struct Stream {
    name: String,
    route: Route,
    sent: u64,
}

impl Stream {
    /// Opens a stream with the event that primes its client.
    fn open(streams: &Topics) -> Result<Self, Box<dyn Error>> {
        // By chance, so that an id of an earlier run names no stream of this one.
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
