//! A chat with a model, token by token, through an API like `OpenAI`'s.
//!
//! ```sh
//! cargo run -p sse-client --features json --example chat -- "Say this word by word."
//! ```
//!
//! It starts its own server, whose key is `secret`. To use a real API, set `OPENAI_BASE_URL`, `OPENAI_API_KEY` and
//! `OPENAI_MODEL`.

#[path = "../server/mod.rs"]
mod server;

use std::env;
use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;
use sse_client::{Ending, ResponseExt as _, client_builder};

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

async fn chat(base: &str, key: &str, model: &str, prompt: &str) -> Result<(), Box<dyn Error>> {
    let messages = json!([{ "role": "user", "content": prompt }]);
    let response = client_builder()
        .build()?
        .post(format!("{base}/chat/completions"))
        .bearer_auth(key)
        .json(&json!({ "model": model, "messages": messages, "stream": true }))
        .send()
        .await?;
    // If the response is not an event stream, for example because the key is wrong, the first item is an error with the
    // words of the API.
    let mut chunks = response.events().end_at(Ending::openai_chat()).json::<Chunk>();
    while let Some(chunk) = chunks.next().await {
        for choice in chunk?.choices {
            print!("{}", choice.delta.content.unwrap_or_default());
            std::io::stdout().flush()?;
        }
    }
    println!();
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let prompt = env::args().nth(1).unwrap_or_else(|| "Say this word by word.".to_owned());
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let base = env::var("OPENAI_BASE_URL").or_else(|_| server::start(model).map(|url| url + "/v1"));
    let done = match base {
        Ok(base) => {
            chat(&base, &setting("OPENAI_API_KEY", "secret"), &setting("OPENAI_MODEL", "echo"), &prompt).await
        }
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A model that repeats the prompt. It fails at the word `overload`.
fn model(request: &server::Request) -> server::Answer {
    if request.header("authorization") != "Bearer secret" {
        let error = json!({ "error": { "message": "the key is wrong" } }).to_string();
        return ("401 Unauthorized", "application/json", vec![error]);
    }
    let request: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
    let prompt = request["messages"][0]["content"].as_str().unwrap_or_default();
    let mut events = Vec::new();
    for token in prompt.split_inclusive(' ') {
        if token.trim() == "overload" {
            let error = json!({ "error": { "message": "the model is overloaded" } });
            events.push(format!("event: error\ndata: {error}\n\n"));
            return server::stream(events);
        }
        let chunk = json!({ "choices": [{ "delta": { "content": token } }] });
        events.push(format!("data: {chunk}\n\n"));
    }
    events.push("data: [DONE]\n\n".to_owned());
    server::stream(events)
}
