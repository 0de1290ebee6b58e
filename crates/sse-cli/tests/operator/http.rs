//! Requirements of HTTP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::common::{Hub, PATIENCE, assert_answers, assert_fails, run};

/// Sends these bytes, and gives the whole answer.
fn send(hub: &Hub, request: &str) -> String {
    let mut stream = TcpStream::connect(&hub.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_has_one_host() {
    let hub = Hub::start(&[]);
    for path in ["/topics/a", "/", "/page.js", "/healthz", "/nowhere"] {
        let none = send(&hub, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"));
        assert_answers(&none, 400, "the request has no Host; send one");
        let two = send(
            &hub,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nhost: a\r\nConnection: close\r\n\r\n"),
        );
        assert_answers(&two, 400, "the request has two or more Host; send one");
    }
    let old = send(&hub, "GET /healthz HTTP/1.0\r\n\r\n");
    assert!(old.contains(" 200 OK"), "{old}");
}

#[test]
fn what_a_path_does_not_take_is_told_with_what_it_takes() {
    let hub = Hub::start(&[]);
    for (path, allowed) in [
        ("/topics/a", "GET,HEAD,POST"),
        ("/topics", "GET,HEAD"),
        ("/status", "GET,HEAD"),
        ("/metrics", "GET,HEAD"),
        ("/healthz", "GET,HEAD"),
        ("/readyz", "GET,HEAD"),
        ("/", "GET,HEAD"),
        ("/page.js", "GET,HEAD"),
    ] {
        for method in ["PUT", "DELETE"] {
            let answer = hub.request(method, path, &[], "");
            assert_answers(&answer, 405, &format!("\r\nallow: {allowed}\r\n"));
            assert_answers(&answer, 405, "topics accept GET and POST, and other paths accept GET");
        }
    }
}

#[test]
fn pages_of_other_origins_see_and_send_what_they_need() {
    let origin = "Origin: https://app.example.com";
    let asks = |headers: &str| format!("Access-Control-Request-Headers: {headers}");
    let hub = Hub::start(&["--cors", "https://app.example.com"]);
    let preflight = hub.request(
        "OPTIONS",
        "/topics/a",
        &[origin, "Access-Control-Request-Method: POST", &asks("traceparent,tracestate,baggage")],
        "",
    );
    for header in ["traceparent", "tracestate", "baggage"] {
        assert_answers(&preflight, 200, header);
    }
    assert!(!preflight.contains("allow-credentials"), "{preflight}");
    let answer = hub.post("/topics/a?event=a", &[origin], "1");
    assert_answers(
        &answer,
        400,
        "access-control-expose-headers: retry-after,sse-refusal,sse-envelope,last-event-id,sse-more\r\n",
    );
    let hub = Hub::start(&["--cors", "https://app.example.com", "--cors-credentials"]);
    let answer = hub.post("/topics/a", &[origin, "Sec-Fetch-Site: cross-site"], "1");
    assert_answers(&answer, 200, "access-control-allow-credentials: true\r\n");
    let any = run(&["serve", "--cors", "*", "--cors-credentials"]);
    assert_fails(
        &any,
        2,
        "--cors-credentials with `*` would let every page act for its user: name the origins",
    );
    assert_fails(&run(&["serve", "--cors-credentials"]), 2, "--cors <ORIGIN>");
}

#[test]
fn a_compressed_body_is_read_or_refused_and_never_published_as_it_came() {
    let gzip = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let hub = Hub::start(&["--max-body", "1KiB"]);
    let (mut stream, _) = super::common::Stream::at_the_end(&hub, "/topics/a");
    let coded = |coding: &str| format!("Content-Encoding: {coding}");
    assert_answers(&hub.post("/topics/a", &[&coded("gzip")], gzip(b"Hello")), 200, "published");
    assert_eq!(stream.event(), "data: Hello");
    // It is small as it comes.
    let bomb = gzip(&vec![b'a'; 512 << 10]);
    assert!(bomb.len() < 1024, "{}", bomb.len());
    assert_answers(&hub.post("/topics/a", &[&coded("gzip")], &bomb), 413, "larger than 1024 bytes");
    assert_answers(&hub.post("/topics/a", &[&coded("gzip")], "Hello"), 400, "the body can't be decompressed");
    let unknown = hub.post("/topics/a", &[&coded("br")], "Hello");
    assert_answers(&unknown, 415, "\r\naccept-encoding: gzip, deflate, identity\r\n");
    assert_answers(&unknown, 415, "send it as it is, or as gzip or deflate");
}

#[test]
fn a_query_that_publishing_does_not_know_is_refused() {
    let hub = Hub::start(&[]);
    let answer = hub.post("/topics/a?event=price", &[], "1250");
    assert_answers(&answer, 400, "unknown parameter \"event\"; write ?type= for the type of the event");
    assert_answers(&hub.post("/topics/a?type=price&access_token=any", &[], "1250"), 200, "published");
    for name in ["a%E2%80%8Bb", "a%E2%80%AEb", "a%EF%B8%8Fb", "%E3%85%A4", "a%E2%A0%80"] {
        assert_answers(
            &hub.post(&format!("/topics/{name}"), &[], ""),
            400,
            "which can't be seen; leave it out",
        );
    }
}
