//! A call of the Model Context Protocol over streamable HTTP: by the version 2026-07-28, and to older servers by
//! 2025-11-25.
//!
//! ```sh
//! cargo run -p sse-client --features json --example mcp_call                 # starts its own server
//! cargo run -p sse-client --features json --example mcp_call -- --older      # starts its own older server
//! cargo run -p sse-client --features json --example mcp_call -- URL [TOOL]
//! cargo run -p sse-client --features json --example mcp_call -- URL --listen
//! ```
//!
//! - Each call is a `POST`. Its answer is JSON, or an event stream that ends with the response. The client tries the
//!   new version first, and recognizes an older server by its refusal.
//! - 2026-07-28: if the stream breaks, the server cancels the call. `end_at` shows that the answer is not complete.
//! - 2025-11-25 (`older.rs`): if the stream breaks, the call goes on, and a `GET` with the last event ID resumes the
//!   stream.
//! - `--listen` prints changes at the server: `subscriptions/listen` is a stream that the client requests again
//!   whenever it ends.

mod older;
#[path = "../server/mod.rs"]
mod server;
mod tool;

use std::process::ExitCode;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sse_client::{BoxError, Ending, Error, EventSource, Notice, Reconnect, ResponseExt as _, client_builder};

const VERSION: &str = "2026-07-28";
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The error codes of a server of 2026-07-28: a header mismatch, a missing capability, an unsupported version.
const REFUSALS: [i64; 3] = [-32020, -32021, UNSUPPORTED_VERSION];
const UNSUPPORTED_VERSION: i64 = -32022;

/// Returns a request of 2026-07-28. It describes its client, because there is no session.
fn request(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": { "name": "mcp_call", "version": "1.0.0" },
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": id,
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// Returns the `POST` of a message. Its headers, which proxies read, must agree with the message.
fn post(client: &Client, url: &str, message: &Value) -> Result<RequestBuilder, BoxError> {
    let mut request = client
        .post(url)
        .header(ACCEPT, "application/json, text/event-stream")
        .header(PROTOCOL_VERSION, VERSION)
        .header("mcp-method", message["method"].as_str().unwrap_or_default());
    if let Some(name) = message["params"]["name"].as_str() {
        // A name that a header can't have would have to be encoded in base64.
        request = request.header("mcp-name", HeaderValue::from_str(name)?);
    }
    Ok(request.json(message))
}

/// Calls a tool, prints the notifications of the server, and returns the response.
async fn call(url: &str, tool: &str) -> Result<Value, BoxError> {
    let client = client_builder().build()?;
    let call = request(1, "tools/call", json!({ "name": tool, "arguments": {} }));
    let response = post(&client, url, &call)?.send().await?;
    if is_refusal(response.status()) {
        let status = response.status();
        let answer: Value = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        return match answer["error"]["code"].as_i64() {
            // The server knows this version, so it refuses the call itself.
            Some(code)
                if REFUSALS.contains(&code) && !older::is_among(&answer["error"]["data"]["supported"]) =>
            {
                Ok(answer)
            }
            Some(code) if code == -32601 && status == StatusCode::NOT_FOUND => Ok(answer),
            _ => older::call(&client, url, tool).await,
        };
    }
    answer(response, &call["id"]).await
}

/// Returns true if a server that does not know the version may answer with this status.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}

/// Returns true if the answer is JSON, which a server may send instead of a stream.
fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    content_type.starts_with(b"application/json") && response.status().is_success()
}

/// Returns the response to the request with this `id`.
async fn answer(response: Response, id: &Value) -> Result<Value, BoxError> {
    if is_json(&response) {
        return Ok(response.json().await?);
    }
    let events = response.events().end_at(Ending::mcp(id));
    // An older server sends an event without data first, so that the client has an id.
    let mut messages = events.skip_if(|event| event.data().is_empty()).json::<Value>();
    let mut last = Value::Null;
    while let Some(message) = messages.next().await {
        match message {
            Ok(message) if message.get("method").is_some() => tell(&message),
            Ok(response) => last = response,
            Err(Error::Incomplete | Error::Read(_)) => {
                return Err(
                    "the stream ended without a response, so the server has cancelled the call".into()
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(last)
}

/// Prints a notification.
fn tell(message: &Value) {
    println!("{} {}", message["method"], message["params"]);
}

/// Prints the changes at the server, until the program is stopped.
async fn listen(url: &str) -> Result<(), BoxError> {
    let client = client_builder().build()?;
    let changes = json!({ "notifications": { "toolsListChanged": true, "resourcesListChanged": true } });
    let request = post(&client, url, &request(1, "subscriptions/listen", changes))?.build()?;
    // This `POST` only reads, so it can be sent again. The server does not report changes between two streams, so a
    // client reads its lists again after each acknowledgement.
    let mut messages = EventSource::builder(client, request)
        .reconnect(Reconnect::new().after_response())
        .on_notice(|notice| {
            if let Notice::Waiting { .. } = notice {
                eprintln!("{notice}");
            }
        })
        .build()?
        .json::<Value>();
    while let Some(message) = messages.next().await {
        tell(&message?);
    }
    Ok(())
}

async fn run(arguments: &[String]) -> Result<(), BoxError> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (url, rest) = match arguments[..] {
        [] => (server::start(tool::serve)?, &[][..]),
        ["--older"] => (server::start(tool::serve_older)?, &[][..]),
        [url, ..] => (url.to_owned(), &arguments[1..]),
    };
    if rest == ["--listen"] {
        return listen(&url).await;
    }
    let answer = call(&url, rest.first().unwrap_or(&"count")).await?;
    if let Some(error) = answer.get("error") {
        return Err(format!("the server refused: {error}").into());
    }
    println!("{}", answer["result"]);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
