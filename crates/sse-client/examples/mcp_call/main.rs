//! A call of the Model Context Protocol over streamable HTTP: by the version 2026-07-28, and to older servers by
//! 2025-11-25.
//!
//! ```sh
//! cargo run -p sse-client --features json --example mcp_call                 # to a little server of its own
//! cargo run -p sse-client --features json --example mcp_call -- --older      # to an older one
//! cargo run -p sse-client --features json --example mcp_call -- URL [TOOL]
//! cargo run -p sse-client --features json --example mcp_call -- URL --listen
//! ```
//!
//! - Each call is a `POST`, and its answer JSON or an event stream that ends with the response. The client tries the
//!   new version first, and finds an older server by its refusal.
//! - 2026-07-28: a stream that breaks is lost, and its call is cancelled: `end_at` tells that from an answer.
//! - 2025-11-25 (`older.rs`): the call goes on, and a `GET` with the last event ID goes on with its stream.
//! - `--listen` prints what changes at the server: `subscriptions/listen` is a stream that is asked for again, by the
//!   same request, whenever it ends.

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

/// The codes by which a server of 2026-07-28 refuses (of its header, of a capability, of a version).
const REFUSALS: [i64; 3] = [-32020, -32021, UNSUPPORTED_VERSION];
const UNSUPPORTED_VERSION: i64 = -32022;

/// A request as 2026-07-28 has it: it says all about its client, since there is no session.
fn request(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": { "name": "mcp_call", "version": "1.0.0" },
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": id,
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The `POST` of a message. Proxies read the headers, which must say what the message says.
fn post(client: &Client, url: &str, message: &Value) -> Result<RequestBuilder, BoxError> {
    let mut request = client
        .post(url)
        .header(ACCEPT, "application/json, text/event-stream")
        .header(PROTOCOL_VERSION, VERSION)
        .header("mcp-method", message["method"].as_str().unwrap_or_default());
    if let Some(name) = message["params"]["name"].as_str() {
        // A name that is not plain text would have to be encoded in base64.
        request = request.header("mcp-name", HeaderValue::from_str(name)?);
    }
    Ok(request.json(message))
}

/// Calls a tool, prints what the server tells meanwhile, and returns the response.
async fn call(url: &str, tool: &str) -> Result<Value, BoxError> {
    let client = client_builder().build()?;
    let call = request(1, "tools/call", json!({ "name": tool, "arguments": {} }));
    let response = post(&client, url, &call)?.send().await?;
    if is_refusal(response.status()) {
        let status = response.status();
        let answer: Value = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        return match answer["error"]["code"].as_i64() {
            // It knows this version's way to refuse, so that it means the call.
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

/// Whether a server may answer so that does not know the version.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}

/// Whether the answer is JSON: a server that has it at once may send it as it is.
fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    content_type.starts_with(b"application/json") && response.status().is_success()
}

/// The response to the request with this `id`.
async fn answer(response: Response, id: &Value) -> Result<Value, BoxError> {
    if is_json(&response) {
        return Ok(response.json().await?);
    }
    let events = response.events().end_at(Ending::mcp(id));
    // An older server primes its client by an event without data.
    let mut messages = events.skip_if(|event| event.data().is_empty()).json::<Value>();
    let mut last = Value::Null;
    while let Some(message) = messages.next().await {
        match message {
            Ok(message) if message.get("method").is_some() => tell(&message),
            Ok(response) => last = response,
            Err(Error::Incomplete | Error::Read(_)) => {
                return Err(
                    "the stream ended without a response: the server takes the call for cancelled".into()
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

/// Prints what changes at the server, for as long as the program runs.
async fn listen(url: &str) -> Result<(), BoxError> {
    let client = client_builder().build()?;
    let changes = json!({ "notifications": { "toolsListChanged": true, "resourcesListChanged": true } });
    let request = post(&client, url, &request(1, "subscriptions/listen", changes))?.build()?;
    // A `POST` that only reads: it may be made again. What changed in between is not told, so that a client reads its
    // lists again after each acknowledgement.
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
