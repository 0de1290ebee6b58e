//! The hub behind a real nginx, without a browser.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::HubForAll;
use super::common::{Hub, PATIENCE, assert_answers};
use super::nginx::Nginx;

/// A client of a proxy, at an address of this machine.
pub(super) struct Client<'a> {
    pub(super) nginx: &'a Nginx,
    pub(super) from: [u8; 4],
}

impl Client<'_> {
    fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((self.from, 0)).into()).unwrap();
        let address: SocketAddr = self.nginx.address.parse().unwrap();
        socket.connect(&address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = if headers.iter().any(|header| header.starts_with("Host:")) {
            ""
        } else {
            "Host: hub.example\r\n"
        };
        let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
        let head = format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream
    }

    pub(super) fn get(&self, path: &str, headers: &[&str]) -> String {
        read_all(self.send("GET", path, headers, ""))
    }

    fn post(&self, path: &str, headers: &[&str], body: &str) -> String {
        read_all(self.send("POST", path, headers, body))
    }

    /// Opens a stream, and reads the head of the response.
    pub(super) fn subscribe(&self, path: &str, headers: &[&str]) -> TcpStream {
        let mut reader = BufReader::new(self.send("GET", path, headers, ""));
        let mut status = String::new();
        reader.read_line(&mut status).unwrap();
        assert_eq!(status, "HTTP/1.1 200 OK\r\n");
        reader.into_inner()
    }
}

fn read_all(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const OURS: &str = "Origin: https://hub.example";

#[test]
fn behind_the_defaults_of_nginx_the_page_publishes_and_other_sites_do_not() {
    let hub = HubForAll::start(&[]);
    let nginx = Nginx::with_defaults(&hub.address);
    let client = Client { nginx: &nginx, from: [127, 0, 0, 1] };
    // As a browser asks for the script of a page.
    assert_answers(&client.get("/page.js", &[OURS, "Sec-Fetch-Site: same-origin"]), 200, "EventStream");
    assert_answers(&client.get("/page.js", &[OURS]), 200, "EventStream");
    assert_answers(&client.post("/topics/a", &[OURS, "Sec-Fetch-Site: same-origin"], "1"), 200, "published");
    // Of plain http, or of an old browser.
    let refused = client.post("/topics/a", &[OURS], "2");
    let line = "must pass on the name that it was asked for (nginx: `proxy_set_header Host $host;`)";
    assert_answers(&refused, 403, line);
    assert_answers(&refused, 403, &format!("asked for `{}`", hub.address));
    for other in ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"] {
        assert_answers(&client.get("/topics/invented", &[other]), 403, "pages of other sites may not use");
        assert_answers(&client.post("/topics/a", &[other, "Origin: null"], "3"), 403, "may not use this hub");
    }
    assert_answers(&hub.get("/metrics", &[]), 200, "sse_published_total{topic=\"a\"} 1\n");
}

#[test]
fn the_lines_that_a_refusal_names_are_enough() {
    let hub = HubForAll::start(&[]);
    let passes = "location / { proxy_pass http://HUB; proxy_set_header Host $host; }";
    let nginx = Nginx::start(&hub.address, passes);
    let client = Client { nginx: &nginx, from: [127, 0, 0, 1] };
    assert_answers(&client.post("/topics/a", &[OURS], "1"), 200, "published");
    let passes = "location / { proxy_pass http://HUB; proxy_set_header Host $http_host; }";
    let nginx = Nginx::start(&hub.address, passes);
    let client = Client { nginx: &nginx, from: [127, 0, 0, 1] };
    let with_port = ["Origin: http://hub.example:8443", "Host: hub.example:8443"];
    assert_answers(&client.post("/topics/a", &with_port, "2"), 200, "published");
}

#[test]
fn what_a_trusted_proxy_forwards_counts_as_the_host() {
    let lines = "location / { proxy_pass http://HUB; proxy_set_header X-Forwarded-Host $host; }";
    for (trusted, status) in [("127.0.0.1", 200), ("10.0.0.1", 403)] {
        let hub = HubForAll::start(&["--trusted-proxy", trusted]);
        let nginx = Nginx::start(&hub.address, lines);
        let client = Client { nginx: &nginx, from: [127, 0, 0, 1] };
        assert_answers(&client.post("/topics/a", &[OURS], "1"), status, "");
    }
}

#[test]
fn a_hub_without_tokens_refuses_requests_through_a_proxy() {
    let hub = Hub::start(&[]);
    for line in [
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header Forwarded \"for=$remote_addr\";",
        "proxy_set_header Via \"1.1 nginx\";",
        "proxy_set_header X-Forwarded-Proto $scheme;",
    ] {
        let nginx = Nginx::start(&hub.address, &format!("location / {{ proxy_pass http://HUB; {line} }}"));
        let client = Client { nginx: &nginx, from: [127, 0, 0, 1] };
        let reason = "without tokens, the hub serves only programs on this machine, and this request came through a proxy";
        assert_answers(&client.post("/topics/a", &[], "1"), 403, reason);
        assert_answers(
            &client.get("/topics/a", &[]),
            403,
            "use --token-file, whose lines may be `publish *`",
        );
    }
    assert_answers(&hub.post("/topics/a", &["X-Forwarded-For: 127.0.0.1"], "1"), 403, "came through a proxy");
    assert_answers(&hub.get("/topics/a", &["Sec-Fetch-Site: cross-site"]), 403, "pages of other sites");
    assert_answers(&hub.post("/topics/a", &[], "1"), 200, "");
}
