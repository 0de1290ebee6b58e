//! Where the server is: the address behind a URL.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderValue};
use sse_client::reqwest::Url;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::bench::connection::{self, Target};
use crate::bench::sources::Sources;
use crate::bench::stream::Tls;
use crate::failure::Failure;
use crate::tls::Trust;

/// How long an address has to take a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The address of a server that takes connections, and what its requests are for.
#[derive(Debug)]
pub(super) struct Place {
    url: Url,
    server: SocketAddr,
    host: HeaderValue,
    /// If the URL is one of https.
    tls: Option<Tls>,
}

impl Place {
    /// Finds an address that takes connections.
    pub(super) async fn find(url: Url, trust: &Trust) -> Result<Self, Failure> {
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "a name and a password in the URL are not sent; give a header: -H 'Authorization: …'";
            return Err(Failure::usage(hint));
        }
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
        let host_header = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let host_header = HeaderValue::from_str(&host_header);
        let host_header =
            host_header.map_err(|error| Failure::usage(format!("the host of {url}: {error}")))?;
        // The brackets of an IPv6 address are the URL's.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let tls = (url.scheme() == "https").then(|| Tls::new(name, trust)).transpose()?;
        let addresses = lookup_host((name, port)).await;
        let addresses =
            addresses.map_err(|error| Failure::failed(format!("{name} has no address: {error}")))?;
        let mut addresses: Vec<_> = addresses.collect();
        // There are more connections to one on this machine by IPv4.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let server = reachable(&addresses).await.map_err(|error| {
            Failure::failed(format!("no connection to {host}:{port}: {error}; is the server running?"))
        })?;
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
        Ok(Target { sources: Sources::new(self.server), server: self.server, tls, uri, headers })
    }
}

/// The URL without what only a subscriber says.
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

async fn reachable(addresses: &[SocketAddr]) -> Result<SocketAddr, String> {
    let mut reason = "it has no address".to_owned();
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(*address),
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => reason = format!("{address} does not answer within {} s", CONNECT.as_secs()),
        }
    }
    Err(reason)
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
