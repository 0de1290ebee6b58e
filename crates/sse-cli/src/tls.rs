//! TLS of clients: which certificates of servers are trusted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, WantsVerifier,
};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::failure::Failure;

/// The names of protocols for ALPN.
pub(crate) const HTTP_1: &[u8] = b"http/1.1";
pub(crate) const HTTP_2: &[u8] = b"h2";

/// How large a file of certificates may be. That of a system has some 200 KiB.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Which certificates of servers are trusted; by default, those that the system trusts.
#[derive(Args, Debug)]
pub(crate) struct Trust {
    /// Trust the certificates in this file (PEM), and no others
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Trust any certificate: the server may be anybody
    #[arg(short = 'k', long)]
    insecure: bool,
}

impl Trust {
    /// Returns whether the system decides which certificates are trusted.
    pub(crate) fn is_the_systems(&self) -> bool {
        self.cacert.is_none() && !self.insecure
    }

    /// The settings of connections that speak one of these protocols, the best first.
    pub(crate) fn config(&self, protocols: &[&[u8]]) -> Result<ClientConfig, Failure> {
        let provider = Arc::new(ring::default_provider());
        let builder = || -> ConfigBuilder<ClientConfig, WantsVerifier> {
            let builder = ClientConfig::builder_with_provider(provider.clone());
            builder.with_safe_default_protocol_versions().expect("ring has ciphers for both versions of TLS")
        };
        let config = if self.insecure {
            builder().dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider.clone())))
        } else if let Some(file) = &self.cacert {
            let named = Named::read(file, &provider)
                .map_err(|error| Failure::usage(format!("--cacert {}: {error}", file.display())))?;
            builder().dangerous().with_custom_certificate_verifier(Arc::new(named))
        } else {
            // A system without certificates trusts no server. Each connection then fails with that reason.
            builder()
                .with_platform_verifier()
                .unwrap_or_else(|_| builder().with_root_certificates(RootCertStore::empty()))
        };
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

/// What to do about a certificate that is not trusted, if the error is about one; it follows the error's text.
pub(crate) fn hint(error: &str) -> &'static str {
    if error.contains("invalid peer certificate") {
        "; --cacert FILE trusts the certificates in a file, --insecure trusts any"
    } else {
        ""
    }
}

/// Trusts the certificates of a file: those of authorities, and those of servers.
#[derive(Debug)]
struct Named {
    certificates: Vec<CertificateDer<'static>>,
    by_authority: Arc<WebPkiServerVerifier>,
}

impl Named {
    fn read(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let certificates = certificates(file)?;
        let mut roots = RootCertStore::empty();
        for (number, certificate) in (1..).zip(&certificates) {
            let added = roots.add(certificate.clone());
            added.map_err(|error| format!("certificate {number} in it can't be used: {error}"))?;
        }
        let by_authority = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let by_authority = by_authority.build().map_err(|error| error.to_string())?;
        Ok(Self { certificates, by_authority })
    }
}

/// Returns the certificates in a file: at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let metadata = fs::metadata(file).map_err(|error| error.to_string())?;
    // Reading a pipe could take for ever.
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err("it is not a file of certificates".to_owned());
    }
    let text = fs::read(file).map_err(|error: io::Error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| format!("it is not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("there is no certificate in it; one begins with -----BEGIN CERTIFICATE-----".to_owned());
    }
    Ok(certificates)
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_authority =
            self.by_authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match by_authority {
            // `openssl req -x509` makes a certificate of an authority, which webpki does not take for a server's. The one
            // in the file is meant all the same. That it is still valid was checked before.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.certificates.iter().any(|named| named == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}

/// Trusts any certificate, without a check.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
