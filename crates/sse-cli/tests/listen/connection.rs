//! Connections: how they are made again, and where they resume.

use std::net::TcpListener;
use std::time::Instant;

use super::common::{Hub, PATIENCE, Program, assert_fails, run, sse};
use super::{STREAM, lines, of_answers, of_streams};

#[test]
fn a_connection_that_ends_is_made_again_after_the_last_event() {
    let server = of_streams(&["retry: 100\nid: 1\ndata: 1\n\ndata: cut", "id: 2\ndata: 2\n\n"]);
    let mut program = Program::start(sse(&["listen", &server.url("/"), "--data", "-n", "2"]));
    assert_eq!(program.line(), "1");
    program.notice("sse: the stream ended; trying again in ");
    program.notice("sse: connected, after the event \"1\"");
    assert_eq!(program.line(), "2");
    assert!(program.end().success());
    assert!(!server.blocking_request().head().contains("last-event-id"));
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 1\r\n"));
}

#[test]
fn a_hub_that_is_started_again_is_found_again() {
    let mut hub = Hub::start(&[]);
    let mut program = Program::start(sse(&["listen", &hub.url("/topics/news")]));
    program.notice("sse: connected");
    hub.publish("news", "before");
    let first = lines(&mut program, 1).remove(0);
    assert!(first.starts_with("message  ") && first.ends_with("  before"), "{first}");
    let address = hub.address.clone();
    hub.program.signal("TERM");
    assert!(hub.program.end().success());
    program.notice("trying again in ");
    let hub = Hub::start_with(sse(&["serve", "--listen", &address]), &[]);
    program.notice("sse: connected, after the event");
    hub.publish("news", "after");
    // The new hub does not have the earlier events in memory, and sends a gap event.
    let lines = lines(&mut program, 2);
    assert!(lines[0].starts_with("gap  ") && lines[0].ends_with("{\"missed\":null}"), "{lines:?}");
    assert!(lines[1].ends_with("  after"), "{lines:?}");
}

#[test]
fn an_id_from_the_command_line_is_where_it_begins() {
    let server = of_streams(&["data: a\n\n"]);
    run(&["listen", &server.url("/"), "--last-event-id", "42", "-n", "1"]);
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 42\r\n"));
}

#[test]
fn the_first_attempt_may_fail_only_if_the_user_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let start = Instant::now();
    assert_fails(&run(&["listen", &closed]), 1, "Connection refused");
    assert!(start.elapsed() < PATIENCE);

    let busy = "HTTP/1.1 503 -\r\nretry-after-ms: 5\r\nConnection: close\r\n\r\n";
    let one = format!("{STREAM}data: 1\n\n");
    for (arguments, code) in [
        (&[][..], 3),
        (&["--retry-first"], 0),
        (&["--retries", "1"], 0),
        (&["-d", "{}"], 3),
        (&["-d", "{}", "--retry-first"], 0),
    ] {
        let server = of_answers(&[busy, &one]);
        let output = run(&[&["listen", &server.url("/"), "-n", "1"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
}
