//! The server: a process of its own with bare sockets, so that it costs less than any client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::{Result, process, streams, system};

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server, which listens when this returns.
    pub(crate) fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut port)?;
        let port = port.trim().parse().map_err(|_| "the server did not start")?;
        Ok(Self { process, port })
    }

    /// The URL of a stream of `blocks` blocks, which ends.
    pub(crate) fn stream(&self, name: &str, blocks: u64) -> String {
        format!("http://127.0.0.1:{}/{name}/{blocks}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is no remedy if the process does not end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The URL of a stream of one event, which stays open.
pub(crate) fn silence(port: u16) -> String {
    format!("http://127.0.0.1:{port}/silence")
}

/// Runs the server, until standard input ends.
pub(crate) fn serve() -> Result<()> {
    process::pin(&[system::SERVER_CPU])?;
    // Before the address is printed.
    let samples = streams::all();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        // An error ends the connection too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let mut silent = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        let path = path(&stream)?;
        if path == "/silence" {
            respond(&mut stream, "", &mut [&b"data: hello\n\n"[..]].into_iter())?;
            silent.push(stream);
            continue;
        }
        let (name, blocks) = path.trim_start_matches('/').split_once('/').ok_or("no such path")?;
        let sample = samples.iter().find(|sample| sample.name == name).ok_or("no such stream")?;
        let blocks: usize = blocks.parse()?;
        let headers = format!("content-length: {}\r\nconnection: close\r\n", blocks * sample.block.len());
        respond(&mut stream, &headers, &mut std::iter::repeat_n(&sample.block[..], blocks))?;
    }
    Ok(())
}

/// The path of the request that `stream` begins with.
fn path(stream: &TcpStream) -> Result<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or("no request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    Ok(first.split(' ').nth(1).ok_or("no path")?.to_owned())
}

fn respond(stream: &mut TcpStream, headers: &str, body: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{headers}\r\n");
    stream.write_all(head.as_bytes())?;
    for bytes in body {
        stream.write_all(bytes)?;
    }
    Ok(())
}
