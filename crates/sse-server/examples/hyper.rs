//! hyper alone: an accept loop of your own around a route, which is a hyper service. TLS can be added.
//!
//! ```sh
//! cargo run -p sse-server --example hyper
//! curl -N http://127.0.0.1:8080/
//! ```
//!
//! With a second argument it speaks TLS, and ALPN chooses between HTTP/2 and HTTP/1.1. It makes a certificate and
//! writes it to that file, for the client:
//!
//! ```sh
//! cargo run -p sse-server --example hyper 127.0.0.1:8443 certificate.pem
//! curl -N --cacert certificate.pem https://127.0.0.1:8443/
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::CertifiedKey;
use sse_server::{Listener, Message, PublishError, Route, WriteDeadline};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let tls = arguments.next().map(|file| acceptor(file.as_ref())).transpose()?;
    let listener = Listener::from(TcpListener::bind(address).await?);
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("listening on {scheme}://{}/", listener.local_addr()?);

    let route = Route::new();
    tokio::spawn(tick(route.clone()));
    loop {
        // In a `WriteDeadline`: a socket that takes no byte for 30 s is cut.
        let (stream, _) = listener.accept().await;
        let route = route.clone();
        match tls.clone() {
            Some(tls) => tokio::spawn(serve_tls(tls, stream, route)),
            None => tokio::spawn(serve_http1(stream, route)),
        };
    }
}

/// TLS with a new certificate, which it writes to a file.
fn acceptor(file: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
    std::fs::write(file, cert.pem())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.into()], signing_key.into())?;
    // The first protocol that the client speaks, too. Over HTTP/1.1, a browser opens at most six connections to a host.
    config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
    Ok(Arc::new(config).into())
}

/// TLS wraps the write deadline, because the deadline watches the socket itself.
async fn serve_tls(tls: TlsAcceptor, stream: WriteDeadline<TcpStream>, route: Route) {
    // An error comes from the client or from the network: the connection has ended.
    let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        let _ = builder.serve_connection(TokioIo::new(stream), route).await;
    } else {
        serve_http1(stream, route).await;
    }
}

async fn serve_http1(stream: impl AsyncRead + AsyncWrite + Unpin, route: Route) {
    let mut builder = http1::Builder::new();
    // A client has 30 s for the head of its request.
    builder.timer(TokioTimer::new());
    let _ = builder.serve_connection(TokioIo::new(stream), route).await;
}

/// Publishes an event each second.
async fn tick(route: Route) -> Result<(), PublishError> {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for tick in 0_u64.. {
        seconds.tick().await;
        route.publish(&Message::new(format!("tick {tick}")))?;
    }
    Ok(())
}
