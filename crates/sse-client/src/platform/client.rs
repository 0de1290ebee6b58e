//! The settings of clients that fit event streams.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

/// A client that leaves redirects to the event source, which knows what is secret.
pub(crate) fn client() -> reqwest::Result<Client> {
    client_builder().redirect(redirect::Policy::none()).build()
}

/// How many headers a response may have. Browsers take several hundred, hyper 100.
const MAX_HEADERS: usize = 1000;

/// Returns the settings of a reqwest client that fit event streams: those of the clients that this crate makes. What
/// else a client needs is set on top.
///
/// - 10 s for a server to accept a connection.
/// - HTTP/2: a PING every 30 s, also on an idle connection, which is closed if nothing comes for 20 s. A connection that
///   is dead while its TCP lives would else be given to the next attempt, and to every one after it.
/// - HTTP/2: 1 MiB in flight for each stream, and no common bound. reqwest's own bound is 5 MiB for a connection: three
///   streams that nobody reads use it up, and all other streams on that connection stand still.
/// - HTTP/1.1: 1000 headers. HTTP/2: 256 KiB of headers.
/// - With the feature `default-tls`: rustls, with the certificates that the system trusts, on the provider of
///   cryptography that the program has [installed](https://docs.rs/rustls/0.23/rustls/crypto/struct.CryptoProvider.html),
///   or else on ring.
///
/// Setters of the builder that add certificates have no effect: give it a configuration of rustls by
/// [`tls_backend_preconfigured`](reqwest::ClientBuilder::tls_backend_preconfigured) instead.
///
/// `reqwest::Client::new` does not work with this crate's `default-tls` alone: reqwest then panics, because it knows no
/// provider. Use this function, turn on a TLS feature of your own reqwest (its default has aws-lc), or install a
/// provider.
///
/// Unlike the clients that this crate makes, it follows redirects as reqwest does: see
/// [`max_redirects`](crate::EventSourceBuilder::max_redirects).
///
/// ```no_run
/// use sse_client::EventSource;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// // One client, which all sources share.
/// let client = sse_client::client_builder().user_agent("dashboard/1.0").build()?;
/// for topic in ["news", "prices"] {
///     let request = client.get(format!("https://example.com/{topic}")).build()?;
///     let source = EventSource::builder(client.clone(), request).build()?;
/// }
/// # Ok(())
/// # }
/// ```
pub fn client_builder() -> ClientBuilder {
    let builder = Client::builder().connect_timeout(Duration::from_secs(10)).http1_max_headers(MAX_HEADERS);
    #[cfg(feature = "default-tls")]
    let builder = builder.tls_backend_preconfigured(tls());
    #[cfg(feature = "http2")]
    let builder = builder
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(20))
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(1024 * 1024)
        // The greatest that there is (RFC 9113, 6.9.1): each stream is bounded by its own.
        .http2_initial_connection_window_size(i32::MAX.unsigned_abs())
        .http2_max_header_list_size(256 * 1024);
    builder
}

/// TLS with the certificates that the system trusts.
#[cfg(feature = "default-tls")]
fn tls() -> rustls::ClientConfig {
    use std::sync::Arc;

    use rustls::crypto::{CryptoProvider, ring};
    use rustls::{ClientConfig, RootCertStore};
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let provider =
        CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let builder = || {
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions();
        // A provider of the program's may have no cipher for them.
        builder.unwrap_or_else(|_| {
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            builder.with_safe_default_protocol_versions().expect("ring has ciphers for both versions of TLS")
        })
    };
    // A system without certificates trusts no server, which each attempt says.
    let config = builder()
        .with_platform_verifier()
        .unwrap_or_else(|_| builder().with_root_certificates(RootCertStore::empty()));
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = if cfg!(feature = "http2") { vec![b"h2".to_vec()] } else { Vec::new() };
    config.alpn_protocols.push(b"http/1.1".to_vec());
    config
}
