use http::{HeaderMap, Request};
use http_body_util::BodyDataStream;
use sse_server::{Route, Shutdown};
use tokio::net::TcpListener;
use warp::reply::Response;
use warp::{Filter as _, Reply as _};

pub async fn serve(listener: TcpListener, route: Route, shutdown: Shutdown) {
    let signal = shutdown.clone();
    let events = warp::path!("events")
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .map(move |headers| respond(&route, &signal, headers));
    let server = warp::serve(events).incoming(listener);
    server.graceful(async move { shutdown.begun().await }).run().await;
}

fn respond(route: &Route, shutdown: &Shutdown, headers: HeaderMap) -> Response {
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    shutdown.attach(request.extensions_mut());
    let (head, body) = route.respond(&request).into_parts();
    let body = warp::reply::stream(BodyDataStream::new(body)).into_response().into_body();
    Response::from_parts(head, body)
}
