//! How `listen`, `publish` and `bench` reach their servers: over TLS, and through Unix sockets.

#![cfg(unix)]

mod common;

use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use common::{Hub, assert_fails, run};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A hub, and proxies that pass everything on to it.
struct Place {
    hub: Hub,
    runtime: Runtime,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { hub: Hub::start(&[]), runtime: Runtime::new().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Ends TLS with this certificate, and gives the URL of a topic there.
    fn over_tls(&self, chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> String {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let hub = self.hub.address.clone();
        self.runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, hub) = (acceptor.clone(), hub.clone());
                tokio::spawn(async move { forward(acceptor.accept(stream).await?, &hub).await });
            }
        });
        format!("https://localhost:{port}/topics/news")
    }

    /// Listens at a Unix socket, and gives its path.
    fn at_socket(&self) -> String {
        let path = self.folder.path().join("socket");
        let _guard = self.runtime.enter();
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let hub = self.hub.address.clone();
        self.runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let hub = hub.clone();
                tokio::spawn(async move { forward(stream, &hub).await });
            }
        });
        path.to_str().unwrap().to_owned()
    }
}

async fn forward(mut stream: impl AsyncRead + AsyncWrite + Unpin, hub: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(hub).await?;
    copy_bidirectional(&mut stream, &mut server).await.map(drop)
}

/// Publishes an event, reads it, and measures, all at this URL with these arguments.
#[track_caller]
fn assert_reached(url: &str, arguments: &[&str]) {
    let published = run(&[&["publish", url, "Hello"], arguments].concat());
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    let listen =
        ["listen", url, "--data", "--type", "message", "-n", "1", "--last-event-id", "from-the-start"];
    let listened = run(&[&listen, arguments].concat());
    assert_eq!(String::from_utf8_lossy(&listened.stdout), "Hello\n", "{listened:?}");
}

const BENCH: [&str; 8] = ["-n", "3", "--publish", "50", "--duration", "200ms", "--json", "--quiet"];

#[test]
fn certificates_that_are_named_are_trusted() {
    let place = Place::new();
    let names = || CertificateParams::new(["localhost".to_owned()]).unwrap();
    let authority_key = KeyPair::generate().unwrap();
    let mut params = names();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let signed = names().signed_by(&key, &Issuer::new(params, authority_key)).unwrap();
    let alone = names().self_signed(&key).unwrap();

    let by_authority = place.over_tls(vec![signed.der().clone()], &key);
    let by_itself = place.over_tls(vec![alone.der().clone()], &key);
    let authority = place.file("authority", &authority.pem());
    let alone = place.file("alone", &format!("a comment\n{}", alone.pem()));
    for (url, right, wrong) in [(&by_authority, &authority, &alone), (&by_itself, &alone, &authority)] {
        assert_reached(url, &["--cacert", right]);
        assert_reached(url, &["--insecure"]);
        assert_reached(url, &["-k"]);
        let bench = run(&[&["bench", url, "--cacert", right], &BENCH[..]].concat());
        assert_eq!(bench.status.code(), Some(0), "{bench:?}");
        assert!(String::from_utf8(bench.stdout).unwrap().contains("\"connected\":3,"));
        let hint = "; --cacert FILE trusts the certificates in a file, --insecure trusts any\n";
        for trust in [&["--cacert", wrong][..], &[]] {
            assert_fails(&run(&[&["listen", url], trust].concat()), 1, hint);
            assert_fails(&run(&[&["publish", url, "a"], trust].concat()), 1, hint);
            assert_fails(&run(&[&["bench", url, "-n", "1"], trust].concat()), 1, "trusts any");
        }
    }
}

/// As `openssl req -x509` makes them.
#[test]
fn a_server_may_have_the_certificate_of_an_authority_if_it_is_the_one_that_is_named() {
    let place = Place::new();
    let certificate = |name: &str| {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap(), key)
    };
    let (own, key) = certificate("localhost");
    let url = place.over_tls(vec![own.der().clone()], &key);
    assert_reached(&url, &["--cacert", &place.file("own", &own.pem())]);
    let (other, _) = certificate("localhost");
    let other = place.file("other", &other.pem());
    assert_fails(&run(&["listen", &url, "--cacert", &other]), 1, "invalid peer certificate");

    let (elsewhere, key) = certificate("elsewhere.example");
    let url = place.over_tls(vec![elsewhere.der().clone()], &key);
    let elsewhere = place.file("elsewhere", &elsewhere.pem());
    assert_fails(&run(&["listen", &url, "--cacert", &elsewhere]), 1, "not valid for name");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let place = Place::new();
    let empty = "there is no certificate in it; one begins with -----BEGIN CERTIFICATE-----\n";
    let key = KeyPair::generate().unwrap().serialize_pem();
    let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for (content, text) in [
        ("", empty),
        ("\0\u{1}garbage", empty),
        (&key, empty),
        (garbage, "certificate 1 in it can't be used: "),
        ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n", "it is not PEM: "),
    ] {
        let file = place.file("file", content);
        for command in
            [&["listen", "https://a/"][..], &["publish", "https://a/", "a"], &["bench", "https://a/"]]
        {
            assert_fails(&run(&[command, &["--cacert", &file]].concat()), 2, text);
        }
    }
    let folder = place.folder.path().to_str().unwrap();
    assert_fails(&run(&["listen", "https://a/", "--cacert", folder]), 2, "it is not a file of certificates");
    assert_fails(
        &run(&["listen", "https://a/", "--cacert", "/nowhere"]),
        2,
        "--cacert /nowhere: No such file",
    );
    assert_fails(&run(&["listen", "https://a/", "--cacert", "/nowhere", "-k"]), 2, "cannot be used with");
}

#[test]
fn a_server_at_a_unix_socket_is_reached() {
    let place = Place::new();
    let socket = place.at_socket();
    // Whatever host the URL has.
    assert_reached("http://localhost/topics/news", &["--unix-socket", &socket]);
    assert_reached("http://localhost:1/topics/other", &["--unix-socket", &socket]);
}

#[test]
fn a_path_without_a_server_is_told() {
    #[track_caller]
    fn check(path: &str, code: i32, text: &str) {
        for command in [&["listen", "http://a/"][..], &["publish", "http://a/", "a"], &["bench", "http://a/"]]
        {
            assert_fails(&run(&[command, &["--unix-socket", path]].concat()), code, text);
        }
    }

    let place = Place::new();
    check(&place.file("file", ""), 2, "it is not a socket; give the path that the server listens on");
    check(place.folder.path().to_str().unwrap(), 2, "it is not a socket");
    check(&format!("/{}", "a".repeat(200)), 2, "'--unix-socket <PATH>'");
    check("", 2, "'--unix-socket <PATH>'");
    check("/nowhere/socket", 1, "No such file");
    let left: PathBuf = place.folder.path().join("left");
    drop(UnixListener::bind(&left).unwrap());
    check(left.to_str().unwrap(), 1, "Connection refused");
}
