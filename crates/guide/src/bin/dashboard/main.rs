// region: program
//! A dashboard of orders: all orders at once, then each change, and the notices of the user.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{Response, StatusCode};
use axum::response::{Html, IntoResponse as _};
use axum::routing::{get, post, put};
use serde_json::json;
use sse_server::{EventType, Listener, Message, Route, Topics};
use tokio::net::TcpListener;

const ORDERS: EventType<'static> = EventType::from_static("orders");
const ORDER: EventType<'static> = EventType::from_static("order");
const NOTICE: EventType<'static> = EventType::from_static("notice");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = Listener::from(TcpListener::bind(address).await?);
    println!("listening on http://{}/", listener.local_addr()?);
    let app = Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/events", get(events))
        .route("/orders/{id}", put(change))
        .route("/notices/{user}", post(notify))
        .with_state(Arc::new(Dashboard::new()));
    axum::serve(listener, app).await?;
    Ok(())
}

/// The stream of one user, who has a token in a header or in the query. Put your own sessions in their place.
async fn events(
    State(dashboard): State<Arc<Dashboard>>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response<Body> {
    // The EventSource of a browser can't send the header.
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    let user = match bearer.or(query.get("token").map(String::as_str)) {
        Some("alice-token") => "alice",
        Some("bob-token") => "bob",
        _ => return StatusCode::UNAUTHORIZED.into_response(),
    };
    dashboard.subscribe(&request, user).map(Body::new)
}

/// The body is the new state of the order.
async fn change(
    State(dashboard): State<Arc<Dashboard>>,
    Path(id): Path<String>,
    state: String,
) -> Result<StatusCode, (StatusCode, String)> {
    done(dashboard.change(id, state))
}

/// The body is the text for one user.
async fn notify(
    State(dashboard): State<Arc<Dashboard>>,
    Path(user): Path<String>,
    text: String,
) -> Result<StatusCode, (StatusCode, String)> {
    done(dashboard.notify(&user, &text))
}

fn done(result: Result<(), Box<dyn Error>>) -> Result<StatusCode, (StatusCode, String)> {
    result
        .map(|()| StatusCode::NO_CONTENT)
        .map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
}

struct Dashboard {
    orders: Mutex<BTreeMap<String, String>>,
    topics: Topics,
}

impl Dashboard {
    fn new() -> Self {
        // A user has at most six streams, one for each tab.
        let route = Route::builder().max_subscribers_per_client(6);
        Self { orders: Mutex::default(), topics: Topics::builder().route(route).build() }
    }

    /// Changes an order and publishes the change, under one lock.
    fn change(&self, id: String, state: String) -> Result<(), Box<dyn Error>> {
        let change = json!({ "id": id, "state": state }).to_string();
        let mut orders = self.orders.lock().expect("no change has panicked");
        self.topics.route("orders")?.publish(&Message::new(change).event_type(ORDER))?;
        orders.insert(id, state);
        Ok(())
    }

    fn notify(&self, user: &str, text: &str) -> Result<(), Box<dyn Error>> {
        let notice = Message::new(text).event_type(NOTICE);
        self.topics.route(&format!("user/{user}"))?.publish(&notice)?;
        Ok(())
    }

    /// Subscribes a user to two topics, and sends the orders first, under the same lock.
    fn subscribe<B>(&self, request: &Request<B>, user: &str) -> Response<sse_server::Body> {
        let own = format!("user/{user}");
        let orders = self.orders.lock().expect("no change has panicked");
        let snapshot = || [Message::new(json!(*orders).to_string()).event_type(ORDERS)];
        self.topics.subscribe(request, ["orders", &own]).client(user).snapshot(snapshot).respond()
    }
}
// endregion

// region: tests
#[cfg(test)]
mod tests {
    use sse_testing::{Subscriber, request};

    use super::*;

    #[test]
    fn a_user_gets_all_orders_then_each_change_and_their_own_notices() {
        let dashboard = Dashboard::new();
        dashboard.change("7".into(), "paid".into()).unwrap();
        let mut alice = Subscriber::of(dashboard.subscribe(&request(""), "alice"));
        // "-" says that there is nothing more to read yet.
        assert_eq!(alice.read_data(), [r#"{"7":"paid"}"#, "-"]);

        dashboard.change("7".into(), "sent".into()).unwrap();
        dashboard.notify("bob", "for Bob alone").unwrap();
        dashboard.notify("alice", "Hello").unwrap();
        assert_eq!(alice.read_data(), [r#"{"id":"7","state":"sent"}"#, "Hello", "-"]);
    }

    #[test]
    fn a_client_that_comes_back_gets_what_it_has_missed_and_no_snapshot() {
        let dashboard = Dashboard::new();
        let mut alice = Subscriber::of(dashboard.subscribe(&request(""), "alice"));
        assert_eq!(alice.read_data(), ["{}", "-"]);
        let id = alice.last_event_id().to_owned();
        drop(alice);

        dashboard.change("7".into(), "paid".into()).unwrap();
        let mut alice = Subscriber::of(dashboard.subscribe(&request(&id), "alice"));
        assert_eq!(alice.read_data(), [r#"{"id":"7","state":"paid"}"#, "-"]);
    }

    #[test]
    fn a_client_with_an_unknown_id_is_told_of_the_gap_and_gets_a_snapshot() {
        let dashboard = Dashboard::new();
        let mut alice = Subscriber::of(dashboard.subscribe(&request("from-before-a-restart"), "alice"));
        assert_eq!(alice.read_data(), [r#"{"missed":null}"#, "{}", "-"]);
    }

    /// Time is paused: it passes only when nothing else can happen, so the 15 seconds take none.
    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_has_a_heartbeat() {
        let dashboard = Dashboard::new();
        let mut alice = Subscriber::of(dashboard.subscribe(&request(""), "alice"));
        assert_eq!(alice.read_data(), ["{}", "-"]);
        assert_eq!(alice.next_block().await.expect("a comment"), ":\n\n");
    }

    #[tokio::test]
    async fn a_stream_needs_a_token() {
        let request = Request::new(Body::empty());
        let response = events(State(Arc::new(Dashboard::new())), Query(HashMap::new()), request).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}
// endregion
