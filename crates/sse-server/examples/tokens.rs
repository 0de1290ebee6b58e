//! The tokens of a language model as the response to one request, in the form of `OpenAI`'s chat completions.
//!
//! ```sh
//! cargo run -p sse-server --features axum --example tokens
//! curl -N --json '{"messages":[{"role":"user","content":"Say this word by word."}],"stream":true}' \
//!     http://127.0.0.1:8080/v1/chat/completions
//! ```
//!
//! The model is a task that sends its tokens over a bounded queue. If the client reads slowly, the model waits. If the
//! client disconnects, the model stops. The word `overload` makes the model fail.

use std::error::Error;
use std::fmt;
use std::future::ready;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use sse_server::{EventType, Listener, Message, MessageStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, Sender, error::SendError};
use tokio::time::sleep;

const ERROR: EventType<'static> = EventType::from_static("error");

/// How many tokens the model may make before the client reads them.
const AHEAD: usize = 16;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);

    let app = Router::new().route("/v1/chat/completions", post(complete));
    // Responses that have begun are finished.
    let interrupt = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(listener, app).with_graceful_shutdown(interrupt).await?;
    Ok(())
}

async fn complete(Json(request): Json<Value>) -> Response {
    let last = request["messages"].as_array().and_then(|messages| messages.last());
    let Some(prompt) = last.and_then(|message| message["content"].as_str()) else {
        return (StatusCode::BAD_REQUEST, "there is no message to answer\n").into_response();
    };
    let (sender, mut tokens) = mpsc::channel(AHEAD);
    tokio::spawn(run(prompt.to_owned(), sender));

    let messages = stream::poll_fn(move |cx| tokens.poll_recv(cx))
        .map_ok(|token| chunk(&token))
        .chain(stream::once(ready(Ok(Message::new("[DONE]")))));
    // An error is the last event, instead of `[DONE]`.
    let failure = |error: ModelError| {
        Message::new(json!({ "error": { "message": error.to_string() } }).to_string()).event_type(ERROR)
    };
    MessageStream::fallible(messages, failure).respond().map(Body::new)
}

fn chunk(token: &str) -> Message<'static> {
    let choice = json!({ "index": 0, "delta": { "content": token } });
    Message::new(json!({ "object": "chat.completion.chunk", "choices": [choice] }).to_string())
}

async fn run(prompt: String, tokens: Sender<Token>) {
    match model(&prompt, &tokens).await {
        Ok(()) => println!("finished"),
        Err(SendError(_)) => println!("stopped"),
    }
}

type Token = Result<String, ModelError>;

/// Sends the prompt back, token by token, while the client reads.
async fn model(prompt: &str, tokens: &Sender<Token>) -> Result<(), SendError<Token>> {
    for word in prompt.split_inclusive(' ') {
        sleep(Duration::from_millis(50)).await;
        if word.trim() == "overload" {
            return tokens.send(Err(ModelError)).await;
        }
        tokens.send(Ok(word.to_owned())).await?;
    }
    Ok(())
}

#[derive(Debug)]
struct ModelError;

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the model is overloaded")
    }
}

impl Error for ModelError {}
