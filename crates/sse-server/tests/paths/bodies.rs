//! Bodies that wrap a stream, and responses that are not a plain stream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::service::service_fn;
use sse_server::{Body, Message, MessageStream, PassedThrough};

use crate::server::{Connection, Settings, WAYS, Way, publish, quiet, until};

/// A stream that is made from another body, and changes it.
struct Redacted(Body);

impl futures_core::Stream for Redacted {
    type Item = Message<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut self.0), cx));
        Poll::Ready(frame.map(|frame| {
            let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
            Message::new(text.replace("secret", "xxxxxx").replace('\n', "|"))
        }))
    }
}

#[test]
fn a_stream_that_is_made_from_another_is_not_bypassed() {
    for way in WAYS {
        let route = quiet().build();
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| {
            MessageStream::new(Redacted(shared.respond(request).into_body())).respond()
        });
        let mut stream = Connection::open(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        until("it is subscribed", || route.subscribers() == 1);
        publish(&route, "a secret");
        stream.read_until("data: a xxxxxx|");
    }
}

/// A body that wraps another, and counts how many are alive.
struct Wrapper {
    body: Body,
    alive: Arc<AtomicUsize>,
    frames: Arc<AtomicUsize>,
}

impl http_body::Body for Wrapper {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.frames.fetch_add(usize::from(frame.is_ready()), Ordering::SeqCst);
        frame
    }
}

impl Drop for Wrapper {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_wrapped_body_stays_with_hyper_unless_it_is_marked() {
    for (way, is_marked, frames) in
        [(Way::Threads, true, 1), (Way::Threads, false, 4), (Way::Hyper, true, 4), (Way::Hyper, false, 4)]
    {
        let route = quiet().build();
        let (alive, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let service = {
            let (route, alive, seen) = (route.clone(), alive.clone(), seen.clone());
            service_fn(move |request: Request<Incoming>| {
                alive.fetch_add(1, Ordering::SeqCst);
                let (alive, frames) = (alive.clone(), seen.clone());
                let mut response = route.respond(&request).map(|body| Wrapper { body, alive, frames });
                if is_marked {
                    response.extensions_mut().insert(PassedThrough);
                }
                async move { Ok::<_, std::convert::Infallible>(response) }
            })
        };
        let server = Settings::of(way).serve(service);
        let mut stream = Connection::get(server.address);
        for number in 0..3 {
            publish(&route, &number.to_string());
            stream.read_until(&format!("data: {number}\n"));
        }
        assert_eq!(seen.load(Ordering::SeqCst), frames, "{way:?}, marked: {is_marked}");
        assert_eq!(alive.load(Ordering::SeqCst), 1, "the body lives as long as its stream");
        drop(stream);
        until("the body is dropped", || alive.load(Ordering::SeqCst) == 0);
    }
}

/// Responses that hyper frames in another way, or after which hyper has more to do, stay with hyper.
#[test]
fn other_responses_stay_with_hyper() {
    for way in WAYS {
        let route = quiet().build();
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/text" => Response::new(Body::from("text")),
            "/created" => {
                let mut response = shared.respond(request);
                *response.status_mut() = StatusCode::CREATED;
                response
            }
            "/close" => {
                let mut response = shared.respond(request);
                response.headers_mut().insert("connection", "close".parse().unwrap());
                response
            }
            _ if request.method() == Method::POST => shared.subscribe(request).respond(),
            _ => shared.respond(request),
        });
        for (request, status) in [
            ("GET /text HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
            ("GET /created HTTP/1.1\r\nHost: x\r\n\r\n", "201"),
            ("GET /close HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "200"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "200"),
            ("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "200"),
        ] {
            let mut stream = Connection::open(server.address, request);
            let head = stream.read_until("\r\n\r\n");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{way:?}: {request:?}: {head}");
            if head.contains("event-stream") {
                stream.read_until("\n\n\r\n");
                publish(&route, "1");
                stream.read_until("data: 1\n");
            }
            drop(stream);
            until("the subscriber is disconnected", || route.subscribers() == 0);
        }
    }
}
