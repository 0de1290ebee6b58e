//! The services of `docs/frameworks.md`, over real sockets.

mod client;
mod compression;
mod page;

use std::net::SocketAddr;
use std::time::Duration;

use sse_server::{Message, Route, Shutdown};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::client::Client;

/// The time-out for anything that a server does. It is long, because it passes only when a test fails.
const SOON: Duration = Duration::from_secs(30);

/// Runs the `serve` of a framework.
type Serve = fn(TcpListener, Route, Shutdown) -> JoinHandle<()>;

macro_rules! frameworks {
    ($($framework:ident: $($test:ident)*;)*) => {$(
        mod $framework {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(|listener, route, shutdown| tokio::spawn(async {
                        // Some return errors. The tests see the effect.
                        let _ = sse_frameworks::$framework::serve(listener, route, shutdown).await;
                    })).await;
                }
            )*
        }
    )*};
}

// The write deadline of `Listener` and `serve`, under axum and hyper, has tests of its own in sse-server.
frameworks! {
    actix: sends resumes resumes_by_query refuses notices_by_heartbeats ends;
    axum: sends resumes resumes_by_query refuses notices_at_once ends;
    hyper: sends resumes resumes_by_query refuses notices_at_once ends;
    poem: sends resumes resumes_by_query refuses notices_by_heartbeats ends;
    salvo: sends resumes resumes_by_query refuses notices_at_once cuts_by_itself ends;
    warp: sends resumes refuses notices_at_once ends;
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    frameworks! {
        actix: cuts_by_the_socket;
        poem: cuts_by_the_socket;
        salvo: cuts_by_the_socket;
        warp: cuts_by_the_socket;
    }

    /// With the options of the listener, within seconds.
    async fn cuts_by_the_socket(serve: Serve) {
        let listener = listen();
        sse_frameworks::socket::prepare(&listener, Duration::from_secs(1)).unwrap();
        cuts(Server::start_on(listener, Route::new(), serve)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn axum_knows_the_address_of_the_peer() {
    let route = Route::builder().max_subscribers_per_client(1).build();
    let server = Server::start_on(listen(), route, |listener, route, shutdown| {
        tokio::spawn(async { sse_frameworks::axum::serve(listener, route, shutdown).await.unwrap() })
    });
    let _first = Client::get(server.address, "").await;
    assert_eq!(Client::get(server.address, "").await.status(), "429");
    server.route.end_client("127.0.0.1").unwrap();
    server.has_subscribers(0).await;
    assert_eq!(Client::get(server.address, "").await.status(), "200");
}

async fn sends(serve: Serve) {
    let server = Server::start(serve);
    let mut client = Client::get(server.address, "").await;
    assert_eq!(client.status(), "200");
    assert_eq!(client.header("content-type"), Some("text/event-stream"));
    for data in ["one", "two"] {
        server.route.publish(&Message::new(data)).unwrap();
        client.until(&format!("data: {data}")).await;
    }
}

async fn resumes(serve: Serve) {
    let server = Server::start(serve);
    let mut client = Client::get(server.address, "").await;
    server.route.publish(&Message::new("one")).unwrap();
    client.until("data: one").await;
    let id = client.until("id: ").await;
    drop(client);
    server.route.publish(&Message::new("two")).unwrap();
    let mut client = Client::get(server.address, &format!("Last-Event-ID: {id}\r\n")).await;
    client.until("data: two").await;
}

/// Passes the query on to the route.
async fn resumes_by_query(serve: Serve) {
    let server = Server::start(serve);
    let id = server.route.publish(&Message::new("one")).unwrap().id().unwrap().to_string();
    server.route.publish(&Message::new("two")).unwrap();
    let path = format!("/events?lastEventId={id}");
    let mut client = Client::get_path(server.address, &path, "").await;
    client.until("data: two").await;
}

/// Passes on the responses of the route that are not a stream.
async fn refuses(serve: Serve) {
    let server = Server::start(serve);
    server.route.close();
    assert_eq!(Client::get(server.address, "").await.status(), "204");
}

/// Notices a closed connection without a byte to send.
async fn notices_at_once(serve: Serve) {
    let server = Server::start(serve);
    server.route.set_heartbeat(None);
    notices(server).await;
}

/// Notices a closed connection when it can't send a heartbeat.
async fn notices_by_heartbeats(serve: Serve) {
    let server = Server::start(serve);
    server.route.set_heartbeat(Duration::from_millis(100));
    notices(server).await;
}

async fn notices(server: Server) {
    let client = Client::get(server.address, "").await;
    server.has_subscribers(1).await;
    drop(client);
    server.has_subscribers(0).await;
}

/// Has a write deadline of its own.
async fn cuts_by_itself(serve: Serve) {
    cuts(Server::start(serve)).await;
}

/// Cuts a client that still acknowledges packets, but accepts no bytes.
async fn cuts(server: Server) {
    let _client = Client::get(server.address, "").await;
    server.has_subscribers(1).await;
    let data = "x".repeat(64 * 1024);
    for _ in 0..64 {
        server.route.publish(&Message::new(&*data)).unwrap();
    }
    server.has_subscribers(0).await;
}

/// Ends its streams at the shutdown, after the published events, and then itself.
async fn ends(serve: Serve) {
    let server = Server::start(serve);
    let mut client = Client::get(server.address, "").await;
    server.route.publish(&Message::new("the last one")).unwrap();
    server.shutdown.begin();
    client.until("data: the last one").await;
    while client.line().await.is_some() {}
    timeout(SOON, server.task).await.expect("the server ends").unwrap();
}

fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    // The sockets of accepted connections inherit it. Otherwise the kernel would buffer megabytes for a stalled client.
    socket.set_send_buffer_size(32 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1024).unwrap()
}

struct Server {
    address: SocketAddr,
    route: Route,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Server {
    fn start(serve: Serve) -> Self {
        Self::start_on(listen(), Route::new(), serve)
    }

    fn start_on(listener: TcpListener, route: Route, serve: Serve) -> Self {
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let task = serve(listener, route.clone(), shutdown.clone());
        Self { address, route, shutdown, task }
    }

    async fn has_subscribers(&self, number: usize) {
        let wait = async {
            while self.route.subscribers() != number {
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(SOON, wait).await.is_ok(), "{} subscribers", self.route.subscribers());
    }
}
