//! The bytes of streams over HTTP/1, and what else comes over their connections.

use std::io::{ErrorKind, Write as _};
use std::net::Shutdown as Half;
use std::time::{Duration, Instant};

use sse_server::Route;

use crate::server::{Connection, Server, Settings, WAYS, Way, has_threads, publish, quiet, until};

#[test]
#[cfg(target_os = "linux")]
fn streams_are_written_by_threads_that_end_with_the_server() {
    let route = Route::new();
    let server = Server::of(Way::Threads, &route);
    let mut stream = Connection::get(server.address);
    publish(&route, "1");
    stream.read_until("data: 1");
    assert!(has_threads());
    drop(server);
    stream.read_to_end();
    until("nobody is subscribed", || route.subscribers() == 0);
}

#[test]
fn http_1_1_comes_in_chunks() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let mut stream = Connection::open(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let head = stream.read_until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("transfer-encoding: chunked"), "{head}");
        stream.read_until("\n\n\r\n");
        publish(&route, "1");
        let chunk = stream.read_until("\n\n\r\n");
        let (len, block) = chunk.split_once("\r\n").unwrap();
        assert!(block.starts_with("data: 1\nid: "), "{way:?}: {block:?}");
        assert_eq!(usize::from_str_radix(len, 16).unwrap(), block.len() + 2, "{way:?}: {chunk:?}");
        route.close();
        assert_eq!(stream.read_until("0\r\n\r\n"), "", "{way:?}");
    }
}

#[test]
fn http_1_0_comes_plain_and_ends_with_the_connection() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let open = |header| {
            let mut stream = Connection::open(server.address, &format!("GET / HTTP/1.0\r\n{header}\r\n"));
            let head = stream.read_until("\r\n\r\n");
            assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
            stream.read_until("\n\n");
            stream
        };
        let mut streams = ["", "Connection: keep-alive\r\n"].map(open);
        publish(&route, "1");
        for stream in &mut streams {
            assert_eq!(stream.read_until("data: 1\n"), "", "{way:?}");
        }
        publish(&route, "2");
        route.close();
        for stream in &mut streams {
            stream.read_until("data: 2\n");
            let end = stream.read_to_end();
            assert!(end.starts_with("id: ") && end.ends_with("\n\n"), "{way:?}: {end:?}");
        }
    }
}

#[test]
fn head_has_no_body_and_the_connection_goes_on() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let both = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut stream = Connection::open(server.address, both);
        stream.read_until("\r\n\r\n");
        let head = stream.read_until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200"), "{way:?}: {head}");
        until("one client is subscribed", || route.subscribers() == 1);
    }
}

/// After the stream of one task, another request comes on the same connection.
#[test]
fn an_ended_stream_leaves_the_connection_to_the_next_request() {
    for way in WAYS {
        let (task, next) = (quiet().build(), quiet().build());
        let routes = (task.clone(), next.clone());
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/task" => routes.0.respond(request),
            _ => routes.1.respond(request),
        });
        let next_request = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut streams = [(); 2].map(|()| {
            let mut stream = Connection::open(server.address, "GET /task HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.read_until("\n\n\r\n");
            stream
        });
        // One client sends its next request during the stream, the other after its end.
        streams[0].socket.write_all(next_request).unwrap();
        publish(&task, "done");
        task.close();
        for stream in &mut streams {
            stream.read_until("data: done\n");
            stream.read_until("\r\n0\r\n\r\n");
        }
        streams[1].socket.write_all(next_request).unwrap();
        for stream in &mut streams {
            assert!(stream.read_until("\r\n").starts_with("HTTP/1.1 200 OK"), "{way:?}");
            stream.read_until("\n\n\r\n");
        }
        publish(&next, "again");
        for stream in &mut streams {
            stream.read_until("data: again\n");
        }
    }
}

#[test]
fn connection_close_is_heeded() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n";
        let mut stream = Connection::open(server.address, request);
        stream.read_until("\n\n\r\n");
        publish(&route, "1");
        route.close();
        assert!(stream.read_to_end().ends_with("\n\n\r\n0\r\n\r\n"), "{way:?}");
    }
}

#[test]
fn a_peer_that_closes_half_closes_or_resets_is_unsubscribed() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        for how in ["closes", "half-closes", "resets"] {
            let stream = Connection::get(server.address);
            until("it is subscribed", || route.subscribers() == 1);
            let socket = stream.socket;
            match how {
                "closes" => socket.shutdown(Half::Both).unwrap(),
                "half-closes" => socket.shutdown(Half::Write).unwrap(),
                _ => socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap(),
            }
            let socket = Some(socket).filter(|_| how != "resets");
            until(how, || route.subscribers() == 0);
            drop(socket);
        }
    }
}

/// A peer may send more than its request. Some of it is kept, and the rest stays in the socket.
#[test]
fn a_flood_of_requests_is_left_in_the_socket() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let mut stream = Connection::get(server.address);
        stream.socket.set_nonblocking(true).unwrap();
        let flood = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
        // Writes until the server has taken nothing more for a while.
        let mut since = Instant::now();
        let mut sent = 0;
        while since.elapsed() < Duration::from_millis(200) {
            match stream.socket.write(flood.as_bytes()) {
                Ok(written) => (since, sent) = (Instant::now(), sent + written),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert!(sent < 64 << 20, "{way:?}: the server reads without a limit");
        }
        stream.socket.set_nonblocking(false).unwrap();
        publish(&route, "1");
        stream.read_until("data: 1\n");
        drop(stream);
        // The end of the connection does not fit into the socket either, so the server notices it when it writes.
        until("the peer is unsubscribed", || {
            publish(&route, "2");
            route.subscribers() == 0
        });
    }
}
