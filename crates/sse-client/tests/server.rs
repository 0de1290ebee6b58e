//! The event source with the server of this project, also when the server restarts.

mod common;

use common::{client, quick, soon};
use sse_client::EventSource;
use sse_server::{Message, Route, serve};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(route: &Route, address: &str) -> Server {
    let listener = bind(address).await;
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let signal = async move { _ = stopped.await };
    let server = serve(listener, route.clone()).with_graceful_shutdown(signal, Duration::from_secs(60));
    Server { address, stop, task: tokio::spawn(server.into_future()) }
}

/// Binds a port that was just released. A connection of another test may use it for a moment.
async fn bind(address: &str) -> TcpListener {
    soon(async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

async fn subscribed(route: &Route) {
    soon(async {
        while route.subscribers() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

impl Server {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn source(address: SocketAddr) -> EventSource {
    let client = client();
    let request = client.get(format!("http://{address}/")).build().unwrap();
    EventSource::builder(client, request).reconnect(quick()).build().unwrap()
}

fn publish(route: &Route, data: &str) {
    route.publish(&Message::new(data.to_owned())).unwrap();
}

async fn data(source: &mut EventSource) -> String {
    soon(source.next()).await.unwrap().unwrap().into_data()
}

#[tokio::test]
async fn a_restart_of_the_server_loses_no_event_that_the_history_keeps() {
    let route = Route::new();
    let mut server = start(&route, "127.0.0.1:0").await;
    let address = server.address;
    let mut source = source(address);
    let (connected, is_connected) = oneshot::channel();
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        let mut connected = Some(connected);
        while seen.last().map(String::as_str) != Some("last") {
            seen.push(data(&mut source).await);
            connected.take().map(|connected| connected.send(()));
        }
        seen
    });
    subscribed(&route).await;
    publish(&route, "first");
    is_connected.await.unwrap();
    let mut expected = vec!["first".to_owned()];
    for round in 0..5 {
        server.stop().await;
        for number in 0..10 {
            expected.push(format!("{round}.{number}"));
            publish(&route, &expected[expected.len() - 1]);
        }
        server = start(&route, &address.to_string()).await;
    }
    publish(&route, "last");
    expected.push("last".to_owned());
    assert_eq!(reader.await.unwrap(), expected);
}

#[tokio::test]
async fn a_lost_history_is_a_gap_event() {
    let route = Route::new();
    let server = start(&route, "127.0.0.1:0").await;
    let address = server.address;
    let mut source = source(address);
    let first = tokio::spawn(async move {
        assert_eq!(data(&mut source).await, "1");
        source
    });
    subscribed(&route).await;
    publish(&route, "1");
    let mut source = first.await.unwrap();
    server.stop().await;

    let route = Route::new();
    publish(&route, "2");
    let _server = start(&route, &address.to_string()).await;
    let gap = source.next().await.unwrap().unwrap();
    assert_eq!((gap.event_type(), gap.data()), ("gap", r#"{"missed":null}"#));
    assert_eq!(data(&mut source).await, "2");
}

#[tokio::test]
async fn a_closed_route_ends_its_clients() {
    let route = Route::new();
    let server = start(&route, "127.0.0.1:0").await;
    let mut source = source(server.address);
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = source.next().await {
            seen.push(event.unwrap().into_data());
        }
        seen
    });
    subscribed(&route).await;
    publish(&route, "1");
    publish(&route, "2");
    route.close();
    assert_eq!(reader.await.unwrap(), ["1", "2"]);
}
