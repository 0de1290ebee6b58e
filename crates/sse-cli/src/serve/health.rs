//! Whether the process lives, and whether the hub is ready.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use sse_disk::DiskLog;
use sse_server::{Shutdown, Topics};
use tower::Service as _;

use super::app::Hub;
use super::form;
use super::rejection::Rejection;

/// `/healthz`: the process lives. A restart would not help against anything else.
pub(crate) const ALIVE: &str = "ok\n";

/// `/readyz`: the hub does its work, or why it does not. A load balancer sends no clients there meanwhile.
pub(crate) fn readiness(
    topics: &Topics,
    disk: Option<&DiskLog>,
    shutdown: &Shutdown,
) -> Result<&'static str, Rejection> {
    if shutdown.has_begun() {
        return Err(Rejection::unavailable("the hub is ending"));
    }
    if let Some(refusal) = disk.and_then(|disk| disk.stats().refusal) {
        return Err(Rejection::unavailable(format!("events can't be stored: {refusal}")));
    }
    match topics.stats().total.log {
        Some(log) if !log.is_following => {
            let what = if disk.is_some() { "the disk can't be read" } else { "Redis can't be reached" };
            Err(Rejection::unavailable(format!(
                "{what}: subscribers get nothing until it is back, and {} events wait",
                log.queued
            )))
        }
        _ => Ok("ready\n"),
    }
}

/// The service that answers from the start: the hub, once it is open, and 503 before.
#[derive(Clone, Default)]
pub(crate) struct Front(Arc<OnceLock<Hub>>);

impl Front {
    /// Opens the hub.
    pub(crate) fn open(&self, hub: Hub) {
        let _ = self.0.set(hub);
    }

    pub(crate) fn service(
        &self,
    ) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static {
        let (hub, starting) = (self.0.clone(), starting());
        service_fn(move |request: Request<Incoming>| {
            let (hub, mut starting) = (hub.clone(), starting.clone());
            async move {
                let request = request.map(Body::new);
                if let Some(hub) = hub.get() {
                    return Ok(hub.respond(request).await);
                }
                match form::check(&request) {
                    Ok(()) => starting.call(request).await,
                    Err(rejection) => Ok(rejection.into_response()),
                }
            }
        })
    }
}

/// Answers while the hub waits for its log.
fn starting() -> Router {
    let waits = || async {
        Rejection::unavailable(
            "the hub has just started and waits for its events, in Redis or on the disk; try again soon",
        )
    };
    Router::new().route("/healthz", get(ALIVE)).fallback(waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_in_memory_is_ready_until_it_ends() {
        let (topics, shutdown) = (Topics::new(), Shutdown::new());
        assert_eq!(readiness(&topics, None, &shutdown).unwrap(), "ready\n");
        shutdown.begin();
        let ending = readiness(&topics, None, &shutdown).unwrap_err();
        assert_eq!((ending.status().as_u16(), ending.text()), (503, "the hub is ending"));
    }
}
