//! The client that sends a request: its address, also if there are proxies between.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::HeaderMap;
use ipnet::IpNet;

use super::forwarded::{self, Hops};

/// The client that sends a request. It is in the extensions of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// `None` if the connection has no address, such as one of a Unix socket.
    address: Option<IpAddr>,
    sender: Sender,
}

/// What is at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// The client itself, as far as is known.
    Itself,
    /// A trusted proxy.
    TrustedProxy,
}

/// The proxies that are believed about the addresses of clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<TrustedProxy>);

/// Where trusted proxies are: an address, a network, or the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrustedProxy {
    At(IpNet),
    Unix,
}

/// What limits are counted for. Clients with the same account share its limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    User(Box<str>),
    /// An address, or the /64 network of an IPv6 address, because one client has all of it.
    At(IpNet),
    /// The programs of this machine that use a Unix socket.
    Unix,
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let network = text.parse::<IpNet>().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
        network.map(|network| Self::At(network.trunc())).ok_or_else(|| {
            "write an address or a network as 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32, or unix".to_owned()
        })
    }
}

impl TrustedProxies {
    pub(crate) fn new(proxies: Vec<TrustedProxy>) -> Self {
        Self(proxies)
    }

    /// Returns the client of a request that came from `peer` (`None` for a Unix socket): the last address that is not a
    /// trusted proxy, as far as the proxies tell.
    pub(crate) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let peer = peer.map(|peer| peer.to_canonical());
        if !self.trust(peer) {
            return Client { address: peer, sender: Sender::Itself };
        }
        let named = [forwarded::x_forwarded_for(headers), forwarded::forwarded(headers)];
        let mut named = named.into_iter().flatten().map(|hops| self.resolve(peer, hops));
        let (first, second) = (named.next(), named.next());
        let address = match (first, second) {
            // A proxy adds one of the headers, and passes the other one on, which may be an attacker's.
            (Some(first), Some(second)) if first != second => peer,
            (first, _) => first.unwrap_or(peer),
        };
        Client { address, sender: Sender::TrustedProxy }
    }

    /// Returns the first address that is not a trusted proxy's. If an address can't be read, returns the proxy that
    /// gave it.
    fn resolve(&self, peer: Option<IpAddr>, hops: Hops) -> Option<IpAddr> {
        let mut address = peer;
        for hop in hops {
            if hop.is_none() || !self.trust(address) {
                break;
            }
            address = hop;
        }
        address
    }

    fn trust(&self, address: Option<IpAddr>) -> bool {
        self.0.iter().any(|proxy| match (proxy, address) {
            (TrustedProxy::At(network), Some(address)) => network.contains(&address),
            (TrustedProxy::Unix, None) => true,
            _ => false,
        })
    }
}

impl Client {
    /// Returns whether a trusted proxy has sent the request.
    pub(crate) fn is_proxied(&self) -> bool {
        self.sender == Sender::TrustedProxy
    }

    /// Returns its address, if it has one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Returns the account of its limits: its user, if there is one.
    pub(crate) fn account(&self, user: Option<&str>) -> Account {
        match (user, self.address) {
            (Some(user), _) => Account::User(user.into()),
            (None, Some(address)) => {
                let len = if address.is_ipv6() { 64 } else { 32 };
                Account::At(IpNet::new_assert(address, len).trunc())
            }
            (None, None) => Account::Unix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the address of a client. A line of headers is `x` for `X-Forwarded-For`, or `f` for `Forwarded`, and its value.
    #[track_caller]
    fn check(trusted: &[&str], peer: &str, lines: &[(&str, &str)], expected: &str) {
        let trusted = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for &(kind, value) in lines {
            let name = if kind == "x" { "x-forwarded-for" } else { "forwarded" };
            headers.append(name, value.parse().unwrap());
        }
        let client = TrustedProxies::new(trusted).client(peer.parse().ok(), &headers);
        let address = client.address().map_or("unix".to_owned(), |address| address.to_string());
        assert_eq!(address, expected, "{peer} {lines:?}");
    }

    #[test]
    fn only_a_trusted_proxy_tells_who_the_client_is() {
        check(&[], "10.0.0.1", &[("x", "203.0.113.7")], "10.0.0.1");
        check(&["10.0.0.0/8"], "192.0.2.1", &[("x", "203.0.113.7")], "192.0.2.1");
        check(&["10.0.0.1"], "10.0.0.1", &[("x", "203.0.113.7")], "203.0.113.7");
        check(&["10.0.0.1"], "10.0.0.1", &[("f", "for=203.0.113.7")], "203.0.113.7");
        check(&["10.0.0.1"], "10.0.0.1", &[], "10.0.0.1");
        check(&["2001:db8::/32"], "2001:db8::1", &[("f", "for=\"[2001:db9::1]\"")], "2001:db9::1");
        check(&["10.0.0.1"], "::ffff:10.0.0.1", &[("x", "203.0.113.7")], "203.0.113.7");
        check(&["unix"], "unix", &[("x", "203.0.113.7")], "203.0.113.7");
        check(&["10.0.0.1"], "unix", &[("x", "203.0.113.7")], "unix");
    }

    #[test]
    fn the_client_is_the_last_one_that_is_not_a_trusted_proxy() {
        let trusted = &["10.0.0.0/8", "192.0.2.1"];
        check(trusted, "10.0.0.1", &[("x", "9.9.9.9, 203.0.113.7, 192.0.2.1")], "203.0.113.7");
        check(trusted, "10.0.0.1", &[("x", "9.9.9.9"), ("x", "203.0.113.7, 10.0.0.2")], "203.0.113.7");
        check(trusted, "10.0.0.1", &[("f", "for=9.9.9.9, for=203.0.113.7, for=192.0.2.1")], "203.0.113.7");
        // All of them are proxies: the first one is the client.
        check(trusted, "10.0.0.1", &[("x", "10.0.0.3, 10.0.0.2")], "10.0.0.3");
    }

    #[test]
    fn an_unreadable_address_hides_no_client() {
        let trusted = &["10.0.0.0/8"];
        for garbage in ["unknown", "", "9.9.9.9, evil", "9.9.9.9 8.8.8.8"] {
            check(trusted, "10.0.0.1", &[("x", garbage)], "10.0.0.1");
        }
        check(trusted, "10.0.0.1", &[("x", "9.9.9.9, unknown, 10.0.0.2")], "10.0.0.2");
        check(trusted, "10.0.0.1", &[("f", "for=_hidden")], "10.0.0.1");
        // The proxy has set one of them, and a client may have sent the other.
        check(trusted, "10.0.0.1", &[("x", "203.0.113.7"), ("f", "for=9.9.9.9")], "10.0.0.1");
        check(trusted, "10.0.0.1", &[("x", "203.0.113.7"), ("f", "for=203.0.113.7")], "203.0.113.7");
    }

    #[test]
    fn bounds_are_for_a_user_or_a_network() {
        let account = |address: &str, user| {
            TrustedProxies::default().client(address.parse().ok(), &HeaderMap::new()).account(user)
        };
        assert_eq!(account("2001:db8::1", None), account("2001:db8::ffff:0:0:2", None));
        assert_ne!(account("2001:db8::1", None), account("2001:db8:0:1::1", None));
        assert_ne!(account("203.0.113.7", None), account("203.0.113.8", None));
        assert_eq!(account("::ffff:203.0.113.7", None), account("203.0.113.7", None));
        assert_eq!(account("unix", None), Account::Unix);
        assert_eq!(account("203.0.113.7", Some("ann")), account("203.0.113.8", Some("ann")));
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        assert_eq!("10.1.2.3/8".parse(), Ok(TrustedProxy::At("10.0.0.0/8".parse().unwrap())));
        assert_eq!("::1".parse(), Ok(TrustedProxy::At("::1/128".parse().unwrap())));
        assert_eq!("unix".parse(), Ok(TrustedProxy::Unix));
        for wrong in ["", "10.0.0.0/33", "proxy.example", "10.0.0", "*", "10.0.0.1:80"] {
            assert!(wrong.parse::<TrustedProxy>().is_err(), "{wrong}");
        }
    }
}
