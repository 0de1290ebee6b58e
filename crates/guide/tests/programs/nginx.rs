//! The dashboard behind nginx, with the lines that the guide shows.

#[path = "../../../sse-cli/tests/common/nginx.rs"]
#[allow(unreachable_pub, dead_code, reason = "it belongs to another test")]
mod real;

use sse_client::EventSource;

use self::real::Nginx;
use crate::program::Program;
use crate::{check_data, http_client, next, post};

const LINES: &str = include_str!("../nginx.conf");

#[tokio::test(flavor = "multi_thread")]
async fn events_come_through_nginx_as_they_are_published_and_a_502_follows_the_end() {
    let server = Program::start(env!("CARGO_BIN_EXE_dashboard"), &[]);
    let lines = LINES.replace("127.0.0.1:8080", server.address());
    let nginx = Nginx::start(server.address(), &lines);
    let url = format!("http://{}/events?token=alice-token", nginx.address);
    let mut alice = EventSource::get(&url).unwrap();
    check_data(&[next(&mut alice).await], &["{}"]);
    for text in ["one", "two"] {
        post(&server.url("/notices/alice"), text).await;
        // Nothing follows that would push a buffered event out.
        check_data(&[next(&mut alice).await], &[text]);
    }

    drop(server);
    let status = http_client().get(&url).send().await.expect("an answer of nginx").status();
    assert_eq!(status, 502);
}
