//! An MCP server with one tool, over streamable HTTP: for clients of the version 2026-07-28, and of 2025-11-25.
//!
//! ```sh
//! cargo run -p sse-server --features axum --example mcp
//! cargo run -p sse-client --features json --example mcp_call -- http://127.0.0.1:8080/mcp
//! curl -N http://127.0.0.1:8080/mcp --json '{"jsonrpc": "2.0", "id": 1, "method": "tools/call",
//!     "params": {"name": "count", "_meta": {"progressToken": 1}}}'
//! curl -N http://127.0.0.1:8080/mcp -H 'Last-Event-ID: …'
//! ```
//!
//! If the `_meta` of a request names its version, the request is of the new kind (`newer.rs`): its stream ends with its
//! response, and a client cancels the call by closing the stream. Any other request is of the older kind (`older.rs`):
//! its stream can be resumed.
//!
//! Authentication is not part of the example. Add it before these handlers.

mod newer;
mod older;

use std::error::Error;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sse_server::Listener;
use tokio::net::TcpListener;

use self::older::Older;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// How long the tool takes for each of its steps.
const STEP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = Listener::from(TcpListener::bind(address).await?);
    let origin = format!("http://{}", listener.local_addr()?);
    println!("listening on {origin}/");
    let app = Router::new()
        .route("/mcp", get(older::resume).post(receive).delete(older::end))
        .with_state(Older::new())
        .layer(middleware::from_fn_with_state(origin, check));
    axum::serve(listener, app).await?;
    Ok(())
}

/// Refuses pages of other sites, which may come by DNS rebinding.
async fn check(State(own): State<String>, request: Request, next: Next) -> Response {
    if request.headers().get(ORIGIN).is_some_and(|origin| origin != own.as_str()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

// region: receive
/// `POST`: a message of either kind.
async fn receive(State(older): State<Older>, head: Parts, Json(message): Json<Value>) -> Response {
    let version = head.headers.get(PROTOCOL_VERSION);
    let is_newer = !message["params"]["_meta"][newer::VERSION_KEY].is_null()
        || version.is_some_and(|version| version != older::VERSION);
    if is_newer { newer::receive(&head, &message) } else { older::receive(&older, head, message) }
}
// endregion

fn error(message: &Value, code: i32, text: &str, data: &Value) -> Value {
    let mut error = json!({ "code": code, "message": text });
    if !data.is_null() {
        error["data"] = data.clone();
    }
    json!({ "jsonrpc": "2.0", "id": message["id"], "error": error })
}
