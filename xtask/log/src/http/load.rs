//! The load generator: connections that stay open, each with one request at a time. It has one thread, so that it takes
//! no more than a CPU.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::server::Server;
use crate::Result;
use crate::times::Times;

/// How long the connections publish before they are measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// What is measured.
pub(crate) struct Load<'s> {
    pub(crate) server: &'s Server,
    pub(crate) connections: usize,
    /// Whether each connection has a topic of its own.
    pub(crate) is_apart: bool,
    pub(crate) payload: usize,
}

/// An open connection.
struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Load<'_> {
    pub(crate) fn run(&self, time: Duration) -> Result<Times> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.measure(time))
    }

    async fn measure(&self, time: Duration) -> Result<Times> {
        let (is_measured, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let body = "x".repeat(self.payload);
        let mut tasks = JoinSet::new();
        for number in 0..self.connections {
            let mut connection = Connection::open(self.server.port).await?;
            let topic = if self.is_apart { number } else { 0 };
            if let Some(put) = self.server.put(topic).filter(|_| self.is_apart || number == 0) {
                connection.request(put.as_bytes()).await?;
            }
            let post = self.server.post(topic, &body);
            let (is_measured, is_over) = (is_measured.clone(), is_over.clone());
            tasks.spawn(async move {
                let mut times = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    connection.request(post.as_bytes()).await?;
                    if is_measured.load(Ordering::Relaxed) {
                        times.push(begun.elapsed());
                    }
                }
                Result::Ok(times)
            });
        }
        tokio::time::sleep(WARM_UP).await;
        is_measured.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        tokio::time::sleep(time).await;
        is_measured.store(false, Ordering::Relaxed);
        let measured = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        while let Some(task) = tasks.join_next().await {
            times.append(&mut task??);
        }
        Ok(Times::new(times, measured))
    }
}

impl Connection {
    async fn open(port: u16) -> Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(1024) })
    }

    /// Sends a request, and reads the whole response, which must be a success.
    async fn request(&mut self, request: &[u8]) -> Result<()> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        while !is_whole(&self.buffer)? {
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server has closed the connection".into());
            }
        }
        Ok(())
    }
}

/// Whether these bytes are a whole response.
fn is_whole(bytes: &[u8]) -> Result<bool> {
    let text = str::from_utf8(bytes)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    if !head.starts_with("HTTP/1.1 2") {
        return Err(format!("the server refused a request:\n{text}").into());
    }
    let lengths = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().map_or(Ok(0), |(_, length)| length.parse())?;
    Ok(body.len() >= length)
}
