//! Which of its own addresses a connection comes from.
//!
//! One address has some 28,000 ports for connections to the same server. All of 127.0.0.0/8 is this machine, so to a
//! server on it there may be more connections: from one address after the other.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{TcpSocket, TcpStream};

/// So many connections come from one address; others on this machine need ports too.
const PER_ADDRESS: usize = 20_000;

/// How many addresses are tried: with them, there may be more connections than files.
const ADDRESSES: u32 = 1000;

/// Opens connections to one server.
#[derive(Debug)]
pub(super) struct Sources {
    server: SocketAddr,
    /// The first address that has had ports, as far as it is known.
    first: AtomicU32,
}

impl Sources {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self { server, first: AtomicU32::new(0) }
    }

    /// Opens the connection of the subscriber with this number.
    pub(super) async fn connect(&self, subscriber: usize) -> io::Result<TcpStream> {
        let SocketAddr::V4(server) = self.server else { return self.connect_from(None).await };
        if !server.ip().is_loopback() {
            return self.connect_from(None).await;
        }
        let planned = u32::try_from(subscriber / PER_ADDRESS).unwrap_or(ADDRESSES);
        loop {
            let address = self.first.load(Ordering::Relaxed).max(planned);
            match self.connect_from(source(address)).await {
                Err(error) if is_out_of_ports(&error) && address < ADDRESSES => {
                    self.first.fetch_max(address + 1, Ordering::Relaxed);
                }
                connected => return connected,
            }
        }
    }

    async fn connect_from(&self, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
        let Some(source) = source else { return TcpStream::connect(self.server).await };
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        socket.connect(self.server).await
    }
}

/// The address with this number; for the first, it is left to the system, which then needs fewer ports.
fn source(address: u32) -> Option<Ipv4Addr> {
    (address > 0).then(|| Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + address))
}

/// Whether there is no port left: for a connection to this server, or on this address.
pub(super) fn is_out_of_ports(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[track_caller]
    fn check_source(address: u32, expected: Option<[u8; 4]>) {
        assert_eq!(source(address), expected.map(Ipv4Addr::from), "{address}");
    }

    #[test]
    fn each_address_is_one_of_this_machine() {
        check_source(0, None);
        check_source(1, Some([127, 0, 0, 2]));
        check_source(255, Some([127, 0, 1, 0]));
        check_source(ADDRESSES, Some([127, 0, 3, 233]));
    }

    /// The address that the subscriber with this number comes from, when those before `first` are out of ports.
    async fn source_of(subscriber: usize, first: u32) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sources = Sources { server: listener.local_addr().unwrap(), first: first.into() };
        let connection = sources.connect(subscriber).await.unwrap();
        let (_accepted, peer) = listener.accept().await.unwrap();
        assert_eq!(connection.local_addr().unwrap(), peer);
        peer
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_server_on_this_machine_has_subscribers_from_many_addresses() {
        for (subscriber, first, expected) in [
            (0, 0, [127, 0, 0, 1]),
            (PER_ADDRESS - 1, 0, [127, 0, 0, 1]),
            (PER_ADDRESS, 0, [127, 0, 0, 2]),
            (0, 3, [127, 0, 0, 4]),
            (PER_ADDRESS, 3, [127, 0, 0, 4]),
        ] {
            assert_eq!(
                source_of(subscriber, first).await.ip(),
                Ipv4Addr::from(expected),
                "{subscriber} {first}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_for_want_of_ports_is_told_at_once() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = Sources::new(free).connect(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
