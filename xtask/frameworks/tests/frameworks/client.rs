//! A client that sees each chunk of a body as it comes.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::SOON;

/// The response to one request for the stream.
pub(crate) struct Client {
    head: String,
    socket: BufReader<TcpStream>,
    /// The bytes of the body that have come and were not read yet.
    text: String,
}

impl Client {
    pub(crate) async fn get(address: SocketAddr, headers: &str) -> Self {
        Self::get_path(address, "/events", headers).await
    }

    pub(crate) async fn get_path(address: SocketAddr, path: &str, headers: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let (socket, text) = (BufReader::new(socket), String::new());
        let mut client = Self { head: String::new(), socket, text };
        while !client.head.ends_with("\r\n\r\n") {
            let read = client.socket.read_line(&mut client.head);
            let length = timeout(SOON, read).await.expect("a response comes").unwrap();
            assert!(length > 0, "{:?}", client.head);
        }
        client
    }

    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The next chunk; empty at the proper end of the body.
    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        let read = async {
            let mut size = String::new();
            self.socket.read_line(&mut size).await.unwrap();
            let size = usize::from_str_radix(size.trim(), 16).expect("a body of chunks, not cut");
            let mut chunk = vec![0; size + 2];
            self.socket.read_exact(&mut chunk).await.unwrap();
            chunk.truncate(size);
            chunk
        };
        timeout(SOON, read).await.expect("more of the body comes")
    }

    /// The next line; `None` at the proper end of the body.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let line = line.to_owned();
                self.text = rest.to_owned();
                return Some(line);
            }
            let chunk = self.chunk().await;
            if chunk.is_empty() {
                return None;
            }
            self.text += std::str::from_utf8(&chunk).expect("whole characters");
        }
    }

    /// The rest of the next line that begins like this.
    pub(crate) async fn until(&mut self, beginning: &str) -> String {
        loop {
            let line = self.line().await.expect("the body goes on");
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }
}
