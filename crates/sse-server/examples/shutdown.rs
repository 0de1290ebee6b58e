//! A shutdown that ends event streams one by one, and a route that outlives its server.
//!
//! ```sh
//! cargo run -p sse-server --example shutdown
//! curl -N http://127.0.0.1:8080/
//! ```
//!
//! The first Ctrl-C is a reload, as for a new certificate: the streams end, and a second server takes over. `curl` ends
//! with its stream, but an `EventSource` reconnects, and gets the events that it has missed. The second Ctrl-C ends the
//! program.

use std::error::Error;
use std::time::Duration;

use sse_server::{Message, PublishError, Route, serve};
use tokio::net::TcpListener;

/// The time within which the streams end, so that not all clients reconnect at once.
const SPREAD: Duration = Duration::from_secs(1);

/// The time after which open connections are cut.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;

    let route = Route::new();
    tokio::spawn(tick(route.clone()));
    serve_until_interrupt(listener, &route).await?;
    // The route stays open and goes on ticking, for clients that reconnect.
    serve_until_interrupt(TcpListener::bind(address).await?, &route).await?;
    Ok(())
}

async fn serve_until_interrupt(listener: TcpListener, route: &Route) -> Result<(), Box<dyn Error>> {
    println!("listening on http://{}/", listener.local_addr()?);
    let streams = route.clone();
    let interrupt = async move {
        _ = tokio::signal::ctrl_c().await;
        println!("{} streams end", streams.subscribers());
    };
    serve(listener, route.clone()).with_graceful_shutdown(interrupt, GRACE).stagger(SPREAD).await;
    println!("{} streams are left", route.subscribers());
    Ok(())
}

/// Publishes five times a second.
async fn tick(route: Route) -> Result<(), PublishError> {
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    for tick in 0_u64.. {
        ticks.tick().await;
        route.publish(&Message::new(tick.to_string()))?;
    }
    Ok(())
}
