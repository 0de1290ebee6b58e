// region: program
//! Answers that outlive the connections of their readers: each is a topic that ends.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::json;
use sse_server::{EventType, Listener, Message, PublishError, Route, Topics};
use tokio::net::TcpListener;
use tokio::time::sleep;

const TOKEN: EventType<'static> = EventType::from_static("token");
const DONE: EventType<'static> = EventType::from_static("done");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);
    // An answer is kept for ten minutes after its last use. One of more than 65,536 events loses its beginning.
    let route = Route::builder().history(65_536);
    let topics = Topics::builder().route(route).linger(Duration::from_secs(600)).build();
    let app = Router::new().route("/answers", post(ask)).route("/answers/{id}", get(read)).with_state(topics);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Begins an answer, and says at once where it is.
async fn ask(State(topics): State<Topics>, prompt: String) -> Response {
    // By chance, so that nobody guesses it, and no id of an earlier run of the program names it.
    let id = format!("{:032x}", fastrand::u128(..));
    let Ok(route) = topics.route(&id) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    tokio::spawn(work(Answer(route), prompt));
    (StatusCode::CREATED, [(LOCATION, format!("/answers/{id}"))]).into_response()
}

/// The answer from its first event, or after the event that the client got last.
async fn read(State(topics): State<Topics>, Path(id): Path<String>, request: Request) -> Response {
    // `get` makes no topic: an id that nobody has is a 404.
    let Some(route) = topics.get(&id) else { return StatusCode::NOT_FOUND.into_response() };
    route.subscribe(&request).from_start().respond().map(Body::new)
}

/// In place of a model. It does not know whether anybody reads.
async fn work(answer: Answer, prompt: String) -> Result<(), PublishError> {
    for word in prompt.split_inclusive(' ') {
        sleep(Duration::from_millis(300)).await;
        answer.0.publish(&Message::new(json!(word).to_string()).event_type(TOKEN))?;
    }
    answer.0.publish(&Message::new("{}").event_type(DONE))?;
    Ok(())
}

/// Ends its topic when it is dropped, so that no reader waits for ever, whatever happens to the task.
struct Answer(Route);

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.close();
    }
}
// endregion
