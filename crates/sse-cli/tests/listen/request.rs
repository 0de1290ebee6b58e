//! The request.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use super::common::{run, sse};
use super::{kill, of_streams};

#[test]
fn a_request_is_made_as_with_curl() {
    #[track_caller]
    fn check(arguments: &[&str], first_line: &str, expected: &[&str], body: &str) {
        let server = of_streams(&["data: a\n\n"]);
        let url = format!("http://{}/v1/chat?a=b", server.address());
        assert!(run(&[&["listen", &url, "-n", "1"], arguments].concat()).status.success());
        let request = server.blocking_request();
        assert!(request.head().starts_with(first_line), "{request}");
        for header in expected {
            assert!(request.head().contains(&format!("\r\n{header}\r\n")), "{header} is not in {request}");
        }
        assert_eq!(request.body(), body);
    }

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    fs::write(&file, "a=b").unwrap();
    check(&[], "GET /v1/chat?a=b HTTP/1.1\r\n", &["accept: text/event-stream"], "");
    check(
        &["-H", "Accept: a/b", "-H", "X-A: 1", "-H", "x-a: 2"],
        "GET ",
        &["accept: a/b", "x-a: 1", "x-a: 2"],
        "",
    );
    check(&["-H", "Authorization: Basic a"], "GET ", &["authorization: Basic a"], "");
    check(&["--token", "secret"], "GET ", &["authorization: Bearer secret"], "");
    check(&["-d", "{\"stream\":true}"], "POST ", &["content-type: application/json"], "{\"stream\":true}");
    let urlencoded = "content-type: application/x-www-form-urlencoded";
    check(&["-X", "PUT", "-d", &format!("@{}", file.display())], "PUT ", &[urlencoded], "a=b");
    check(&["-d", "a", "-H", "Content-Type: text/plain"], "POST ", &["content-type: text/plain"], "a");
    check(&["-X", "DELETE"], "DELETE ", &[], "");
}

#[test]
fn a_name_and_a_password_in_the_url_are_sent() {
    let server = of_streams(&["data: a\n\n"]);
    run(&["listen", &format!("http://user:password@{}/news", server.address()), "-n", "1"]);
    let request = server.blocking_request();
    assert!(request.head().starts_with("GET /news HTTP/1.1\r\n"), "{request}");
    assert!(request.head().contains("\r\nauthorization: Basic dXNlcjpwYXNzd29yZA==\r\n"), "{request}");
}

#[test]
fn a_body_may_come_from_standard_input() {
    let server = of_streams(&["data: a\n\n"]);
    let mut command = sse(&["listen", &server.url("/"), "-d", "@-", "-n", "1"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(server.blocking_request().body() == "{}");
}

#[test]
fn a_body_that_does_not_come_can_be_interrupted() {
    let mut command = sse(&["listen", "127.0.0.1:1", "-d", "@-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // It stays open until the end: `wait` would close it, and a body that ends is sent.
    let mut input = child.stdin.take().unwrap();
    // Its input is taken, so it is read.
    input.write_all(&vec![b'a'; 1 << 20]).unwrap();
    kill("INT", child.id().into());
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    drop(input);
}
