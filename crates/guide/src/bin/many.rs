// region: program
//! One program for one process, for one that restarts, and for many: only the log differs.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use sse_disk::DiskLog;
use sse_redis::RedisLog;
use sse_server::{Listener, Message, Shutdown, Topics};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let topics = match arguments.next() {
        // In memory: a restart forgets the history.
        None => Topics::new(),
        // In Redis: any number of processes.
        Some(url) if url.starts_with("redis://") => {
            let log = RedisLog::builder("shop").connect_within(Duration::from_secs(30)).connect(&url).await?;
            Topics::builder().build_on(log).await?
        }
        // In a directory of the local disk: one process, which may restart.
        Some(directory) => Topics::builder().build_on(DiskLog::open(directory)?).await?,
    };
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);

    let shutdown = Shutdown::new();
    let app = Router::new()
        .route("/topics/{name}", get(subscribe).post(publish))
        .route("/ready", get(ready))
        .with_state(topics)
        // The streams find it in their requests, and end with the server.
        .layer(Extension(shutdown.clone()));
    let interrupt = async move {
        _ = tokio::signal::ctrl_c().await;
        shutdown.begin();
    };
    axum::serve(listener, app).with_graceful_shutdown(interrupt).await?;
    Ok(())
}

async fn subscribe(State(topics): State<Topics>, Path(name): Path<String>, request: Request) -> Response {
    topics.subscribe(&request, [&*name]).respond().map(Body::new)
}

/// Answers when the log has the message: then no crash of this process loses it.
async fn publish(State(topics): State<Topics>, Path(name): Path<String>, data: String) -> Response {
    match append(&topics, &name, &data).await {
        Ok(id) => id.into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn append(topics: &Topics, name: &str, data: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let id = topics.route(name)?.publish(&Message::new(data))?.stored().await?;
    Ok(id.map_or_else(String::new, |id| format!("{id}\n")))
}

/// For a load balancer: whether this process sees what the others publish.
async fn ready(State(topics): State<Topics>) -> StatusCode {
    let is_ready = topics.stats().total.log.is_none_or(|log| log.is_following);
    if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
// endregion
