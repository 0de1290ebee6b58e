//! A call of the Model Context Protocol (streamable HTTP) whose answer survives the loss of its connection.
//!
//! ```sh
//! cargo run -p sse-client --features json --example mcp_call
//! ```
//!
//! The call is a `POST`, answered by an event stream. When that breaks, or the server gives the connection up, it must
//! not be made again: it goes on by a `GET` with the last event ID. The little server of the example cuts every stream
//! after two events.

#[path = "../server/mod.rs"]
mod server;

use std::process::ExitCode;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request};
use serde_json::{Value, json};
use sse_client::{Attempt, BoxError, Error, EventSource, Reconnect, Refusal};

/// Calls, prints what the server tells meanwhile, and returns the answer.
async fn call(url: &str, call: &Value) -> Result<Value, BoxError> {
    let client = Client::new();
    let request = client
        .post(url)
        .header(ACCEPT, "application/json, text/event-stream")
        .header(CONTENT_TYPE, "application/json")
        .body(call.to_string())
        .build()?;
    let mut source = EventSource::builder(client, request)
        .reconnect(Reconnect::new())
        .on_attempt(async |attempt| resume(attempt))
        .build()?;
    while let Some(event) = source.next().await {
        let event = match event {
            // A server that has its answer at once may send it as it is.
            Err(Error::ContentType(answer)) if is_json(&answer) => {
                return Ok(serde_json::from_slice(answer.body())?);
            }
            event => event?,
        };
        // The first one may have no data: its id says where to resume.
        if event.data().is_empty() {
            continue;
        }
        let message: Value = event.json()?;
        if message["id"] == call["id"] {
            return Ok(message);
        }
        println!("{} {}", message["method"], message["params"]);
    }
    Err("the server ended the stream without an answer".into())
}

/// The call is made once. Whatever follows asks for the rest of its answer.
fn resume(attempt: Attempt) -> Result<Request, &'static str> {
    let Attempt { number, last_event_id, mut request, .. } = attempt;
    if number == 0 {
        return Ok(request);
    }
    if last_event_id.is_empty() {
        return Err(
            "the connection was lost before the server said where to resume; the call may have been made",
        );
    }
    *request.method_mut() = Method::GET;
    *request.body_mut() = None;
    request.headers_mut().remove(CONTENT_TYPE);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    Ok(request)
}

fn is_json(answer: &Refusal) -> bool {
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/json"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1).map_or_else(|| server::start(tool), Ok);
    let question =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "count" } });
    let answer = match url {
        Ok(url) => call(&url, &question).await,
        Err(error) => Err(error.into()),
    };
    match answer {
        Ok(answer) => {
            println!("{}", answer["result"]);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A tool that counts to five, and tells how far it is.
fn tool(request: &server::Request) -> server::Answer {
    let from = match request.line.as_str() {
        "POST /" => 0,
        _ => request.header("last-event-id").parse().unwrap_or(0) + 1,
    };
    let events = (from..=6).map(|number| {
        let message = match number {
            0 => String::new(),
            1..=5 => {
                json!({ "method": "notifications/progress", "params": { "progress": number } }).to_string()
            }
            _ => json!({ "id": 1, "result": { "counted": 5 } }).to_string(),
        };
        format!("id: {number}\nretry: 100\ndata: {message}\n\n")
    });
    server::stream(events.take(2))
}
