//! Runs each example as a user does, and talks to it over TCP.

#![allow(missing_docs, reason = "tests")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use http::{Request, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sse_testing::field;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long to wait for an example. It is long, because only a failing test waits for it.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn hyper_ticks() {
    let server = Server::start("hyper");
    let mut reply = server.get("/", "");
    assert_eq!(reply.status(), 200);
    let ticks = [reply.event(), reply.event()].map(|event| number(&event));
    assert_eq!(ticks[0] + 1, ticks[1]);
}

/// The same over TLS, by each version of HTTP that ALPN offers.
#[tokio::test]
async fn hyper_ticks_over_tls() {
    for (protocol, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("certificate.pem");
        let server = Server::start_with("hyper", &[file.as_os_str()]);
        let stream = connect_tls(&server.address, &file, protocol).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));

        let request = Request::get(format!("https://{}/", server.address)).header("host", &server.address);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let io = TokioIo::new(stream);
        let response = if version == Version::HTTP_2 {
            let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            client.send_request(request).await
        } else {
            let (mut client, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            client.send_request(request).await
        };
        let response = response.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
        let (mut body, mut text) = (response.into_body(), String::new());
        while text.matches("data: tick").count() < 2 {
            let frame = timeout(SOON, body.frame()).await.expect("an event comes soon");
            text += str::from_utf8(frame.unwrap().unwrap().data_ref().unwrap()).unwrap();
        }
    }
}

/// Connects to an example whose certificate is in a file, by one protocol.
async fn connect_tls(address: &str, certificate: &Path, protocol: &str) -> TlsStream<tokio::net::TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}

#[test]
fn board_sends_all_prices_and_then_each_change() {
    let server = Server::start("board");
    assert_eq!(server.get("/prices", "").status(), 401);
    assert_eq!(server.get("/prices?token=wrong", "").status(), 401);
    assert_eq!(server.send("PUT", "/prices/tea", "", "1250").status(), 401);

    let change =
        |name, price| server.send("PUT", name, "Authorization: Bearer let-me-in\r\n", price).status();
    assert_eq!(change("/prices/tea", "much"), 422);
    assert_eq!(change("/prices/tea", "1250"), 204);
    let mut by_query = server.get("/prices?token=let-me-in", "");
    let mut by_header = server.get("/prices", "Authorization: Bearer let-me-in\r\n");
    for reply in [&mut by_query, &mut by_header] {
        assert_eq!(reply.status(), 200);
        let event = reply.event();
        assert_eq!([field(&event, "event"), field(&event, "data")], [Some("prices"), Some("{\"tea\":1250}")]);
    }
    assert_eq!(change("/prices/rice", "310"), 204);
    let mut last_event_id = String::new();
    for reply in [&mut by_query, &mut by_header] {
        let event = reply.event();
        assert_eq!(field(&event, "event"), Some("price"));
        assert_eq!(field(&event, "data"), Some(r#"{"name":"rice","price":310}"#));
        last_event_id = field(&event, "id").unwrap().to_owned();
    }

    // A client that comes back needs no snapshot.
    assert_eq!(change("/prices/tea", "1275"), 204);
    let back = format!("Last-Event-ID: {last_event_id}\r\n");
    let event = server.get("/prices?token=let-me-in", &back).event();
    assert_eq!(field(&event, "data"), Some(r#"{"name":"tea","price":1275}"#));
}

#[test]
fn board_limits_the_streams_of_an_address() {
    let server = Server::start("board");
    let get = || server.get("/prices?token=let-me-in", "");
    let streams: Vec<Reply> = (0..6).map(|_| get()).collect();
    assert!(streams.iter().all(|reply| reply.status() == 200));
    assert_eq!(get().status(), 429);
}

#[cfg(unix)]
#[test]
fn board_ends_its_streams_when_it_ends() {
    let mut server = Server::start("board");
    let mut reply = server.get("/prices?token=let-me-in", "");
    assert_eq!(field(&reply.event(), "data"), Some("{}"));
    server.interrupt();
    server.has_ended();
    assert_eq!(reply.next_event(), None);
}

#[test]
fn tokens_are_the_response() {
    let server = Server::start("tokens");
    let mut reply = server.complete("one two three");
    assert_eq!(reply.status(), 200);
    assert_eq!([reply.token(), reply.token(), reply.token()], ["one ", "two ", "three"]);
    assert_eq!(reply.event(), "data: [DONE]\n\n");
    assert_eq!(reply.next_event(), None);
    assert_eq!(server.line(), "finished");

    assert_eq!(server.post("/v1/chat/completions", r#"{"messages":[]}"#).status(), 400);
}

#[test]
fn tokens_end_with_an_error_of_the_model() {
    let server = Server::start("tokens");
    let mut reply = server.complete("one overload three");
    assert_eq!(reply.token(), "one ");
    assert_eq!(
        reply.event(),
        "event: error\ndata: {\"error\":{\"message\":\"the model is overloaded\"}}\n\n"
    );
    assert_eq!(reply.next_event(), None);
}

#[test]
fn tokens_are_not_made_after_the_client_disconnects() {
    let server = Server::start("tokens");
    let mut reply = server.complete(&"word ".repeat(10_000));
    assert_eq!(reply.token(), "word ");
    drop(reply);
    assert_eq!(server.line(), "stopped");
}

#[test]
fn mcp_ends_connections_and_loses_no_messages() {
    let server = Server::start("mcp");
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"count","_meta":{"progressToken":"t"}}}"#;
    let mut reply = server.post("/mcp", call);
    assert_eq!(reply.status(), 200);
    let priming = reply.event();
    assert!(priming.starts_with("data:\nid: "), "{priming:?}");

    let mut last_event_id = field(&priming, "id").unwrap().to_owned();
    let mut messages = Vec::new();
    let mut connections = 1;
    while messages.len() < 3 {
        while let Some(event) = reply.next_event() {
            last_event_id = field(&event, "id").unwrap().to_owned();
            let message: serde_json::Value = serde_json::from_str(field(&event, "data").unwrap()).unwrap();
            messages.push(message);
        }
        assert!(reply.text.contains("\nretry: 500\n"), "{:?}", reply.text);
        if messages.len() < 3 {
            reply = server.get("/mcp", &format!("Last-Event-ID: {last_event_id}\r\n"));
            assert_eq!(reply.status(), 200);
            connections += 1;
        }
    }
    assert!(connections > 1, "the first connection ends before the result");
    let progress: Vec<_> = messages[..2].iter().map(|message| &message["params"]["progress"]).collect();
    assert_eq!(progress, [1, 2]);
    assert_eq!(messages[2]["id"], 7);
    assert_eq!(messages[2]["result"]["content"][0]["text"], "one, two, three");
    assert_eq!(messages.len(), 3);

    // A client that has everything is told to stop. A client that has not gets the rest.
    assert_eq!(server.get("/mcp", &format!("Last-Event-ID: {last_event_id}\r\n")).status(), 204);
    let mut rest = server.get("/mcp", &format!("Last-Event-ID: {}\r\n", field(&priming, "id").unwrap()));
    assert_eq!(std::iter::from_fn(|| rest.next_event()).count(), 3);
}

#[test]
fn mcp_answers_other_requests_as_specified() {
    let server = Server::start("mcp");
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let reply = server.post("/mcp", initialize);
    assert_eq!(reply.status(), 200);
    let session = reply.head.lines().find(|line| line.to_ascii_lowercase().starts_with("mcp-session-id: "));
    let session = format!("{}\r\n", session.expect("a session"));
    let [list, end] = ["POST", "DELETE"].map(|method| {
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let headers = format!("Content-Type: application/json\r\n{session}");
        move |server: &Server| server.send(method, "/mcp", &headers, list).status()
    });
    assert_eq!((list(&server), end(&server)), (200, 200));
    assert_eq!((list(&server), end(&server)), (404, 404), "the session has ended");
    assert_eq!(server.post("/mcp", initialized).status(), 202);
    assert_eq!(server.get("/mcp", "").status(), 405);
    assert_eq!(server.get("/mcp", "Last-Event-ID: of another run/3\r\n").status(), 404);
    assert_eq!(server.get("/mcp", "Origin: http://other.example\r\n").status(), 403);
    assert_eq!(server.get("/mcp", "MCP-Protocol-Version: 2024-11-05\r\n").status(), 400);
    assert_eq!(server.get("/mcp", "MCP-Protocol-Version: 2026-07-28\r\n").status(), 405);
    assert_eq!(server.get("/mcp", "Mcp-Session-Id: of nobody\r\n").status(), 404);
}

/// Returns a request of 2026-07-28, and its headers, which contain the same values.
fn newer(method: &str, params: &str) -> (String, String) {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":"t"}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}{meta}}}}}"#);
    let name = if method == "tools/call" { "Mcp-Name: count\r\n" } else { "" };
    (body, format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}"))
}

#[test]
fn mcp_answers_newer_clients_by_a_stream_that_ends() {
    let server = Server::start("mcp");
    let (body, headers) = newer("tools/call", r#""name":"count","#);
    let mut reply = server.post_with("/mcp", &headers, &body);
    assert_eq!(reply.status(), 200);
    let messages: Vec<serde_json::Value> = std::iter::from_fn(|| reply.next_event())
        .map(|event| serde_json::from_str(field(&event, "data").unwrap()).unwrap())
        .collect();
    let progress: Vec<_> = messages[..2].iter().map(|message| &message["params"]["progress"]).collect();
    assert_eq!(progress, [1, 2]);
    assert_eq!((&messages[2]["id"], &messages[2]["result"]["resultType"]), (&7.into(), &"complete".into()));
    assert_eq!(messages.len(), 3);
    assert!(!reply.text.contains("\nid"), "there is nothing to resume: {:?}", reply.text);
}

#[test]
fn mcp_cancels_the_call_whose_stream_is_closed() {
    let server = Server::start("mcp");
    let (body, headers) = newer("tools/call", r#""name":"count","#);
    let mut reply = server.post_with("/mcp", &headers, &body);
    reply.event();
    drop(reply);
    assert_eq!(server.line(), "the call 7 was cancelled");
}

#[test]
fn mcp_refuses_newer_clients_as_specified() {
    let server = Server::start("mcp");
    let check = |body: &str, headers: &str, status: u16, text: &str| {
        let mut reply = server.post_with("/mcp", headers, body);
        assert_eq!(reply.status(), status, "{body} {headers}");
        assert!(reply.whole().contains(text), "{body} {headers}: {:?}", reply.text);
    };
    let (body, headers) = newer("server/discover", "");
    check(&body, &headers, 200, r#""supportedVersions":["2026-07-28","2025-11-25"]"#);
    let unknown = |text: &str| text.replace("2026-07-28", "1900-01-01");
    let data = r#""data":{"requested":"1900-01-01","supported":["2026-07-28","2025-11-25"]}"#;
    check(&unknown(&body), &unknown(&headers), 400, data);
    check(&body, &unknown(&headers), 400, r#""code":-32020"#);
    check(&body, &headers.replace("server/discover", "tools/list"), 400, r#""code":-32020"#);
    check(&body, "MCP-Protocol-Version: 2026-07-28\r\n", 400, r#""code":-32020"#);
    check(r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#, &headers, 400, r#""code":-32602"#);
    let (body, headers) = newer("resources/list", "");
    check(&body, &headers, 404, r#""code":-32601"#);
    let (body, headers) = newer("subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#);
    let mut reply = server.post_with("/mcp", &headers, &body);
    assert!(reply.event().contains(r#""io.modelcontextprotocol/subscriptionId":7"#));
}

#[cfg(unix)]
#[test]
fn shutdown_ends_streams_and_the_route_goes_on() {
    let mut server = Server::start("shutdown");
    let mut reply = server.get("/", "");
    let mut last = reply.event();
    server.interrupt();
    let start = Instant::now();
    while let Some(event) = reply.next_event() {
        assert_eq!(number(&event), number(&last) + 1);
        last = event;
    }
    assert!(start.elapsed() < Duration::from_secs(5), "the stream ends within the grace");
    assert_eq!(server.line(), "1 streams end");
    assert_eq!(server.line(), "0 streams are left");

    assert!(server.line().starts_with("listening on "));
    let mut reply = server.get("/", &format!("Last-Event-ID: {}\r\n", field(&last, "id").unwrap()));
    assert_eq!(number(&reply.event()), number(&last) + 1);
    server.interrupt();
    assert_eq!(server.line(), "1 streams end");
    assert_eq!(server.line(), "0 streams are left");
    server.has_ended();
}

/// The number at the end of an event's data.
fn number(event: &str) -> u64 {
    let data = field(event, "data").unwrap();
    data.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Where the examples are, once they are built.
static EXAMPLES: LazyLock<PathBuf> = LazyLock::new(|| {
    test_support::programs::build("sse-server", &["--examples", "--features", "axum"]).join("examples")
});

/// A running example, which is killed when the test ends.
struct Server {
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Server {
    fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same with further arguments.
    fn start_with(name: &str, arguments: &[&OsStr]) -> Self {
        let mut command = Command::new(EXAMPLES.join(name));
        command.arg("127.0.0.1:0").args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut server = Self { child, lines, address: String::new() };
        let line = server.line();
        let url = line.strip_prefix("listening on ").and_then(|url| url.strip_suffix('/'));
        let address = url.and_then(|url| url.split_once("://")).map(|(_, address)| address);
        address.unwrap_or_else(|| panic!("{line:?}")).clone_into(&mut server.address);
        server
    }

    /// Returns the next line that it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(SOON).unwrap()
    }

    /// Waits for its end, which must be a success.
    fn has_ended(&mut self) {
        assert_eq!(self.lines.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    fn get(&self, path: &str, headers: &str) -> Reply {
        self.send("GET", path, headers, "")
    }

    fn post(&self, path: &str, json: &str) -> Reply {
        self.send("POST", path, "Content-Type: application/json\r\n", json)
    }

    fn post_with(&self, path: &str, headers: &str, json: &str) -> Reply {
        self.send("POST", path, &format!("Content-Type: application/json\r\n{headers}"), json)
    }

    fn complete(&self, prompt: &str) -> Reply {
        let messages = format!(r#"{{"messages":[{{"role":"user","content":"{prompt}"}}],"stream":true}}"#);
        self.post("/v1/chat/completions", &messages)
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let Self { address, .. } = self;
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut reply =
            Reply { socket: BufReader::new(socket), head: String::new(), text: String::new(), read: 0 };
        while !reply.head.ends_with("\r\n\r\n") {
            let length = reply.socket.read_line(&mut reply.head).unwrap();
            assert!(length > 0, "{:?}", reply.head);
        }
        reply
    }

    /// Sends Ctrl-C.
    #[cfg(unix)]
    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The example may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The response to one request.
struct Reply {
    socket: BufReader<TcpStream>,
    head: String,
    /// The part of the body that has come, and how much of it was read.
    text: String,
    read: usize,
}

impl Reply {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Returns the next event.
    fn event(&mut self) -> String {
        self.next_event().expect("the body goes on")
    }

    /// Returns a body with a `Content-Length`.
    fn whole(&mut self) -> &str {
        let length = self.head.to_ascii_lowercase();
        let length = length.split_once("content-length: ").expect("a length").1.lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.socket.read_exact(&mut body).unwrap();
        self.text = String::from_utf8(body).unwrap();
        &self.text
    }

    /// Returns the token of the next event.
    fn token(&mut self) -> String {
        let event = self.event();
        let chunk: serde_json::Value = serde_json::from_str(field(&event, "data").unwrap()).unwrap();
        chunk["choices"][0]["delta"]["content"].as_str().unwrap().to_owned()
    }

    /// Returns the next block that has data; `None` at the proper end of the body.
    fn next_event(&mut self) -> Option<String> {
        let start = Instant::now();
        loop {
            let rest = &self.text[self.read..];
            if let Some(end) = rest.find("\n\n") {
                let block = rest[..end + 2].to_owned();
                self.read += block.len();
                if block.lines().any(|line| line.starts_with("data:")) {
                    return Some(block);
                }
            } else if !self.chunk() {
                return None;
            }
            // Heartbeats alone don't count.
            assert!(start.elapsed() < SOON, "no event within {SOON:?}: {:?}", self.text);
        }
    }

    /// Reads one chunk; `false` at the last one.
    fn chunk(&mut self) -> bool {
        let mut size = String::new();
        self.socket.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).expect("the body has chunks, and is not cut");
        let mut chunk = vec![0; size + 2];
        self.socket.read_exact(&mut chunk).unwrap();
        assert!(chunk.ends_with(b"\r\n"));
        self.text += std::str::from_utf8(&chunk[..size]).expect("whole characters");
        size > 0
    }
}
