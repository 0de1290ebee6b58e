//! Which of its own addresses a connection comes from.
//!
//! One address has some 28,000 ports for connections to the same server. All of 127.0.0.0/8 is this machine, so to a
//! server on it there may be more connections: from one address after the other.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
#[cfg(unix)]
use std::time::Duration;
use std::{fmt, io};

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpSocket, TcpStream};

use crate::bench::stream::Socket;

/// So many connections come from one address; others on this machine need ports too.
const PER_ADDRESS: usize = 20_000;

/// How many addresses are tried: with them, there may be more connections than files.
const ADDRESSES: u32 = 1000;

/// Where a server takes connections.
#[derive(Clone, Debug)]
pub(super) enum Server {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Opens connections to one server.
#[derive(Debug)]
pub(super) struct Sources {
    server: Server,
    /// The first address that has had ports, as far as it is known.
    first: AtomicU32,
}

impl Sources {
    pub(super) fn new(server: Server) -> Self {
        Self { server, first: AtomicU32::new(0) }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Opens the connection of the subscriber with this number.
    pub(super) async fn connect(&self, subscriber: usize) -> io::Result<Socket> {
        match &self.server {
            Server::Tcp(server) => {
                let stream = self.connect_tcp(*server, subscriber).await?;
                // Without it, only time is lost.
                let _ = stream.set_nodelay(true);
                Ok(of_tcp(stream))
            }
            #[cfg(unix)]
            Server::Unix(path) => connect_unix(path).await.map(Socket::Right),
        }
    }

    async fn connect_tcp(&self, server: SocketAddr, subscriber: usize) -> io::Result<TcpStream> {
        if !server.is_ipv4() || !server.ip().is_loopback() {
            return TcpStream::connect(server).await;
        }
        let planned = u32::try_from(subscriber / PER_ADDRESS).unwrap_or(ADDRESSES);
        loop {
            let address = self.first.load(Ordering::Relaxed).max(planned);
            match connect_from(source(address), server).await {
                Err(error) if is_out_of_ports(&error) && address < ADDRESSES => {
                    self.first.fetch_max(address + 1, Ordering::Relaxed);
                }
                connected => return connected,
            }
        }
    }
}

#[cfg(unix)]
fn of_tcp(stream: TcpStream) -> Socket {
    Socket::Left(stream)
}

#[cfg(not(unix))]
fn of_tcp(stream: TcpStream) -> Socket {
    stream
}

async fn connect_from(source: Option<Ipv4Addr>, server: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(server).await };
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(server).await
}

/// Connects to a Unix socket. While its queue is full, the system refuses connections, where those of TCP would wait.
#[cfg(unix)]
async fn connect_unix(path: &std::path::Path) -> io::Result<UnixStream> {
    /// How soon it is tried again.
    const PAUSE: Duration = Duration::from_millis(2);

    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(PAUSE).await,
            connected => return connected,
        }
    }
}

/// The address with this number; for the first, it is left to the system, which then needs fewer ports.
fn source(address: u32) -> Option<Ipv4Addr> {
    (address > 0).then(|| Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + address))
}

/// Returns whether there is no port left: for a connection to this server, or on this address.
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
        let server = listener.local_addr().unwrap();
        let sources = Sources { server: Server::Tcp(server), first: first.into() };
        let connection = sources.connect_tcp(server, subscriber).await.unwrap();
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
        let error = Sources::new(Server::Tcp(free)).connect(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }

    /// More connections at once than the queue of the socket has room for.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_full_queue_of_a_unix_socket_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = tokio::net::UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(1).unwrap();
        let sources = std::sync::Arc::new(Sources::new(Server::Unix(path)));
        let connecting: Vec<_> = (0..20)
            .map(|subscriber| {
                let sources = sources.clone();
                tokio::spawn(async move { sources.connect(subscriber).await })
            })
            .collect();
        let accepting = tokio::spawn(async move {
            let mut accepted = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.push(stream);
            }
        });
        for connection in connecting {
            assert!(connection.await.unwrap().is_ok());
        }
        accepting.abort();
    }
}
