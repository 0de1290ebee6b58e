//! Clients with settings that fit event streams.

use std::time::Duration;

#[cfg(feature = "gzip")]
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, redirect};

/// Returns a client that follows no redirects. The event source follows them, because it knows which headers may be
/// secret.
pub(crate) fn client() -> reqwest::Result<Client> {
    client_builder().redirect(redirect::Policy::none()).build()
}

/// How many headers a response may have. Browsers accept several hundred; hyper accepts 100 by default.
const MAX_HEADERS: usize = 1000;

/// Returns a builder of a reqwest client with settings that fit event streams. You can add your own settings.
///
/// The settings are:
///
/// - A server has 10 s to accept a connection.
/// - HTTP/2: a PING is sent every 30 s, also on an idle connection, and the connection is closed if nothing comes
///   within 20 s. Otherwise, a connection that is dead while its TCP connection stays open would be used for every
///   attempt.
/// - HTTP/2: 1 MiB in flight for each stream, without a common limit for the connection. reqwest's own limit is 5 MiB
///   for a connection: three streams that nobody reads use it up, and then stop all other streams of the connection.
/// - HTTP/1.1: 1000 headers. HTTP/2: 256 KiB of headers.
/// - No decompression by reqwest. With the feature `gzip`, this crate decompresses event streams, and the client asks for
///   them by `Accept-Encoding: gzip`.
/// - Feature `default-tls`: rustls with the certificates that the system trusts. It uses the provider of cryptography
///   that the program has [installed](https://docs.rs/rustls/0.23/rustls/crypto/struct.CryptoProvider.html), or else
///   ring.
///
/// The setters of the builder that add certificates have no effect. Pass a configuration of rustls to
/// [`tls_backend_preconfigured`](reqwest::ClientBuilder::tls_backend_preconfigured) instead.
///
/// `reqwest::Client::new` panics if this crate's `default-tls` is the only TLS feature, because reqwest then has no
/// provider of cryptography. Use this function, turn on a TLS feature of your own reqwest (its default uses aws-lc), or
/// install a provider.
///
/// The client follows redirects as reqwest does; see [`max_redirects`](crate::EventSourceBuilder::max_redirects). The
/// clients of [`EventSource::get`](crate::EventSource::get) follow none, because the source does.
///
/// ```no_run
/// use sse_client::EventSource;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// // All sources share one client.
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
    // reqwest decompresses only one of several codings, and hides that there were others. So this crate decompresses itself.
    let builder = builder.no_gzip().no_brotli().no_deflate().no_zstd();
    #[cfg(feature = "gzip")]
    let builder =
        builder.default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]));
    #[cfg(feature = "default-tls")]
    let builder = builder.tls_backend_preconfigured(tls());
    #[cfg(feature = "http2")]
    let builder = builder
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(20))
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(1024 * 1024)
        // The greatest window (RFC 9113, 6.9.1): each stream is limited by its own window.
        .http2_initial_connection_window_size(i32::MAX.unsigned_abs())
        .http2_max_header_list_size(256 * 1024);
    builder
}

/// Returns a configuration of TLS with the certificates that the system trusts.
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
        // A provider that the program has installed may have no cipher for these versions.
        builder.unwrap_or_else(|_| {
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            builder.with_safe_default_protocol_versions().expect("ring has ciphers for both versions of TLS")
        })
    };
    // If the system has no certificates, no server is trusted, and each attempt fails with that error.
    let config = builder()
        .with_platform_verifier()
        .unwrap_or_else(|_| builder().with_root_certificates(RootCertStore::empty()));
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = if cfg!(feature = "http2") { vec![b"h2".to_vec()] } else { Vec::new() };
    config.alpn_protocols.push(b"http/1.1".to_vec());
    config
}
