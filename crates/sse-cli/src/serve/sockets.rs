//! Where the hub listens: at addresses of TCP, and at Unix sockets.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use sse_server::{Connections, Listener};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::tls::Tls;
use super::traffic::Traffic;
use crate::failure::Failure;

/// An address to listen on, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// `127.0.0.1:8080`, or with the name of a host.
    Tcp(String),
    /// `unix:/run/sse/socket`
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(text.to_owned()),
        })
    }
}

/// A socket that listens.
pub(crate) enum Socket {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, unix::SocketFile),
}

/// Which programs can reach the hub by its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Programs on this machine only.
    ThisMachine,
    Anywhere,
}

impl Address {
    /// Listens there, if the address has the allowed reach.
    pub(crate) async fn bind(&self, reach: Reach) -> Result<Socket, Failure> {
        match self {
            Self::Tcp(address) => bind_tcp(address, reach).await,
            #[cfg(unix)]
            Self::Unix(path) => unix::bind(path).await,
            #[cfg(not(unix))]
            Self::Unix(_) => Err(Failure::usage("there are no Unix sockets on this system")),
        }
    }
}

async fn bind_tcp(listen: &str, reach: Reach) -> Result<Socket, Failure> {
    let addresses = tokio::net::lookup_host(listen).await.map_err(|error| {
        Failure::usage(format!(
            "`{listen}` is not an address to listen on ({error}); write it as 127.0.0.1:8080, or unix:PATH"
        ))
    })?;
    let addresses: Vec<SocketAddr> = addresses.collect();
    if reach == Reach::ThisMachine && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(Failure::usage(format!(
            "{listen} can be reached from other machines, and everybody could publish: give --token-file or \
             --jwt-keys; the lines of the file may be `publish *` and `subscribe *` if that is meant"
        )));
    }
    let listener = TcpListener::bind(&*addresses).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::failed(format!(
            "{listen} is in use by another program; end it, or choose another port with --listen"
        )),
        _ => Failure::failed(format!("can't listen on {listen}: {error}")),
    })?;
    let address = listener.local_addr().map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Socket::Tcp(listener, address))
}

impl Socket {
    /// Returns the place of the hub at this socket.
    fn place(&self, scheme: &str) -> Place {
        match self {
            Self::Tcp(_, address) => Place::Url(format!("{scheme}://{address}")),
            #[cfg(unix)]
            Self::Unix(_, file) => Place::Unix(file.path().to_owned()),
        }
    }

    /// Its connections, which are counted; those of TCP by TLS, if there is a configuration of it.
    pub(crate) fn connections(
        self,
        tls: Option<&watch::Receiver<Arc<ServerConfig>>>,
        traffic: &Traffic,
    ) -> (Connections, Option<File>) {
        match (self, tls) {
            (Self::Tcp(listener, _), None) => (Connections::from(listener).count_in(&traffic.tcp), None),
            (Self::Tcp(listener, _), Some(tls)) => {
                let listener = Listener::from(listener).count_in(&traffic.tls);
                let tls = Tls::new(listener, tls.clone(), traffic.handshakes.clone());
                (Connections::of(tls).count_in(&traffic.tls), None)
            }
            #[cfg(unix)]
            (Self::Unix(listener, file), _) => {
                (Connections::from(listener).count_in(&traffic.unix), Some(file))
            }
        }
    }
}

/// The file of a socket, which is removed when this is dropped.
#[cfg(unix)]
pub(crate) type File = unix::SocketFile;
#[cfg(not(unix))]
pub(crate) type File = Infallible;

/// Where the hub is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places(Vec<Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Without a path.
    Url(String),
    #[cfg_attr(not(unix), expect(dead_code, reason = "Windows has none"))]
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "{url}/"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Places {
    /// Those of the sockets, where those of TCP speak http or https.
    pub(crate) fn of(sockets: &[Socket], scheme: &str) -> Self {
        Self(sockets.iter().map(|socket| socket.place(scheme)).collect())
    }

    /// Lines that use the hub.
    pub(crate) fn examples(&self) -> String {
        let is_url = |place: &&Place| matches!(place, Place::Url(_));
        match self.0.iter().find(is_url).or(self.0.first()) {
            Some(Place::Url(url)) => {
                // The scheme of addresses without one.
                let url = url.strip_prefix("http://").unwrap_or(url);
                format!("  sse listen {url}/topics/news\n  sse publish {url}/topics/news 'Hello'\n")
            }
            Some(Place::Unix(path)) => {
                let socket = format!("--unix-socket {}", path.display());
                format!(
                    "  sse listen {socket} http://localhost/topics/news\n  sse publish {socket} http://localhost/topics/news 'Hello'\n"
                )
            }
            None => String::new(),
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(Place::to_string).collect();
        f.write_str(&all.join(" and "))
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::path::{Path, PathBuf};

    use tokio::net::{UnixListener, UnixStream};

    use super::Socket;
    use crate::failure::Failure;

    /// The mode of the file: the user may connect, and the group, such as that of a proxy.
    const MODE: u32 = 0o660;

    /// The file of a socket. It is removed at the end, if it is still the one that was made.
    #[derive(Debug)]
    pub(crate) struct SocketFile {
        path: PathBuf,
        identity: Option<(u64, u64)>,
    }

    impl SocketFile {
        pub(crate) fn path(&self) -> &Path {
            &self.path
        }
    }

    impl Drop for SocketFile {
        fn drop(&mut self) {
            if self.identity.is_some() && identity(&self.path) == self.identity {
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    /// What tells a file from another one that has taken its place.
    fn identity(path: &Path) -> Option<(u64, u64)> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// Listens on the socket of this path. The file of a hub that was killed is replaced.
    pub(crate) async fn bind(path: &Path) -> Result<Socket, Failure> {
        let failed =
            |error: &io::Error| Failure::failed(format!("can't listen on unix:{}: {error}", path.display()));
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path).await?;
                UnixListener::bind(path)
            }
            bound => bound,
        };
        let listener = listener.map_err(|error| failed(&error))?;
        let file = SocketFile { path: path.to_owned(), identity: identity(path) };
        fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(|error| failed(&error))?;
        Ok(Socket::Unix(listener, file))
    }

    /// Removes a socket that nobody listens on.
    async fn remove_stale(path: &Path) -> Result<(), Failure> {
        let refuse = |why: &str| Failure::failed(format!("unix:{} {why}", path.display()));
        if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
            return Err(refuse(
                "is a file and not a socket; remove it, or choose another path with --listen",
            ));
        }
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
                .map_err(|error| refuse(&format!("is an old socket that can't be removed: {error}"))),
            _ => Err(refuse("is in use by another program; end it, or choose another path with --listen")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_tcp_or_a_path() {
        assert_eq!("127.0.0.1:80".parse(), Ok(Address::Tcp("127.0.0.1:80".to_owned())));
        assert_eq!("unix:/run/a".parse(), Ok(Address::Unix("/run/a".into())));
        let places = [Place::Unix("/run/a".into()), Place::Url("https://[::1]:1".to_owned())];
        assert_eq!(Places(places.to_vec()).to_string(), "unix:/run/a and https://[::1]:1/");
        assert!(Places(places.to_vec()).examples().starts_with("  sse listen https://[::1]:1/topics/news\n"));
        let of_socket = "  sse listen --unix-socket /run/a http://localhost/topics/news\n";
        assert!(Places(places[..1].to_vec()).examples().starts_with(of_socket));
    }
}
