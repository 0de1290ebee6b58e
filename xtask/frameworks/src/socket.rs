use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpListener;

/// On Linux the connections inherit these options of the listener.
pub fn prepare(listener: &TcpListener, write_deadline: Duration) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(write_deadline))
}
