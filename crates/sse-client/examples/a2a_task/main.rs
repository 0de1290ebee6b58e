//! Follows a task of an agent (A2A 1.0, JSON-RPC over HTTP) to its end, even if connections break.
//!
//! ```sh
//! cargo run -p sse-client --features json --example a2a_task
//! cargo run -p sse-client --features json --example a2a_task -- URL "Say this word by word."
//! ```
//!
//! - A message must not be sent twice, so only the first attempt sends it. Each later attempt subscribes to the task that
//!   the message has created, by `SubscribeToTask`.
//! - No update is lost: the first event of a subscription is the current task, which replaces the known one.
//! - `Ending::a2a` recognizes the states in which a task has ended or waits for its user.
//!
//! The agent of the example ends its stream after the first word, and goes on with its work.

#[path = "../server/mod.rs"]
mod server;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Client, Request};
use serde_json::{Value, json};
use sse_client::{Attempt, BoxError, Ending, Error, EventSource, Reconnect, client_builder};

/// The task, as far as it is known.
#[derive(Default)]
struct Task {
    state: String,
    /// The text of each artifact, by its id.
    artifacts: BTreeMap<String, String>,
}

impl Task {
    /// Applies an event.
    fn update(&mut self, event: &Value) {
        let result = &event["result"];
        if let Some(artifacts) = result["task"].as_object().map(|_| &result["task"]["artifacts"]) {
            let artifacts = artifacts.as_array().into_iter().flatten();
            self.artifacts = artifacts.map(|artifact| (id(artifact), text(&artifact["parts"]))).collect();
        }
        let update = &result["artifactUpdate"];
        if update.is_object() {
            let artifact = self.artifacts.entry(id(&update["artifact"])).or_default();
            if update["append"] != true {
                artifact.clear();
            }
            artifact.push_str(&text(&update["artifact"]["parts"]));
        }
        if result["message"].is_object() {
            self.artifacts.insert(String::new(), text(&result["message"]["parts"]));
        }
        let status = [&result["task"], &result["statusUpdate"]].into_iter().find(|update| update.is_object());
        let state = status.and_then(|update| update["status"]["state"].as_str());
        if let Some(state) = state.filter(|state| *state != self.state) {
            println!("{state}");
            state.clone_into(&mut self.state);
        }
    }
}

fn id(artifact: &Value) -> String {
    artifact["artifactId"].as_str().unwrap_or_default().to_owned()
}

fn text(parts: &Value) -> String {
    parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
}

fn post(client: &Client, url: &str, method: &str, params: &Value) -> Result<Request, reqwest::Error> {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    client.post(url).header("a2a-version", "1.0").json(&call).build()
}

/// Sends a message, and follows the task that it creates.
async fn follow(url: &str, prompt: &str) -> Result<Task, BoxError> {
    let client = client_builder().build()?;
    let message = json!({ "messageId": "m-1", "role": "ROLE_USER", "parts": [{ "text": prompt }] });
    let send = post(&client, url, "SendStreamingMessage", &json!({ "message": message }))?;
    // The first event has the id, and each later attempt needs it.
    let task_id = Arc::new(Mutex::new(None::<String>));
    let known = task_id.clone();
    let (again, to) = (client.clone(), url.to_owned());
    let prepare = move |attempt: Attempt| {
        let id = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = match (attempt.number, id) {
            (0, _) => Ok(attempt.request),
            (_, Some(id)) => {
                post(&again, &to, "SubscribeToTask", &json!({ "id": id })).map_err(BoxError::from)
            }
            // The agent may have received the message. Sending it again might create a second task.
            (_, None) => Err(attempt.error.map_or_else(|| "the agent named no task".into(), Into::into)),
        };
        async { request }
    };
    let mut events = EventSource::builder(client.clone(), send)
        .reconnect(Reconnect::new().max_retries(5))
        .on_attempt(prepare)
        .end_at(Ending::a2a())
        .build()?
        .json::<Value>();
    let mut task = Task::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if let Some(id) = event["result"]["task"]["id"].as_str() {
                    *task_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
                }
                task.update(&event);
            }
            // If the task has ended meanwhile, the agent answers a subscription with an error. Then the client gets the
            // task.
            Err(error @ (Error::ContentType(_) | Error::Status(_) | Error::Event(_))) => {
                let id = task_id.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let Some(id) = id else { return Err(error.into()) };
                let get = post(&client, url, "GetTask", &json!({ "id": id }))?;
                let answer: Value = client.execute(get).await?.json().await?;
                task.update(&json!({ "result": { "task": answer["result"] } }));
                return Ok(task);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(task)
}

async fn run() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().map_or_else(|| server::start(agent), Ok)?;
    let prompt = arguments.next().unwrap_or_else(|| "Say this word by word.".to_owned());
    let task = follow(&url, &prompt).await?;
    for text in task.artifacts.values() {
        println!("{text}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// An agent that says three words. Its first stream ends after the first word.
fn agent(request: &server::Request) -> server::Answer {
    let call: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let status = |state: &str| json!({ "state": format!("TASK_STATE_{state}") });
    let artifact = |text: &str| json!({ "artifactId": "a", "parts": [{ "text": text }] });
    let results = match call["method"].as_str() {
        Some("SendStreamingMessage") => vec![
            json!({ "task": { "id": "t", "contextId": "c", "status": status("SUBMITTED") } }),
            json!({ "statusUpdate": { "taskId": "t", "contextId": "c", "status": status("WORKING") } }),
            json!({ "artifactUpdate": { "taskId": "t", "contextId": "c", "artifact": artifact("one ") } }),
        ],
        Some("SubscribeToTask") if call["params"]["id"] == "t" => vec![
            json!({ "task": {
                "id": "t", "contextId": "c", "status": status("WORKING"), "artifacts": [artifact("one two ")],
            } }),
            json!({ "artifactUpdate": {
                "taskId": "t", "contextId": "c", "artifact": artifact("three"), "append": true, "lastChunk": true,
            } }),
            json!({ "statusUpdate": { "taskId": "t", "contextId": "c", "status": status("COMPLETED") } }),
        ],
        _ => {
            let error = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "no such method" } });
            return ("200 OK", "application/json", vec![error.to_string()]);
        }
    };
    let events =
        results.into_iter().map(|result| json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }));
    server::stream(events.map(|event| format!("data: {event}\n\n")))
}
