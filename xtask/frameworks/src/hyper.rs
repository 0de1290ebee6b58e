use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::service::service_fn;
use sse_server::{Body, Route, Shutdown};
use tokio::net::TcpListener;

pub async fn serve(listener: TcpListener, route: Route, shutdown: Shutdown) {
    let service = service_fn(move |request: Request<_>| ready(answer(&route, &request)));
    let signal = async move { shutdown.begun().await };
    sse_server::serve(listener, service).with_graceful_shutdown(signal, Duration::from_secs(5)).await;
}

fn answer<B>(route: &Route, request: &Request<B>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/events" {
        return Ok(route.respond(request));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
