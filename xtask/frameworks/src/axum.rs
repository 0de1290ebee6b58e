use std::io;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use sse_server::{Body, Listener, Route, Shutdown};
use tokio::net::TcpListener;

pub async fn serve(listener: TcpListener, route: Route, shutdown: Shutdown) -> io::Result<()> {
    let app = Router::new()
        .route("/events", get(events))
        .with_state(route)
        .layer(Extension(shutdown.clone()))
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = Listener::from(listener).with_connect_info();
    axum::serve(listener, app).with_graceful_shutdown(async move { shutdown.begun().await }).await
}

async fn events(
    State(route): State<Route>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    route.subscribe(&request).client(&peer.ip().to_string()).respond()
}
