//! The ends of streams, of connections and of servers.

use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use sse_server::{Body, PassedThrough, Route, Subscription, serve};
use tokio::net::TcpListener;

use crate::server::{Connection, Server, Settings, WAYS, Way, publish, quiet, until};

#[test]
fn heartbeats_come_when_nothing_else_does() {
    for way in WAYS {
        let route = Route::builder().heartbeat(Duration::from_millis(30)).build();
        let own = route.clone();
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/own" => own.subscribe(request).heartbeat(Duration::from_millis(20)).respond(),
            "/never" => own.subscribe(request).heartbeat(None).respond(),
            _ => own.respond(request),
        });
        for path in ["/", "/own"] {
            let mut stream =
                Connection::open(server.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
            for _ in 0..3 {
                stream.read_until("\r\n3\r\n:\n\n\r\n");
                stream.read.splice(..0, *b"\r\n");
            }
            publish(&route, "1");
            stream.read_until("data: 1\n");
        }
        let mut stream = Connection::open(server.address, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.read_until("\n\n\r\n");
        thread::sleep(Duration::from_millis(100));
        publish(&route, "1");
        assert!(!stream.read_until("data: 1\n").contains(":\n\n"), "{way:?}");
    }
}

/// Each reason for which a stream ends: the last chunk comes, and the subscriber is no longer counted.
#[test]
fn streams_end_for_each_reason() {
    type Make = fn(&Route, &Request<Incoming>) -> Subscription;
    let makes: [(&str, Make); 5] = [
        ("max_age", |route, request| route.subscribe(request).max_age(Duration::from_millis(50))),
        ("until", |route, request| {
            route.subscribe(request).until(tokio::time::sleep(Duration::from_millis(50)))
        }),
        ("end_client", |route, request| {
            let client = route.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                client.end_client("c").unwrap();
            });
            route.subscribe(request).client("c")
        }),
        ("the filter panics", |route, request| {
            let publisher = route.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                publish(&publisher, "1");
            });
            route.subscribe(request).filter(|_| panic!("a user's mistake"))
        }),
        ("close_within", |route, request| {
            let closing = route.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                closing.close_within(Duration::from_millis(50));
            });
            route.subscribe(request)
        }),
    ];
    for way in WAYS {
        for (name, make) in makes {
            let route = quiet().build();
            let shared = route.clone();
            let server = Settings::of(way).start(move |request| make(&shared, request).respond());
            let mut stream = Connection::get(server.address);
            stream.read_until("0\r\n\r\n");
            until(name, || route.subscribers() == 0);
        }
    }
}

#[test]
fn a_shutdown_ends_streams_after_what_was_published_and_waits_for_them() {
    for way in WAYS {
        let route = quiet().build();
        let shared = route.clone();
        let settings = Settings {
            grace: Duration::from_secs(30),
            spread: Duration::from_millis(300),
            ..Settings::of(way)
        };
        let mut server = settings.start(move |request| shared.respond(request));
        let mut streams: Vec<_> = (0..20).map(|_| Connection::get(server.address)).collect();
        until("all are subscribed", || route.subscribers() == 20);
        publish(&route, "last");
        server.stop();
        for stream in &mut streams {
            stream.read_until("data: last\n");
            assert!(stream.read_to_end().ends_with("0\r\n\r\n"), "{way:?}");
        }
        until("the server has ended", || server.has_ended());
        assert_eq!(route.subscribers(), 0);
    }
}

#[test]
fn a_shutdown_cuts_open_connections_after_the_grace() {
    for way in WAYS {
        let route = quiet().history_bytes(1 << 30).history(100_000).build();
        let shared = route.clone();
        let settings = Settings { grace: Duration::from_millis(100), ..Settings::of(way) };
        let mut server = settings.start(move |request| shared.respond(request));
        let stream = Connection::get(server.address);
        let data = "x".repeat(1 << 20);
        for _ in 0..32 {
            publish(&route, &data);
        }
        server.stop();
        until("the server has ended", || server.has_ended());
        assert_eq!(route.subscribers(), 0, "{way:?}");
        drop(stream);
    }
}

#[test]
fn a_stalled_client_is_cut_and_a_lagging_one_gets_a_gap() {
    for way in WAYS {
        let route = quiet().history(4).burst_bytes(0).build();
        let shared = route.clone();
        let settings = Settings { write_deadline: Duration::from_millis(300), ..Settings::of(way) };
        let server = settings.start(move |request| shared.respond(request));
        let stalled = Connection::get(server.address);
        let mut slow = Connection::get(server.address);
        until("both are subscribed", || route.subscribers() == 2);
        let reader = thread::spawn(move || {
            let mut seen = Vec::new();
            let mut buffer = vec![0; 256 << 10];
            while !seen.windows(8).any(|window| window == b"the last") {
                let read = slow.socket.read(&mut buffer).unwrap();
                assert!(read > 0, "{way:?}: the slow client is cut");
                // The next read may bring the rest of a text that was cut in two.
                seen.drain(..seen.len().saturating_sub(64));
                seen.extend_from_slice(&buffer[..read]);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let data = "x".repeat(64 << 10);
        until("one client is cut, and one gets a gap", || {
            publish(&route, &data);
            route.stats().stalled == 1 && route.stats().gaps > 0
        });
        publish(&route, "the last");
        reader.join().unwrap();
        assert_eq!(route.stats().stalled, 1, "{way:?}");
        drop(stalled);
    }
}

#[test]
fn a_request_over_the_limit_is_refused() {
    for way in WAYS {
        let route = quiet().max_subscribers(1).build();
        let server = Server::of(way, &route);
        let first = Connection::get(server.address);
        let mut second = Connection::open(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(second.read_until("\r\n").contains("503"), "{way:?}");
        drop(first);
        until("the subscriber is disconnected", || route.subscribers() == 0);
        Connection::get(server.address);
    }
}

/// A user's value that is kept with a stream, and panics when it is dropped.
struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("a user's mistake");
    }
}

/// A body with such a value.
struct WithPanics {
    body: Body,
    _panics: Panics,
}

impl http_body::Body for WithPanics {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

#[test]
fn a_panic_at_the_end_of_one_stream_does_not_end_others() {
    for way in WAYS {
        let (ends, stays) = (quiet().build(), quiet().build());
        let routes = (ends.clone(), stays.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let response = match request.uri().path() {
                "/body" => {
                    routes.0.respond(&request).map(|body| Either::Left(WithPanics { body, _panics: Panics }))
                }
                "/filter" => {
                    let panics = Panics;
                    let subscription = routes.0.subscribe(&request).filter(move |_| {
                        let _ = &panics;
                        true
                    });
                    subscription.respond().map(Either::Right)
                }
                _ => routes.1.respond(&request).map(Either::Right),
            };
            let mut response = response;
            response.extensions_mut().insert(PassedThrough);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        let server = Settings::of(way).serve(service);
        let mut stream = Connection::get(server.address);
        let open =
            |path| Connection::open(server.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let ending: Vec<_> = ["/body", "/filter", "/body", "/filter"].map(open).into();
        until("all are subscribed", || ends.subscribers() == 4);
        ends.close();
        until("all have ended", || ends.subscribers() == 0);
        publish(&stays, "still here");
        stream.read_until("data: still here\n");
        drop(ending);
        // Cutting all connections panics, too, and the process goes on.
        let ending: Vec<_> = ["/body", "/body"].map(open).into();
        drop((server, ending));
    }
}

/// A shutdown does not wait for a connection without a request.
#[test]
fn a_connection_whose_stream_has_ended_does_not_hold_a_shutdown_up() {
    for way in WAYS {
        let (task, long) = (quiet().build(), quiet().build());
        let routes = (task.clone(), long.clone());
        let settings =
            Settings { grace: Duration::from_secs(30), spread: Duration::from_secs(10), ..Settings::of(way) };
        let mut server = settings.start(move |request| match request.uri().path() {
            "/task" => routes.0.respond(request),
            _ => routes.1.respond(request),
        });
        // These streams end one by one.
        let long_streams: Vec<_> = (0..20).map(|_| Connection::get(server.address)).collect();
        let mut streams: Vec<_> = (0..20)
            .map(|_| Connection::open(server.address, "GET /task HTTP/1.1\r\nHost: x\r\n\r\n"))
            .collect();
        for stream in &mut streams {
            stream.read_until("\n\n\r\n");
        }
        let begin = Instant::now();
        task.close();
        server.stop();
        for stream in &mut streams {
            stream.read_to_end();
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{way:?}: {:?}", begin.elapsed());
        drop(long_streams);
    }
}

/// The runtime is dropped before the future of the server.
#[test]
#[cfg(target_os = "linux")]
fn nothing_goes_on_without_the_runtime() {
    for way in WAYS {
        let route = Route::builder().heartbeat(Duration::from_millis(50)).build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let threads = usize::from(way == Way::Threads);
        let mut server = Box::pin(serve(listener, route.clone()).threads(threads).into_future());
        let client = thread::spawn(move || Connection::get(address));
        runtime.block_on(async {
            let _ = tokio::time::timeout(Duration::from_millis(300), &mut server).await;
        });
        let stream = client.join().unwrap();
        drop(runtime);
        if way == Way::Threads {
            until("its stream is cut", || route.subscribers() == 0);
        }
        drop((server, stream));
    }
}
