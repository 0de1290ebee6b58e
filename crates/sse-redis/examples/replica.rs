//! One of several replicas. Start it as often as you like: each of them resumes the clients of the others.
//!
//! ```sh
//! cargo run -p sse-redis --example replica -- 127.0.0.1:8081 redis://localhost/
//! cargo run -p sse-redis --example replica -- 127.0.0.1:8082 redis://localhost/
//! curl -N http://127.0.0.1:8081/topics/news
//! curl -d 'Hello' http://127.0.0.1:8082/topics/news
//! ```

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use sse_redis::RedisLog;
use sse_server::{Listener, Message, Shutdown, Topics};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let redis = arguments.next().unwrap_or_else(|| "redis://localhost/".to_owned());

    // A machine that starts at the same time as Redis waits for Redis.
    let log = RedisLog::builder("replica").connect_within(Duration::from_secs(30)).connect(&redis).await?;
    let topics = Topics::builder().build_on(log).await?;
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);

    let shutdown = Shutdown::new();
    let app = Router::new()
        .route("/topics/{names}", get(subscribe).post(publish))
        .with_state(topics)
        // The streams find the signal in their requests, and end with the server.
        .layer(Extension(shutdown.clone()));
    let begun = shutdown.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move { begun.begun().await });
    let interrupt = async {
        tokio::signal::ctrl_c().await?;
        shutdown.begin();
        Ok(())
    };
    // The interrupt is polled first, so that no request is served before the program listens for it.
    tokio::try_join!(interrupt, server.into_future())?;
    Ok(())
}

/// Responds with the stream of one topic, or of several with commas between them.
async fn subscribe(State(topics): State<Topics>, Path(names): Path<String>, request: Request) -> Response {
    topics.subscribe(&request, names.split(',')).respond().map(Body::new)
}

/// Responds with the event's id, when the log has stored the event for all replicas.
async fn publish(State(topics): State<Topics>, Path(name): Path<String>, data: String) -> Response {
    match append(&topics, &name, &data).await {
        Ok(id) => id.into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn append(topics: &Topics, name: &str, data: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let id = topics.route(name)?.publish(&Message::new(data))?.stored().await?;
    Ok(id.map_or_else(String::new, |id| id.to_string()))
}
