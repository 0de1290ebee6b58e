//! The version 2025-11-25, with a session and with streams that can be resumed.
//!
//! A call must not be made twice. If its stream breaks, or if the server closes the connection, a `GET` with the last
//! event ID resumes the stream. The first event has no data, only the first id.

use reqwest::header::{ACCEPT, HeaderMap, HeaderName};
use reqwest::{Client, Request, RequestBuilder};
use serde_json::{Value, json};
use sse_client::{Attempt, BoxError, Ending, EventSource};

const VERSION: &str = "2025-11-25";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Returns true if a server supports this version.
pub(crate) fn is_among(supported: &Value) -> bool {
    supported.as_array().is_some_and(|versions| versions.iter().any(|version| version == VERSION))
}

/// Opens a session, and calls a tool in it.
pub(crate) async fn call(client: &Client, url: &str, tool: &str) -> Result<Value, BoxError> {
    let session = open(client, url).await?;
    let with_session = |request: RequestBuilder| request.headers(session.clone());
    let call = json!({
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": { "name": tool, "arguments": {}, "_meta": { "progressToken": 2 } },
    });
    let response = with_session(post(client, url, &call)).send().await?;
    let answer = if super::is_json(&response) {
        response.json().await?
    } else {
        let resume = with_session(client.get(url)).build()?;
        let mut source = EventSource::builder(client.clone(), resume)
            .first_response(response)
            .on_attempt(resume_only)
            // The first event, which only has an id.
            .skip_if(|event| event.data().is_empty())
            .end_at(Ending::mcp(&call["id"]))
            .build()?
            .json::<Value>();
        let mut last = Value::Null;
        while let Some(message) = source.next().await {
            let message = message?;
            // A message with a method is a request or a notification of the server.
            if message.get("method").is_some() {
                super::tell(&message);
            } else {
                last = message;
            }
        }
        if last.is_null() {
            return Err("the server ended the stream without an answer".into());
        }
        last
    };
    // Some servers have no sessions, or do not let their clients end them.
    if session.contains_key(SESSION) {
        _ = with_session(client.delete(url)).send().await;
    }
    Ok(answer)
}

/// Opens a session, and returns the headers of each further request.
async fn open(client: &Client, url: &str) -> Result<HeaderMap, BoxError> {
    let initialize = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": VERSION,
            "capabilities": {},
            "clientInfo": { "name": "mcp_call", "version": "1.0.0" },
        },
    });
    let response = post(client, url, &initialize).send().await?;
    let session = response.headers().get(SESSION).cloned();
    let answer = super::answer(response, &initialize["id"]).await?;
    if let Some(error) = answer.get("error") {
        return Err(format!("the server opens no session: {error}").into());
    }
    // The server may choose an older version.
    let version = answer["result"]["protocolVersion"].as_str().unwrap_or(VERSION);
    let mut headers = HeaderMap::from_iter([(super::PROTOCOL_VERSION, version.parse()?)]);
    headers.extend(session.map(|session| (SESSION, session)));
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    post(client, url, &initialized).headers(headers.clone()).send().await?.error_for_status()?;
    Ok(headers)
}

fn post(client: &Client, url: &str, message: &Value) -> RequestBuilder {
    client.post(url).header(ACCEPT, "application/json, text/event-stream").json(message)
}

/// Lets only requests with a last event ID pass. A request without one would open another stream than that of the call.
async fn resume_only(attempt: Attempt) -> Result<Request, BoxError> {
    if attempt.request.headers().contains_key("last-event-id") {
        return Ok(attempt.request);
    }
    Err(attempt.error.map_or_else(|| "the stream ended before it could be resumed".into(), Into::into))
}
