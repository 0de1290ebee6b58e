//! A lighthouse keeper's log as an event stream, with a page to watch it.
//!
//! ```sh
//! cargo run -p sse-server --example live
//! cargo run -p sse-server --example live -- 127.0.0.1:8081
//! ```
//!
//! The log and its ids are a function of the time. So this program publishes the last ten minutes again before it
//! serves a request, and clients resume without a gap after a restart. Stop it, wait, and start it: the curve on the
//! page has no hole.

mod log;

use std::convert::Infallible;
use std::error::Error;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use sse_server::{Body, PublishError, Route, serve};
use tokio::net::TcpListener;

const PAGE: &str = include_str!("page.html");

/// How much of the log is published again at the start.
const KEPT: Duration = Duration::from_secs(10 * 60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address).await.map_err(|error| {
        format!("can't listen on {address}: {error}; give another address, as in `-- 127.0.0.1:8081`")
    })?;
    let route = Route::builder()
        .history(2048)
        .heartbeat(Duration::from_secs(2))
        .reconnection_time(Duration::from_secs(1))
        .build();
    // The past is published first, so that clients can resume after it.
    let now = now();
    publish(&route, now.saturating_sub(KEPT.as_secs())..=now)?;
    tokio::spawn(keep_log(route.clone(), now + 1));

    println!("The lighthouse is lit: http://{}/", listener.local_addr()?);
    println!(
        "In a second terminal:  cargo run -p sse-client --example tail -- http://{}/events",
        listener.local_addr()?
    );
    println!("Ctrl-C puts it out.");
    let interrupt = async { _ = tokio::signal::ctrl_c().await };
    let service = service_fn(move |request| {
        let response = respond(&route, &request);
        async { Ok::<_, Infallible>(response) }
    });
    serve(listener, service).with_graceful_shutdown(interrupt, Duration::from_secs(2)).await;
    Ok(())
}

fn respond(route: &Route, request: &Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/events" => route.respond(request),
        "/" => {
            let mut response = Response::new(Body::from(PAGE));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, "text/html; charset=utf-8".parse().expect("a valid value"));
            response.headers_mut().insert(CACHE_CONTROL, "no-store".parse().expect("a valid value"));
            response
        }
        _ => {
            let mut response = Response::new(Body::from("use the paths / and /events\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// Publishes the notes of each second, from the second `next` on.
async fn keep_log(route: Route, mut next: u64) -> Result<(), PublishError> {
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    loop {
        looks.tick().await;
        let now = now();
        publish(&route, next..=now)?;
        next = next.max(now + 1);
    }
}

/// Publishes the log of these seconds.
fn publish(route: &Route, mut seconds: RangeInclusive<u64>) -> Result<(), PublishError> {
    seconds.try_for_each(|second| log::entries(second).try_for_each(|entry| route.publish(&entry).map(drop)))
}

/// Returns the time in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
