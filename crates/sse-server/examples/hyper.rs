//! hyper alone: an accept loop of one's own around a route, which is a hyper service.
//!
//! ```sh
//! cargo run -p sse-server --example hyper
//! curl -N http://127.0.0.1:8080/
//! ```

use std::error::Error;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use sse_server::{Listener, Message, PublishError, Route};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);

    let route = Route::new();
    tokio::spawn(tick(route.clone()));
    loop {
        // In a `WriteDeadline`: a socket that takes nothing for 30 s is cut.
        let (stream, _) = listener.accept().await;
        let mut builder = http1::Builder::new();
        // A client has 30 s for the head of its request.
        builder.timer(TokioTimer::new());
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), route.clone()));
    }
}

/// Publishes each second.
async fn tick(route: Route) -> Result<(), PublishError> {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for tick in 0_u64.. {
        seconds.tick().await;
        route.publish(&Message::new(format!("tick {tick}")))?;
    }
    Ok(())
}
