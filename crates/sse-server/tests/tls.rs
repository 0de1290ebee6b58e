//! TLS around a `WriteDeadline`: a client that takes no bytes is cut, as without TLS.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::CertifiedKey;
use sse_server::{Message, Route, WriteDeadline};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const DEADLINE: Duration = Duration::from_millis(500);

/// The longest time until a client is cut.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn http1_cuts_a_client_that_takes_no_bytes() {
    check(false);
}

#[test]
fn http2_cuts_a_client_that_takes_no_bytes() {
    check(true);
}

#[track_caller]
fn check(is_http2: bool) {
    let route = Route::new();
    let (acceptor, connector) = tls();
    let address = start(acceptor, route.clone(), is_http2);
    // The client's tasks stop when its `block_on` returns, but its socket stays open, and nobody reads from it.
    let client = runtime();
    let response = client.block_on(async {
        let mut response = get(address, connector, is_http2).await;
        assert!(response.frame().await.unwrap().is_ok(), "the opening comes");
        response
    });
    assert_eq!(route.subscribers(), 1);

    let start = Instant::now();
    let data = "x".repeat(64 * 1024);
    for _ in 0..64 {
        route.publish(&Message::new(&*data)).unwrap();
    }
    while route.subscribers() > 0 {
        assert!(start.elapsed() < SOON, "the client is never cut");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() >= DEADLINE, "the client is cut after {:?}", start.elapsed());
    drop((response, client));
}

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Returns both sides of a certificate for 127.0.0.1.
fn tls() -> (TlsAcceptor, TlsConnector) {
    let names = ["127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let client =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth();
    let server = server.with_single_cert(vec![cert.into()], signing_key.into()).unwrap();
    (Arc::new(server).into(), Arc::new(client).into())
}

/// Serves one connection, on a thread of its own.
fn start(tls: TlsAcceptor, route: Route, is_http2: bool) -> SocketAddr {
    let (sender, address) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            // Accepted connections inherit this size. Without it, the kernel holds megabytes for a stalled client.
            socket.set_send_buffer_size(32 * 1024).unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = socket.listen(1).unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let io = TokioIo::new(tls.accept(WriteDeadline::new(stream, DEADLINE)).await.unwrap());
            let end = if is_http2 {
                http2::Builder::new(TokioExecutor::new()).serve_connection(io, route).await
            } else {
                http1::Builder::new().serve_connection(io, route).await
            };
            assert!(end.is_err(), "the connection is cut");
        });
    });
    address.recv().unwrap()
}

async fn get(address: SocketAddr, tls: TlsConnector, is_http2: bool) -> Response<Incoming> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let io: TokioIo<TlsStream<TcpStream>> = TokioIo::new(tls.connect(name, stream).await.unwrap());
    let request = Request::get("https://127.0.0.1/").body(Empty::<Bytes>::new()).unwrap();
    if is_http2 {
        let mut builder = conn::http2::Builder::new(TokioExecutor::new());
        // So large that the socket is full before the window is closed.
        builder.initial_stream_window_size(1 << 30).initial_connection_window_size(1 << 30);
        let (mut sender, connection) = builder.handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}
