//! A server that the browser reads from, which can be stopped and started again.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

pub mod hub;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use sse_server::{Body, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long to wait for a browser. It is long, because only a failing test waits for it.
pub const SOON: Duration = Duration::from_secs(90);

pub struct Server {
    runtime: Runtime,
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Server {
    /// Answers requests on a free port with `respond`.
    pub fn start(respond: impl Fn(&Request<Incoming>) -> Response<Body> + Clone + Send + 'static) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut server = Self { runtime, address: ([127, 0, 0, 1], 0).into(), running: None };
        server.go_on(respond);
        server
    }

    /// Answers requests again after a stop, on the same port.
    pub fn go_on(&mut self, respond: impl Fn(&Request<Incoming>) -> Response<Body> + Clone + Send + 'static) {
        let listener = self.runtime.block_on(bind(self.address));
        self.address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let signal = async move { _ = stopped.await };
        let service = service_fn(move |request| {
            let response = respond(&request);
            async { Ok::<_, Infallible>(response) }
        });
        let serve = serve(listener, service).with_graceful_shutdown(signal, SOON);
        self.running = Some((stop, self.runtime.spawn(serve.into_future())));
    }

    /// Shuts down gracefully: streams end, and no new connection is accepted.
    pub fn stop(&mut self) {
        let (stop, task) = self.running.take().expect("the server runs");
        stop.send(()).unwrap();
        self.runtime.block_on(task).unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Binds a port that was just released: another test's connection may hold it for a moment.
async fn bind(address: SocketAddr) -> TcpListener {
    let bound = async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(SOON, bound).await.expect("the port is free again soon")
}

pub fn html(page: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(page));
    response.headers_mut().insert("content-type", "text/html; charset=utf-8".parse().unwrap());
    response
}
