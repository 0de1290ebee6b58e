//! The server that misbehaves on command, and a client without a library.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sse_testing::{Answer, Request, Server};

/// Sends a request, and returns the connection.
fn send(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

const GET: &str = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n";

/// Returns what the server writes until it ends the connection.
fn answer(server: &Server) -> String {
    let mut seen = String::new();
    send(server, GET).read_to_string(&mut seen).unwrap();
    seen
}

#[track_caller]
fn check(answer: Answer, expected: &str) {
    assert_eq!(self::answer(&Server::start([answer])), expected);
}

#[test]
fn an_answer_writes_its_bytes() {
    check(
        Answer::stream("data: 1\n\n"),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n",
    );
    check(Answer::status(204), "HTTP/1.1 204 -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    check(
        Answer::redirect(307, "/there"),
        "HTTP/1.1 307 -\r\nLocation: /there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    check(Answer::raw("no HTTP"), "no HTTP");
    check(Answer::raw("abc").and("def").and("ghi").cut(4), "abcd");
    check(Answer::raw("abc").and("def").cut(2).and("g"), "abg");
    check(Answer::raw("abc").drip(Duration::from_millis(1)).pause(Duration::from_millis(1)), "abc");
}

#[test]
fn answers_are_given_in_order_and_then_connections_are_refused() {
    let server = Server::start(["a", "b", "c"].map(Answer::raw));
    assert_eq!([answer(&server), answer(&server), answer(&server)], ["a", "b", "c"]);
    assert!(TcpStream::connect(server.address()).is_err());
    assert_eq!(server.requests().len(), 3);
    assert!(TcpStream::connect(Server::start([]).address()).is_err());
}

#[test]
fn a_request_is_kept_as_it_came() {
    let server = Server::answering(|request| Answer::raw(request.number().to_string()));
    // A connection without a whole request is not counted.
    drop(TcpStream::connect(server.address()).unwrap());
    drop(send(&server, "GET / HTTP/1.1\r\n"));
    drop(send(&server, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"));
    drop(send(&server, "POST /a?b HTTP/1.1\r\nLAST-Event-ID:  Ü:1 \r\nContent-Length: 5\r\n\r\nHello"));
    let request = server.blocking_request();
    assert_eq!((request.method(), request.path(), request.body()), ("POST", "/a?b", "Hello"));
    assert_eq!((request.header("last-event-id"), request.header("last")), (Some("Ü:1"), None));
    assert_eq!(request.head(), "POST /a?b HTTP/1.1\r\nlast-event-id:  Ü:1 \r\ncontent-length: 5\r\n\r\n");
    assert_eq!((request.number(), request.connection()), (0, 3));
    assert_eq!(answer(&server), "1");
}

#[test]
fn a_connection_can_bring_several_requests() {
    let server = Server::answering(|request| match request.number() {
        2 => Answer::raw("end"),
        _ => Answer::raw("more").keep_alive(),
    });
    let mut seen = String::new();
    send(&server, &GET.repeat(5)).read_to_string(&mut seen).unwrap_or_default();
    let connections: Vec<_> = server.requests().iter().map(Request::connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[test]
fn a_connection_can_be_reset() {
    let server = Server::start([Answer::raw("").reset()]);
    let error = send(&server, GET).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_held_connection_ends_with_its_server() {
    let server = Server::answering(|_| Answer::raw("a").held());
    let mut streams = [send(&server, GET), send(&server, GET)];
    for stream in &mut streams {
        stream.read_exact(&mut [0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    }
    drop(server);
    assert!(streams.iter_mut().all(|stream| stream.read(&mut [0]).unwrap() == 0));
}

#[test]
fn an_endless_answer_ends_with_its_server_though_no_client_reads() {
    let server = Server::start([Answer::raw("").endless("data: 1\n\n")]);
    let mut stream = send(&server, GET);
    let mut seen = vec![0; 100_000];
    stream.read_exact(&mut seen).unwrap();
    assert!(seen.starts_with(b"data: 1\n\ndata: 1\n\n"));
    drop(server);
    stream.read_to_end(&mut seen).unwrap_or_default();
}

#[test]
fn a_test_can_write_while_the_connection_is_open() {
    let (sender, bytes) = mpsc::channel();
    let server = Server::start([Answer::raw("").live(bytes)]);
    let mut stream = send(&server, GET);
    for text in ["one", "two"] {
        sender.send(text.into()).unwrap();
        let mut seen = [0; 3];
        stream.read_exact(&mut seen).unwrap();
        assert_eq!(seen, text.as_bytes());
    }
    drop(sender);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_closure_can_have_the_connection() {
    let (sender, streams) = mpsc::channel();
    let server = Server::start([Answer::raw("a").then(move |stream| sender.send(stream).unwrap())]);
    let mut stream = send(&server, GET);
    let mut theirs = streams.recv().unwrap();
    theirs.write_all(b"b").unwrap();
    drop(theirs);
    let mut seen = String::new();
    stream.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "ab");
}

/// A paused clock jumps when a test waits, but a socket does not become faster by that.
#[tokio::test(start_paused = true)]
async fn requests_are_waited_for_in_real_time() {
    let server = Server::answering(|_| Answer::status(204));
    let address = server.address();
    let start = Instant::now();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        TcpStream::connect(address).unwrap().write_all(GET.as_bytes()).unwrap();
    });
    assert_eq!(server.request().await.path(), "/events");
    assert!(start.elapsed() >= Duration::from_millis(50));
    late.join().unwrap();
}
