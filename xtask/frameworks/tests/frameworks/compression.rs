//! `tower-http` around a route, for clients that accept gzip.

use std::io::Write as _;
use std::net::SocketAddr;

use axum::Router;
use flate2::write::GzDecoder;
use sse_frameworks::compression;
use sse_server::{Listener, Message, Route};

use crate::client::Client;
use crate::listen;

const GZIP: &str = "Accept-Encoding: gzip\r\n";

#[tokio::test]
async fn is_left_out_for_streams_by_default() {
    let route = Route::new();
    let mut client = Client::get(start(compression::default(route.clone())), GZIP).await;
    assert_eq!(client.header("content-encoding"), None);
    route.publish(&Message::new("as it is")).unwrap();
    client.until("data: as it is").await;
}

#[tokio::test]
async fn flushes_each_event_when_forced() {
    let route = Route::new();
    let mut client = Client::get(start(compression::forced(route.clone())), GZIP).await;
    assert_eq!(client.header("content-encoding"), Some("gzip"));
    assert_eq!(client.header("content-type"), Some("text/event-stream"));
    let mut text = GzDecoder::new(Vec::new());
    for number in 0..10 {
        route.publish(&Message::new(format!("event {number}"))).unwrap();
        // The next event is published when this one has come.
        let data = format!("data: event {number}\n");
        while !String::from_utf8_lossy(text.get_ref()).contains(&data) {
            let chunk = client.chunk().await;
            assert!(!chunk.is_empty(), "the body goes on");
            text.write_all(&chunk).unwrap();
            text.flush().unwrap();
        }
    }
}

#[tokio::test]
async fn is_left_out_for_clients_that_do_not_ask() {
    let mut client = Client::get(start(compression::forced(Route::new())), "").await;
    assert_eq!(client.header("content-encoding"), None);
    client.until("retry: ").await;
}

fn start(app: Router) -> SocketAddr {
    let listener = Listener::from(listen());
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}
