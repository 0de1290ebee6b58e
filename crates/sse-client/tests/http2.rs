//! Many streams on one connection of HTTP/2.

#![cfg(feature = "http2")]

mod common;

use std::convert::Infallible;
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::{quick, soon};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use reqwest::Client;
use reqwest::header::{HeaderName, HeaderValue};
use sse_client::{EventSource, Reconnect, client_builder};
use sse_server::{Message, Route, serve};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Starts a server of HTTP/1.1 and HTTP/2, without TLS.
async fn start(route: &Route) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, route.clone()).into_future());
    address
}

/// Starts a relay to this server. After `freeze`, its first connection stays open and passes no more bytes on.
async fn start_relay(server: SocketAddr, freeze: Arc<Notify>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut here, _) = listener.accept().await.unwrap();
            let freeze = freeze.clone();
            tokio::spawn(async move {
                let mut there = TcpStream::connect(server).await.unwrap();
                let frozen = async {
                    if number > 0 {
                        pending::<()>().await;
                    }
                    freeze.notified().await;
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut here, &mut there) => {}
                    () = frozen => pending().await,
                }
            });
        }
    });
    address
}

fn source(client: &Client, address: SocketAddr) -> EventSource {
    source_with(client, address, quick())
}

fn source_with(client: &Client, address: SocketAddr, policy: Reconnect) -> EventSource {
    let request = client.get(format!("http://{address}/")).build().unwrap();
    EventSource::builder(client.clone(), request).reconnect(policy).build().unwrap()
}

/// Publishes until the source returns an event, so that the test does not depend on when the source connects.
async fn first_event(route: &Route, source: &mut EventSource) {
    soon(async {
        loop {
            route.publish(&Message::new("first")).unwrap();
            tokio::select! {
                event = source.next() => break drop(event.unwrap().unwrap()),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_dead_connection_is_closed() {
    let route = Route::new();
    let freeze = Arc::new(Notify::new());
    let address = start_relay(start(&route).await, freeze.clone()).await;
    let client = client_builder().http2_prior_knowledge().build().unwrap();
    let mut source = source(&client, address);
    first_event(&route, &mut source).await;
    freeze.notify_one();
    route.publish(&Message::new("second")).unwrap();
    let reading = tokio::spawn(async move {
        loop {
            if source.next().await.unwrap().unwrap().data() == "second" {
                return;
            }
        }
    });
    // The time until a PING, and the time for its answer.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(55)).await;
    tokio::time::resume();
    soon(reading).await.unwrap();
}

/// A connection without streams has PINGs as well. Otherwise, the next attempt would be made on the dead connection, and
/// fail.
#[tokio::test]
async fn a_connection_that_dies_while_it_is_idle_is_not_used_again() {
    let route = Route::new();
    let freeze = Arc::new(Notify::new());
    let address = start_relay(start(&route).await, freeze.clone()).await;
    let client = client_builder().http2_prior_knowledge().build().unwrap();
    let mut first = source(&client, address);
    first_event(&route, &mut first).await;
    drop(first);
    freeze.notify_one();
    // The time until a PING, and the time for its answer.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(55)).await;
    tokio::time::resume();
    first_event(&route, &mut source_with(&client, address, Reconnect::never())).await;
}

/// As over HTTP/1.1. Without the setting, the client accepts 16 KiB of headers.
#[tokio::test]
async fn many_headers_are_read() {
    for count in [99, 150, 400, 900] {
        let route = Route::new();
        let events = route.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut response = events.respond(&request);
            for number in 0..count {
                let name = HeaderName::try_from(format!("x-{number}")).unwrap();
                response.headers_mut().insert(name, HeaderValue::from_static("y"));
            }
            ready(Ok::<_, Infallible>(response))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, service).into_future());
        let client = client_builder().http2_prior_knowledge().build().unwrap();
        first_event(&route, &mut source(&client, address)).await;
    }
}

#[tokio::test]
async fn sources_that_nobody_reads_do_not_stop_the_others() {
    let route = Route::new();
    let address = start(&route).await;
    let client = client_builder().http2_prior_knowledge().build().unwrap();
    let mut idle: Vec<_> = (0..8).map(|_| source(&client, address)).collect();
    for source in &mut idle {
        first_event(&route, source).await;
    }
    let mut read = source(&client, address);
    first_event(&route, &mut read).await;
    // More bytes than a connection with reqwest's default settings takes for streams that nobody reads.
    for number in 0..200 {
        let data = format!("{number} {}", "a".repeat(64 * 1024));
        route.publish(&Message::new(data.clone())).unwrap();
        soon(async {
            loop {
                if read.next().await.unwrap().unwrap().data() == data {
                    return;
                }
            }
        })
        .await;
    }
}
