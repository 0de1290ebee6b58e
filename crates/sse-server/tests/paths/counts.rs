//! What is counted of connections.

use std::io::Write as _;

use sse_server::ConnectionStats;

use crate::server::{Connection, Server, Settings, WAYS, publish, quiet, until};

/// The numbers of the server: open, accepted, HTTP/1, malformed.
#[track_caller]
fn check(server: &Server, expected: [u64; 4]) {
    until(&format!("{expected:?}"), || {
        let ConnectionStats { open, accepted, http1, malformed, .. } = server.counts.stats();
        [open as u64, accepted, http1, malformed] == expected
    });
}

#[test]
fn connections_are_counted_from_their_begin_to_their_end() {
    for way in WAYS {
        let (task, news) = (quiet().build(), quiet().build());
        let routes = (task.clone(), news.clone());
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/task" => routes.0.respond(request),
            _ => routes.1.respond(request),
        });
        check(&server, [0; 4]);
        let silent = Connection::open(server.address, "");
        check(&server, [1, 1, 0, 0]);
        let mut stream = Connection::open(server.address, "GET /task HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.read_until("\n\n\r\n");
        check(&server, [2, 2, 1, 0]);
        publish(&task, "1");
        stream.read_until("data: 1\n");
        check(&server, [2, 2, 1, 0]);
        // Another request on the same connection.
        task.close();
        stream.read_until("\r\n0\r\n\r\n");
        stream.socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.read_until("\n\n\r\n");
        publish(&news, "2");
        stream.read_until("data: 2\n");
        check(&server, [2, 2, 1, 0]);
        let refused = Connection::open(server.address, "no HTTP\r\n\r\n").read_to_end();
        assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
        check(&server, [2, 3, 2, 1]);
        drop((silent, stream));
        check(&server, [0, 3, 2, 1]);
    }
}

#[test]
fn many_short_connections_leave_nothing_open() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        for _ in 0..100 {
            let mut stream = Connection::open(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.read_until("\r\n\r\n");
        }
        check(&server, [0, 100, 100, 0]);
    }
}
