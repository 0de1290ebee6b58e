//! How servers are reached: which certificates are trusted, and through which socket.

#[cfg(unix)]
use std::fs;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use clap::Args;
use sse_client::reqwest::ClientBuilder;

use crate::failure::Failure;
use crate::tls::{self, Trust};

/// How a client reaches its server.
#[derive(Args, Debug)]
pub(crate) struct Transport {
    #[command(flatten)]
    trust: Trust,
    /// Connect to this Unix socket, whatever the URL's host is
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", value_parser = clap::builder::ValueParser::new(socket_path))]
    unix_socket: Option<PathBuf>,
}

impl Transport {
    /// Which certificates are trusted.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The Unix socket that takes the place of the URL's host, if one is named.
    #[cfg(unix)]
    pub(crate) fn unix_socket(&self) -> Option<&Path> {
        self.unix_socket.as_deref()
    }

    /// The settings of a client that fit event streams, and reach the server in this way.
    pub(crate) fn client_builder(&self) -> Result<ClientBuilder, Failure> {
        let mut builder = sse_client::client_builder();
        if !self.trust.is_the_systems() {
            builder = builder.tls_backend_preconfigured(self.trust.config(&[tls::HTTP_2, tls::HTTP_1])?);
        }
        #[cfg(unix)]
        if let Some(path) = &self.unix_socket {
            builder = builder.unix_socket(path.as_path());
        }
        Ok(builder)
    }
}

/// Returns the path, if a socket or nothing is there.
#[cfg(unix)]
fn socket_path(text: &str) -> Result<PathBuf, String> {
    use std::os::unix::fs::FileTypeExt as _;

    if text.is_empty() {
        return Err("give the path that the server listens on".to_owned());
    }
    let path = Path::new(text);
    std::os::unix::net::SocketAddr::from_pathname(path).map_err(|error| error.to_string())?;
    match fs::metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err("it is not a socket; give the path that the server listens on".to_owned())
        }
        _ => Ok(path.to_owned()),
    }
}
