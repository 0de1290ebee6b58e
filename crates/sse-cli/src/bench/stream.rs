//! The bytes of a connection, in TLS or not.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::failure::Failure;
use crate::tls::{self, Trust};

/// A connection to a server, by TCP or through a Unix socket.
#[cfg(unix)]
pub(super) type Socket = Either<TcpStream, UnixStream>;
#[cfg(not(unix))]
pub(super) type Socket = TcpStream;

/// The stream of a connection. TLS is boxed, so that the many others don't need the room.
pub(super) type Stream = Either<Socket, Box<TlsStream<Socket>>>;

/// How connections begin TLS.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// TLS with the server of this name, or of this address.
    pub(super) fn new(name: &str, trust: &Trust) -> Result<Self, Failure> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| Failure::usage(format!("{name} can't be the name in a certificate: {error}")))?;
        // Each subscriber has a connection of its own, as with HTTP/1.1 in the clear.
        let config = trust.config(&[tls::HTTP_1])?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Begins TLS on a connection.
    pub(super) async fn begin(&self, socket: Socket) -> io::Result<Stream> {
        let stream = self.connector.connect(self.name.clone(), socket).await?;
        Ok(Either::Right(Box::new(stream)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}
