//! Where the server is: the address that a URL stands for.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderValue};
use sse_client::reqwest::Url;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::bench::connection::{self, Target};
use crate::bench::sources::{Server, Sources};
use crate::bench::stream::Tls;
use crate::failure::Failure;
use crate::transport::Transport;

/// How long an address has to take a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The address of a server that takes connections, and what its requests are for.
#[derive(Debug)]
pub(super) struct Place {
    url: Url,
    server: Server,
    host: HeaderValue,
    /// If the URL is one of https.
    tls: Option<Tls>,
}

impl Place {
    /// Finds an address that takes connections.
    pub(super) async fn find(url: Url, transport: &Transport) -> Result<Self, Failure> {
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "a name and a password in the URL are not sent; give a header: -H 'Authorization: …'";
            return Err(Failure::usage(hint));
        }
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
        let host_header = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let host_header = HeaderValue::from_str(&host_header);
        let host_header =
            host_header.map_err(|error| Failure::usage(format!("the host of {url}: {error}")))?;
        let tls = (url.scheme() == "https").then(|| Tls::new(name(host), transport.trust())).transpose()?;
        let server = server(host, port, transport).await?;
        Ok(Self { url, server, host: host_header, tls })
    }

    /// The event stream.
    pub(super) fn stream(&self, headers: HeaderMap) -> Result<Target, Failure> {
        self.target(&self.url, headers)
    }

    /// Where to publish to it.
    pub(super) fn publishing(&self, headers: HeaderMap) -> Result<Target, Failure> {
        self.target(&publishing_url(&self.url), headers)
    }

    fn target(&self, url: &Url, headers: HeaderMap) -> Result<Target, Failure> {
        let path =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let uri = path.parse::<Uri>();
        let uri = uri.map_err(|error| Failure::usage(format!("{path} can't be asked for: {error}")))?;
        let headers = connection::headers(headers, self.host.clone());
        let tls = self.tls.clone();
        Ok(Target { sources: Sources::new(self.server.clone()), tls, uri, headers })
    }
}

/// Returns the URL without the parameters of a subscriber.
fn publishing_url(url: &Url) -> Url {
    let others = url.query_pairs().filter(|(name, _)| name != "lastEventId");
    let others: Vec<_> = others.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let mut url = url.clone();
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    url
}

/// The server of this name and port, or the one at the Unix socket that the user names; it takes connections.
async fn server(host: &str, port: u16, transport: &Transport) -> Result<Server, Failure> {
    #[cfg(unix)]
    if let Some(path) = transport.unix_socket() {
        let server = Server::Unix(path.to_owned());
        return match timeout(CONNECT, Sources::new(server.clone()).connect(0)).await {
            Ok(Ok(_)) => Ok(server),
            Ok(Err(error)) => Err(no_connection(&server, &error.to_string())),
            Err(_) => Err(no_connection(&server, &too_late(&server))),
        };
    }
    #[cfg(not(unix))]
    let _ = transport;
    let addresses = lookup_host((name(host), port)).await;
    let addresses =
        addresses.map_err(|error| Failure::failed(format!("{} has no address: {error}", name(host))))?;
    let mut addresses: Vec<_> = addresses.collect();
    // On this machine, IPv4 allows more connections.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let server = reachable(&addresses).await;
    server.map(Server::Tcp).map_err(|error| no_connection(&format_args!("{host}:{port}"), &error))
}

/// The host without the brackets that an IPv6 address has in a URL.
fn name(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn no_connection(server: &dyn fmt::Display, error: &str) -> Failure {
    Failure::failed(format!("no connection to {server}: {error}; is the server running?"))
}

async fn reachable(addresses: &[SocketAddr]) -> Result<SocketAddr, String> {
    let mut reason = "it has no address".to_owned();
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(*address),
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => reason = too_late(address),
        }
    }
    Err(reason)
}

fn too_late(server: &dyn fmt::Display) -> String {
    format!("{server} does not answer within {} s", CONNECT.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_publishing(url: &str, expected: &str) {
        assert_eq!(publishing_url(&url.parse().unwrap()).as_str(), expected);
    }

    #[test]
    fn what_only_a_subscriber_says_is_not_said_when_publishing() {
        check_publishing("http://hub/topics/a", "http://hub/topics/a");
        check_publishing("http://hub/topics/a?lastEventId=7", "http://hub/topics/a");
        check_publishing("http://hub/topics/a?x=1%262&lastEventId=7&y=2", "http://hub/topics/a?x=1%262&y=2");
    }
}
