//! A board of prices with axum: a client gets all prices at once, and then every change.
//!
//! ```sh
//! cargo run -p sse-server --features axum --example board
//! curl -N 'http://127.0.0.1:8080/prices?token=let-me-in'
//! curl -X PUT -d 1250 -H 'Authorization: Bearer let-me-in' http://127.0.0.1:8080/prices/tea
//! ```
//!
//! One lock is held during a change and the publish of its event, and during a snapshot and its subscription. So each
//! change is either in the snapshot or in the stream, and never in both.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Extension, Router};
use serde_json::json;
use sse_server::{EventType, LagPolicy, Listener, Message, PublishError, Route, Shutdown};
use tokio::net::TcpListener;

/// The event type of the snapshot: all prices.
const PRICES: EventType<'static> = EventType::from_static("prices");

/// The event type of a change: one price.
const PRICE: EventType<'static> = EventType::from_static("price");

/// How many streams one address may have.
const STREAMS_PER_ADDRESS: usize = 6;

/// A real application has users and sessions instead.
const TOKEN: &str = "let-me-in";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    // Its connections are cut when they take no byte for 30 s.
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);

    let shutdown = Shutdown::new();
    let app = Router::new()
        .route("/prices", get(watch))
        .route("/prices/{name}", put(change))
        .with_state(Arc::new(Board::new()))
        .layer(middleware::from_fn(authorize))
        // The streams find the signal in their requests, and end with the server.
        .layer(Extension(shutdown.clone()))
        .into_make_service_with_connect_info::<SocketAddr>();
    let begun = shutdown.clone();
    let server = axum::serve(listener.with_connect_info(), app)
        .with_graceful_shutdown(async move { begun.begun().await });
    let interrupt = async {
        tokio::signal::ctrl_c().await?;
        shutdown.begin();
        Ok(())
    };
    // The interrupt is polled first, so that no request is served before the program listens for it.
    tokio::try_join!(interrupt, server.into_future())?;
    Ok(())
}

/// Refuses requests without the token. It may be in a header, or in the query, because an `EventSource` of a browser
/// can't set headers.
async fn authorize(Query(query): Query<HashMap<String, String>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    if bearer.or(query.get("token").map(String::as_str)) != Some(TOKEN) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    next.run(request).await
}

async fn watch(
    State(board): State<Arc<Board>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    board.respond(&request, peer).map(Body::new)
}

/// The body is the new price, in cents.
async fn change(State(board): State<Arc<Board>>, Path(name): Path<String>, price: String) -> StatusCode {
    let Ok(price) = price.trim().parse() else { return StatusCode::UNPROCESSABLE_ENTITY };
    match board.set(name, price) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

struct Board {
    prices: Mutex<BTreeMap<String, u64>>,
    changes: Route,
}

impl Board {
    fn new() -> Self {
        // A slow client skips prices that have changed again.
        let changes = Route::builder()
            .lag_policy(LagPolicy::LatestPerKey)
            .max_subscribers_per_client(STREAMS_PER_ADDRESS)
            .build();
        Self { prices: Mutex::default(), changes }
    }

    fn set(&self, name: String, price: u64) -> Result<(), PublishError> {
        let change = Message::new(json!({ "name": name, "price": price }).to_string()).event_type(PRICE);
        let mut prices = self.prices.lock().expect("no change has panicked");
        self.changes.publish_keyed(&name, &change)?;
        prices.insert(name, price);
        Ok(())
    }

    fn respond<B>(&self, request: &Request<B>, peer: SocketAddr) -> Response<sse_server::Body> {
        let prices = self.prices.lock().expect("no change has panicked");
        let all = || [Message::new(json!(*prices).to_string()).event_type(PRICES)];
        self.changes.subscribe(request).client(&peer.ip().to_string()).snapshot(all).respond()
    }
}
