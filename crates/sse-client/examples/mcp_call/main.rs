//! A call of the Model Context Protocol (streamable HTTP) whose answer survives the loss of its connection.
//!
//! ```sh
//! cargo run -p sse-client --features json --example mcp_call
//! ```
//!
//! The call is a `POST`. A server may answer it by an event stream; where that breaks, or the server gives the connection
//! up, the call must not be made again: a `GET` with the last event ID goes on. The little server of the example cuts
//! every stream after two events.

#[path = "../server/mod.rs"]
mod server;

use std::process::ExitCode;

use reqwest::Request;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};
use sse_client::{Attempt, BoxError, EventSource, client_builder};

/// Calls, prints what the server tells meanwhile, and returns the answer.
async fn call(url: &str, call: &Value) -> Result<Value, BoxError> {
    let client = client_builder().build()?;
    let response = client
        .post(url)
        .header(ACCEPT, "application/json, text/event-stream")
        .header(CONTENT_TYPE, "application/json")
        .body(call.to_string())
        .send()
        .await?;
    // A server that has its answer at once may send it as it is.
    let content_type = response.headers().get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    if content_type.starts_with(b"application/json") && response.status().is_success() {
        return Ok(serde_json::from_slice(&response.bytes().await?)?);
    }
    let resume = client.get(url).build()?;
    let mut source =
        EventSource::builder(client, resume).first_response(response).on_attempt(resume_only).build()?;
    while let Some(event) = source.next().await {
        let event = event?;
        // The first one may have no data: its id says where to resume.
        if event.data().is_empty() {
            continue;
        }
        let message: Value = event.json()?;
        // What has a method is a request or a notification of the server's, with ids of its own.
        if message["id"] == call["id"] && message.get("method").is_none() {
            return Ok(message);
        }
        println!("{} {}", message["method"], message["params"]);
    }
    Err("the server ended the stream without an answer".into())
}

/// A request without the last event ID would ask for another stream than that of the call.
async fn resume_only(attempt: Attempt) -> Result<Request, BoxError> {
    if attempt.request.headers().contains_key("last-event-id") {
        return Ok(attempt.request);
    }
    Err(attempt.error.map_or_else(|| "the stream ended before it could be resumed".into(), Into::into))
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
            eprintln!("{error:#}");
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
