// region: program
//! A proxy before a chat API: its clients get tokens, and are told whether the answer is complete.

use std::error::Error;
use std::future::ready;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use sse_client::{Ending, EventSource, Reconnect, client_builder, reqwest::Client};
use sse_server::{EventType, Listener, Message, MessageStream};
use tokio::net::TcpListener;

const TOKEN: EventType<'static> = EventType::from_static("token");
const DONE: EventType<'static> = EventType::from_static("done");
const FAILED: EventType<'static> = EventType::from_static("failed");

/// The API that answers.
struct Upstream {
    client: Client,
    url: String,
    key: String,
}

/// What a client of the proxy sends.
#[derive(Deserialize)]
struct Question {
    prompt: String,
}

/// An event of the API, as far as it is needed here.
#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let base = std::env::var("OPENAI_BASE_URL").unwrap_or_else(|_| "https://api.openai.com/v1".to_owned());
    let upstream = Upstream {
        client: client_builder().build()?,
        url: format!("{base}/chat/completions"),
        key: std::env::var("OPENAI_API_KEY").unwrap_or_default(),
    };
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);
    let app = Router::new().route("/chat", post(chat)).with_state(Arc::new(upstream));
    axum::serve(listener, app).await?;
    Ok(())
}

async fn chat(State(upstream): State<Arc<Upstream>>, Json(question): Json<Question>) -> Response {
    match upstream.ask(&question.prompt) {
        Ok(answer) => relay(answer),
        Err(error) => {
            eprintln!("{error:#}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Upstream {
    fn ask(&self, prompt: &str) -> Result<EventSource, Box<dyn Error>> {
        let messages = json!([{ "role": "user", "content": prompt }]);
        let question = self
            .client
            .post(&self.url)
            .bearer_auth(&self.key)
            .json(&json!({ "model": "gpt-5-mini", "messages": messages, "stream": true }))
            .build()?;
        // A 429 or a 503 is tried again twice. A question is never repeated once it is being answered.
        let policy = Reconnect::new().until_response().max_retries(2);
        let answer = EventSource::builder(self.client.clone(), question).reconnect(policy);
        Ok(answer.end_at(Ending::openai_chat()).build()?)
    }
}

/// Passes the tokens on as they come. If the client goes away, the answer is dropped, and the request to the API ends.
fn relay(answer: EventSource) -> Response {
    let tokens = answer.json::<Chunk>().filter_map(|chunk| ready(chunk.map(token).transpose()));
    let done = stream::once(ready(Ok(Message::new("{}").event_type(DONE))));
    // An error is the last event: then there is no `done`.
    MessageStream::fallible(tokens.chain(done), |error| failure(&error)).respond().map(Body::new)
}

/// The text of a chunk as JSON, so that line breaks and spaces stay as they are.
fn token(chunk: Chunk) -> Option<Message<'static>> {
    let text = chunk.choices.into_iter().next()?.delta.content?;
    Some(Message::new(json!(text).to_string()).event_type(TOKEN))
}

/// What a client is told. The details are for the log: they may tell more of the API than a client should know.
fn failure(error: &sse_client::Error) -> Message<'static> {
    eprintln!("{error:#}");
    let reason = match error {
        sse_client::Error::Event(_) => "the model failed",
        sse_client::Error::Incomplete | sse_client::Error::Read(_) => "the answer was cut off",
        _ => "there is no answer",
    };
    Message::new(json!({ "reason": reason }).to_string()).event_type(FAILED)
}
// endregion
