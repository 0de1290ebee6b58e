//! https: the certificate, and the handshakes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sse_server::{Accept, Listener, WriteDeadline};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::traffic::{Handshakes, Unsecured};

/// The files of a certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Reads them. An error names the setting and the file.
    pub(crate) fn read(&self) -> Result<Arc<ServerConfig>, String> {
        let Self { chain, key } = self;
        let chain_der = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain_der = chain_der.map_err(|error| wrong("--tls-cert", chain, &error, "certificate"))?;
        if chain_der.is_empty() {
            return Err(wrong("--tls-cert", chain, &pem::Error::NoItemsFound, "certificate"));
        }
        let key_der = PrivateKeyDer::from_pem_file(key);
        let key_der =
            key_der.map_err(|error| wrong("--tls-key", key, &error, "private key without a passphrase"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain_der, key_der));
        let mut config = config.map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                format!(
                    "--tls-key {}: the key is not that of the certificate in {}",
                    key.display(),
                    chain.display()
                )
            }
            error => format!(
                "--tls-cert {} and --tls-key {} can't be used: {error}",
                chain.display(),
                key.display()
            ),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn wrong(setting: &str, file: &Path, error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("{setting} {}: {error}", file.display()),
        _ => format!("{setting} {}: it has no {what} in PEM", file.display()),
    }
}

/// The connections of a TCP listener, once they speak TLS.
pub(crate) struct Tls {
    listener: Listener,
    config: watch::Receiver<Arc<ServerConfig>>,
    handshakes: JoinSet<Option<Secured>>,
    /// The handshakes in the order in which they began. Some may have ended.
    begun: VecDeque<AbortHandle>,
    /// How many of them there may be at a time.
    most: usize,
    counts: Handshakes,
}

/// How long a handshake may take.
const WITHIN: Duration = Duration::from_secs(10);

/// How many handshakes there may be at a time. One more replaces the oldest, so that a client that begins many
/// handshakes does not keep others out.
const MAX_HANDSHAKES: usize = 1024;

type Io = TlsStream<WriteDeadline<TcpStream>>;

/// A connection after its handshake, and the address at its other end.
struct Secured(Io, Option<SocketAddr>);

impl Tls {
    /// Each handshake takes the configuration that is there when it begins.
    pub(crate) fn new(
        listener: Listener,
        config: watch::Receiver<Arc<ServerConfig>>,
        counts: Handshakes,
    ) -> Self {
        Self {
            listener,
            config,
            handshakes: JoinSet::new(),
            begun: VecDeque::new(),
            most: MAX_HANDSHAKES,
            counts,
        }
    }

    fn begin(&mut self, stream: WriteDeadline<TcpStream>, peer: Option<SocketAddr>) {
        if self.begun.len() >= self.most {
            self.begun.retain(|handshake| !handshake.is_finished());
        }
        if self.begun.len() >= self.most
            && let Some(oldest) = self.begun.pop_front()
        {
            oldest.abort();
            self.counts.count(Unsecured::Replaced);
        }
        let acceptor = TlsAcceptor::from(self.config.borrow().clone());
        let counts = self.counts.clone();
        let handshake = self.handshakes.spawn(async move {
            let secured = timeout(WITHIN, shake_hands(acceptor, stream)).await;
            match secured.unwrap_or(Err(Unsecured::Slow)) {
                Ok(io) => Some(Secured(io, peer)),
                Err(reason) => {
                    counts.count(reason);
                    None
                }
            }
        });
        self.begun.push_back(handshake);
    }
}

impl Accept for Tls {
    type Io = Io;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(Io, Option<SocketAddr>)> {
        loop {
            // Failed handshakes are skipped.
            while let Poll::Ready(Some(ended)) = self.handshakes.poll_join_next(cx) {
                if let Ok(Some(Secured(io, peer))) = ended {
                    return Poll::Ready((io, peer));
                }
            }
            let (stream, peer) = ready!(self.listener.poll_accept(cx));
            self.begin(stream, peer);
        }
    }
}

async fn shake_hands(acceptor: TlsAcceptor, mut stream: WriteDeadline<TcpStream>) -> Result<Io, Unsecured> {
    let mut first = [0];
    stream.get_ref().peek(&mut first).await.map_err(|_| Unsecured::Failed)?;
    // A TLS record begins with its type, which is not a letter.
    if first[0].is_ascii_alphabetic() {
        refuse_http(&mut stream).await;
        return Err(Unsecured::PlainHttp);
    }
    acceptor.accept(stream).await.map_err(|error| {
        tracing::debug!(%error, "a TLS handshake failed");
        Unsecured::Failed
    })
}

/// Answers a client that speaks plain http to this port.
async fn refuse_http(stream: &mut WriteDeadline<TcpStream>) {
    /// Of a request that is read, so that the answer arrives before the connection is closed.
    const MOST: u64 = 64 * 1024;

    let text = "this port speaks https; write https:// in the URL\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{text}",
        text.len()
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() && stream.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut stream.take(MOST), &mut tokio::io::sink()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;
    use crate::serve::traffic::Traffic;

    /// A configuration, and a client that trusts it.
    fn configuration() -> (Arc<ServerConfig>, TlsConnector) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (folder.path().join("chain"), folder.path().join("key"));
        std::fs::write(&chain, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Certificate { chain, key }.read().unwrap(), TlsConnector::from(Arc::new(client)))
    }

    #[tokio::test]
    async fn a_new_handshake_takes_the_place_of_the_oldest() {
        let (config, client) = configuration();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_sender, receiver) = watch::channel(config);
        let mut tls = Tls::new(listener.into(), receiver, Traffic::new().handshakes);
        tls.most = 2;
        let accepting = tokio::spawn(async move { poll_fn(|cx| tls.poll_accept(cx)).await });
        let mut oldest = TcpStream::connect(address).await.unwrap();
        let second = TcpStream::connect(address).await.unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let own = stream.local_addr().unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let _stream = client.connect(name, stream).await.unwrap();
        assert_eq!(accepting.await.unwrap().1, Some(own));
        assert_eq!(oldest.read(&mut [0]).await.unwrap(), 0, "it is closed");
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_takes_too_long_ends() {
        let (config, _) = configuration();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_sender, receiver) = watch::channel(config);
        let mut tls = Tls::new(listener.into(), receiver, Traffic::new().handshakes);
        let _accepting = tokio::spawn(async move { poll_fn(|cx| tls.poll_accept(cx)).await });
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0, "it is closed");
    }
}
