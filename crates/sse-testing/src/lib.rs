//! A test kit for Server-Sent Events. It tests handlers without sockets, clients against servers that misbehave on
//! command, parsers in all cuts of their input, logs by a conformance suite, and whole systems by simulations.
//!
//! | to test | use |
//! |---|---|
//! | a handler that responds with an event stream | [`Subscriber`], [`subscribe`], [`request`] |
//! | a client | [`Server`] and its [`Answer`]s |
//! | a parser | [`cuts`] |
//! | an implementation of [`sse_server::log::Log`] | [`log::check`], [`log::check_trimming`] and [`log::check_evicting`] |
//! | a program with several replicas | [`log::MemoryLog`] |
//! | a system with random faults | [`simulation`] |
//!
//! The functions are for tests: they panic if something is wrong, and the message says what they saw.
//!
//! # A handler, without a socket
//!
//! A handler returns a response, and the test reads the body of this response. It needs no server, no port and no client.
//! [`read_data`](Subscriber::read_data) returns the data of all events that are there, and then `-` if the stream goes on,
//! or `.` if it has ended.
//!
//! In your tests, write `#[test]` and a name in place of `fn main`:
//!
//! ```
//! use http::{Request, Response};
//! use sse_server::{Body, Message, Route};
//! use sse_testing::{Subscriber, request};
//!
//! /// The handler under test.
//! fn events(route: &Route, request: &Request<()>) -> Response<Body> {
//!     route.subscribe(request).snapshot(|| [Message::new("welcome")]).respond()
//! }
//!
//! fn main() {
//!     let route = Route::new();
//!     let mut subscriber = Subscriber::of(events(&route, &request("")));
//!     assert_eq!(subscriber.read_data(), ["welcome", "-"]);
//!
//!     route.publish(&Message::new("1")).unwrap();
//!     route.publish(&Message::new("2")).unwrap();
//!     assert_eq!(subscriber.read_data(), ["1", "2", "-"]);
//!
//!     // The client loses its connection, and resumes after its last event.
//!     let id = subscriber.last_event_id().to_owned();
//!     drop(subscriber);
//!     route.publish(&Message::new("3")).unwrap();
//!     route.close();
//!     let mut subscriber = Subscriber::of(events(&route, &request(&id)));
//!     assert_eq!(subscriber.read_data(), ["3", "."]);
//! }
//! ```
//!
//! An async test can wait for an event. With a paused clock, time passes only when all tasks wait, so a heartbeat after 15
//! seconds takes no time. This is a handler of axum. In your tests, write `#[tokio::test(start_paused = true)]` in place
//! of `#[tokio::main(…)]`:
//!
//! ```
//! use axum::body::Body;
//! use axum::extract::{Request, State};
//! use http::Response;
//! use sse_server::{Message, Route};
//! use sse_testing::{Subscriber, request};
//!
//! /// The handler under test.
//! async fn events(State(route): State<Route>, request: Request) -> Response<sse_server::Body> {
//!     route.respond(&request)
//! }
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() {
//!     let route = Route::new();
//!     let request = request("").map(|()| Body::empty());
//!     let mut subscriber = Subscriber::of(events(State(route.clone()), request).await);
//!
//!     route.publish(&Message::new("Hello")).unwrap();
//!     let event = subscriber.next_event().await.unwrap();
//!     assert_eq!((event.event_type(), event.data()), ("message", "Hello"));
//!
//!     // Nothing is published, so the next block is a heartbeat.
//!     assert_eq!(subscriber.next_block().await.unwrap(), ":\n\n");
//!
//!     route.close();
//!     assert!(subscriber.next_event().await.is_none());
//! }
//! ```
//!
//! [`Subscriber`] reads any `http_body::Body`, so the handler need not use `sse-server`. The test fails if the body fails, is
//! not UTF-8, or ends in the middle of an event.
//!
//! # A parser, in every cut
//!
//! The chunks of a network end anywhere: in a character, between CR and LF, in an event. [`cuts::check`] calls a parser with
//! the bytes as a whole, byte by byte, in every cut in two, and in 100 random cuts. It fails if one result differs.
//!
//! ```
//! use sse_codec::Decoder;
//! use sse_testing::cuts;
//!
//! let stream = "data: Grüße\r\n\r\nevent: tick\ndata: 2\n\n".as_bytes();
//! let data = cuts::check(stream, |chunks| {
//!     let mut decoder = Decoder::new();
//!     let mut data = Vec::new();
//!     for mut chunk in chunks.iter().copied() {
//!         while let Some(event) = decoder.next_event(&mut chunk).unwrap() {
//!             data.push(event.data().to_owned());
//!         }
//!     }
//!     data
//! });
//! assert_eq!(data, ["Grüße", "2"]);
//! ```
//!
//! # A client, against a bad server
//!
//! [`Server`] listens on 127.0.0.1 and gives the answers of a script. It works in blocking tests and in any async runtime.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use sse_testing::{Answer, Server};
//!
//! /// The client under test. It returns everything that it gets.
//! fn client(server: &Server, last_event_id: &str) -> String {
//!     let mut stream = TcpStream::connect(server.address()).unwrap();
//!     write!(stream, "GET /events HTTP/1.1\r\nLast-Event-ID: {last_event_id}\r\n\r\n").unwrap();
//!     let mut seen = String::new();
//!     stream.read_to_string(&mut seen).unwrap();
//!     seen
//! }
//!
//! let server = Server::start([
//!     Answer::status(503),
//!     // This answer ends in the middle of an event.
//!     Answer::stream("id: 1\ndata: one\n\nid: 2\nda"),
//!     Answer::stream("id: 2\ndata: two\n\n"),
//! ]);
//! assert!(client(&server, "").starts_with("HTTP/1.1 503 "));
//! assert!(client(&server, "").ends_with("data: one\n\nid: 2\nda"));
//! assert!(client(&server, "1").ends_with("data: two\n\n"));
//!
//! let requests = server.requests();
//! assert_eq!(requests[2].header("last-event-id"), Some("1"));
//! ```
//!
//! | an answer that | is made by |
//! |---|---|
//! | has any bytes | [`Answer::raw`], [`Answer::response`] |
//! | ends after a number of bytes | [`cut`](Answer::cut) |
//! | comes byte by byte, or with a pause in it | [`drip`](Answer::drip), [`pause`](Answer::pause) |
//! | stalls | [`held`](Answer::held) |
//! | resets its connection | [`reset`](Answer::reset) |
//! | never ends | [`endless`](Answer::endless) |
//! | is written while the test runs | [`live`](Answer::live), [`then`](Answer::then) |
//!
//! # A log
//!
//! [`log::check`] checks that your own log does what replicas of [`sse_server::Topics`] rely on. If it does not, the panic
//! names the rule and what was seen:
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//!
//! use sse_testing::log::{self, MemoryLog};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     // The logs under test, by name. The suite opens each of them several times.
//!     let logs = Mutex::new(HashMap::<String, MemoryLog>::new());
//!     log::check(async |name: &str| logs.lock().unwrap().entry(name.to_owned()).or_default().clone()).await;
//! }
//! ```
//!
//! # A simulation
//!
//! [`simulation::Simulation`] runs a test once for each seed, on a paused clock. Hours pass in milliseconds, and a seed always
//! gives the same run. A failure prints its seed.
//!
//! ```
//! use std::time::Duration;
//!
//! use sse_server::{Message, Route};
//! use sse_testing::simulation::{Simulation, Tally};
//! use sse_testing::subscribe;
//! use tokio::time::sleep;
//!
//! let seen = Simulation::new().runs(50).run(async |seed| {
//!     let mut rng = fastrand::Rng::with_seed(seed);
//!     let route = Route::builder().history(rng.usize(1..10)).burst_bytes(0).build();
//!     let mut subscriber = subscribe(&route, "");
//!     let mut seen = Tally::new();
//!     for number in 0..20 {
//!         route.publish(&Message::new(number.to_string())).unwrap();
//!         sleep(Duration::from_secs(rng.u64(0..60))).await;
//!         if rng.bool() {
//!             let data = subscriber.read_data();
//!             seen.count(if data[0].contains("missed") { "gap" } else { "no gap" });
//!         }
//!     }
//!     seen
//! });
//! // If one of the two never happened, the simulation would test nothing.
//! if let Some(seen) = seen {
//!     assert!(seen.get("gap") > 0 && seen.get("no gap") > 0, "{seen:?}");
//! }
//! ```
//!
//! # Limits
//!
//! - [`Server`] speaks HTTP/1.1 without TLS. It reads a request's body by its `Content-Length`, and not in chunks.
//! - A call that waits for another party fails after 30 seconds. [`Subscriber::patience`] changes that for a subscriber.
//! - A simulation has one thread. Real sockets, threads and the order of a `HashMap` differ from run to run.
//! - The unit tests of `sse-codec` and `sse-server` themselves can't use this crate, because they would see two copies of
//!   their own types. Integration tests can.
#![cfg_attr(docsrs, feature(doc_cfg))]
// What features of other crates bring is always here.
#![cfg_attr(
    docsrs,
    allow(unexpected_cfgs),
    doc(auto_cfg(hide(feature = "alloc", feature = "bytes", feature = "std")))
)]

mod block;
pub mod cuts;
mod http1;
pub mod log;
mod server;
pub mod simulation;
mod subscriber;

use std::time::Duration;

pub use sse_codec::Event;

pub use crate::block::field;
pub use crate::http1::ChunkedResponse;
pub use crate::server::{Answer, Request, Server};
pub use crate::subscriber::{Subscriber, request, subscribe};

/// How long a test waits for what comes at once unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Compiles and runs the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
