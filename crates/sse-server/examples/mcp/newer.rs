//! The version 2026-07-28: only `POST`, no sessions, and a stream for each request, which ends with its response.
//!
//! - A client cancels its request by closing the stream. The stream of messages is dropped, and with it the tool.
//! - Events have no ids, because a stream can't be resumed.

use axum::Json;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use sse_server::{Message, MessageStream};
use tokio::time::sleep;

use crate::{PROTOCOL_VERSION, STEP, error, older};

pub(crate) const VERSION: &str = "2026-07-28";
pub(crate) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

// region: receive
/// Answers a request.
pub(crate) fn receive(head: &Parts, message: &Value) -> Response {
    if let Some(refusal) = refusal(&head.headers, message) {
        return (StatusCode::BAD_REQUEST, Json(refusal)).into_response();
    }
    let params = &message["params"];
    match message["method"].as_str() {
        // Clients send no notifications that this server needs.
        _ if message["id"].is_null() => StatusCode::ACCEPTED.into_response(),
        Some("server/discover") => {
            let versions = [VERSION, older::VERSION];
            Json(lasting(message, json!({ "supportedVersions": versions, "capabilities": { "tools": {} } })))
                .into_response()
        }
        Some("tools/list") => Json(lasting(message, json!({ "tools": tools() }))).into_response(),
        Some("tools/call") if params["name"] == "count" => {
            MessageStream::new(count(message.clone())).respond().map(Body::new)
        }
        Some("tools/call") => {
            let refusal = error(message, -32602, "there is no such tool", &Value::Null);
            Json(refusal).into_response()
        }
        Some("subscriptions/listen") => listen(head, message),
        _ => {
            let refusal = error(message, -32601, "there is no such method", &Value::Null);
            (StatusCode::NOT_FOUND, Json(refusal)).into_response()
        }
    }
}
// endregion

pub(crate) fn tools() -> Value {
    json!([{
        "name": "count",
        "description": "Counts to three, slowly",
        "inputSchema": { "type": "object" },
    }])
}

/// Returns the error of a request, if it has one. Proxies act by the headers of a request, so the headers and the
/// message must be the same.
fn refusal(headers: &HeaderMap, message: &Value) -> Option<Value> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let meta = &message["params"]["_meta"];
    let (claimed, version) = (header(PROTOCOL_VERSION.as_str()), meta[VERSION_KEY].as_str());
    let requested = version.or(claimed).unwrap_or_default();
    if requested != VERSION {
        let data = json!({ "supported": [VERSION, older::VERSION], "requested": requested });
        return Some(error(message, -32022, "Unsupported protocol version", &data));
    }
    if version.is_none() || !meta["io.modelcontextprotocol/clientCapabilities"].is_object() {
        return Some(error(
            message,
            -32602,
            "the request does not name the capabilities of its client",
            &Value::Null,
        ));
    }
    let is_call = message["method"] == "tools/call";
    let name = is_call.then(|| message["params"]["name"].as_str().unwrap_or_default());
    let is_same = claimed == version
        && header("mcp-method") == message["method"].as_str()
        && (!is_call || header("mcp-name") == name);
    (!is_same)
        .then(|| error(message, -32020, "the headers and the message name different things", &Value::Null))
}

// region: count
/// The tool. It runs as part of the stream, so it ends when the stream is dropped.
fn count(call: Value) -> impl stream::Stream<Item = Message<'static>> {
    let call = Call { message: call, is_done: false };
    stream::unfold((1, call), |(step, mut call)| async move {
        let token = &call.message["params"]["_meta"]["progressToken"];
        for step in step..=2 {
            sleep(STEP).await;
            // Only a client that gives a token wants progress messages.
            if !token.is_null() {
                let params = json!({ "progressToken": token, "progress": step, "total": 3 });
                let message =
                    json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
                return Some((Message::new(message.to_string()), (step + 1, call)));
            }
        }
        if call.is_done {
            return None;
        }
        sleep(STEP).await;
        call.is_done = true;
        let content = json!({ "content": [{ "type": "text", "text": "one, two, three" }] });
        Some((Message::new(result(&call.message, content).to_string()), (step.max(3), call)))
    })
}

/// A call, which prints a line when it is cancelled.
struct Call {
    message: Value,
    is_done: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_done {
            println!("the call {} was cancelled", self.message["id"]);
        }
    }
}
// endregion

/// Returns a stream of change notifications. Nothing changes here, as the acknowledgement says. Comments show that the
/// stream is alive.
fn listen(head: &Parts, message: &Value) -> Response {
    let request = Request::from_parts(head.clone(), ());
    let params = json!({
        "_meta": { "io.modelcontextprotocol/subscriptionId": message["id"] },
        "notifications": {},
    });
    let method = "notifications/subscriptions/acknowledged";
    let acknowledgement = json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string();
    let first = stream::once(async { Message::new(acknowledgement) });
    MessageStream::new(first.chain(stream::pending())).until_shutdown_of(&request).respond().map(Body::new)
}

fn result(message: &Value, mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    result["_meta"] =
        json!({ "io.modelcontextprotocol/serverInfo": { "name": "count", "version": "1.0.0" } });
    json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })
}

/// Returns a result that the client may keep for an hour.
fn lasting(message: &Value, mut lasting: Value) -> Value {
    lasting["ttlMs"] = json!(3_600_000);
    lasting["cacheScope"] = json!("public");
    result(message, lasting)
}
