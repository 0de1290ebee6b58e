//! Server-Sent Events for hyper and tower: one route, any number of subscribers, and an event that reports each gap.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sse_server::{Message, Route, serve};
//! use tokio::net::TcpListener;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let route = Route::new();
//!     let listener = TcpListener::bind("127.0.0.1:8080").await?;
//!     tokio::spawn(serve(listener, route.clone()).into_future());
//!     for second in 0..u32::MAX {
//!         route.publish(&Message::new(format!("second {second}")))?;
//!         tokio::time::sleep(Duration::from_secs(1)).await;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`Route`] is a hyper and a tower service. [`Route::respond`] fits into any framework that is built on `http`.
//!
//! ```text
//!  publish                          one frame for all subscribers
//!     │  encode once                at the same position
//!     ▼                                   │
//!  ring of the topic  ──── frames ───► subscriber ───────────────────────► socket
//!     │                                   ▲                                   │
//!     └──── wake, once per burst ─────────┘                 write deadline ───┘
//! ```
//!
//! # The promise
//!
//! **Each subscriber gets the events of its topics in the order in which they were published, and each event once. If
//! events are missing, an event says so.**
//!
//! This holds for bursts, for reconnections at any replica, for streams of several topics, and for every id that a
//! publisher may give. A publisher never waits for a subscriber, and no subscriber can make a publisher fail. An
//! application can choose to get less: with a [filter](Subscription::filter), or with a [`LagPolicy`] that disconnects
//! lagging subscribers or sends them only the latest message of each key.
//!
//! # What a subscriber gets
//!
//! 1. **At once**: an empty comment, the reconnection time, and an id without an event. With this id, a client that loses
//!    its connection before the first event resumes at the position where its stream began. The reconnection time is a
//!    random time from 2 s to 4 s, so that clients that lost their connections together do not reconnect together.
//! 2. **The events that it missed**, if its request has a `Last-Event-ID` (a header, or `lastEventId` in the query). New
//!    events follow.
//! 3. **Every event**, whole. Messages that are published while the socket of a subscriber is full stay in the history
//!    of the route. A lagging subscriber takes no more memory than others. A burst of up to 1 MiB is kept for connected
//!    subscribers that have not read it yet, whatever the history is set to ([`RouteBuilder::burst_bytes`]).
//! 4. **A gap event**, if the next message was evicted: the type is `gap`, the data is like `{"missed":12}`. The stream
//!    goes on at the oldest kept message. Messages without data are counted, too. The data is `{"missed":null}` if the
//!    number is not known. That is so if the id comes from another server or from before a restart, if the stream is one
//!    of [`Topics::subscribe`], or if the route keeps the latest message of each key.
//! 5. **A comment**, if nothing else was sent for 15 seconds.
//!
//! # Ids
//!
//! The route gives each event an id such as `31043490a327-6`: a random number that stands for this route, and the
//! position of the message. A publisher may give an event an id of its own instead, such as the id of a row in a
//! database. It can then repeat a request to which it got no response:
//!
//! ```
//! use sse_server::{EventId, Message, Route};
//!
//! let route = Route::new();
//! let row = Message::new("paid").id(EventId::from(7));
//! assert!(!route.publish(&row)?.is_repeat());
//! assert!(route.publish(&row)?.is_repeat(), "not sent again");
//! # Ok::<(), sse_server::PublishError>(())
//! ```
//!
//! | the publisher gives | what happens |
//! |---|---|
//! | a new id | the event has this id, and a client resumes with it |
//! | the id of an earlier message, with the same fields, key and tag | it is a [repeat](Published::is_repeat), and is not published again |
//! | the id of an earlier message, with anything else | [`PublishError::IdTaken`] |
//! | an id of the form that routes give, an empty id, or an id that can't be sent in a header | [`PublishError::InvalidId`] |
//! | any id, on a route with a log | [`PublishError::OwnId`], because the log gives the ids |
//!
//! A route remembers the ids of all messages that it keeps, and at least the newest 16,384 ids.
//!
//! A stream of [`Topics::subscribe`] has the ids that the topics give, and no publishers' ids, because two topics may
//! use the same one. A stream of [`Topics::subscribe_to`] is of one topic, and has the ids of its publishers.
//!
//! # A snapshot before the stream
//!
//! [`Route::subscribe`] returns a [`Subscription`], which has settings for the stream of this client. One of them is a
//! snapshot. Hold the lock of your state while you subscribe and make the snapshot, and while you change the state and
//! publish the change. Then each change is either in the snapshot or in the stream, and never in both:
//!
//! ```
//! use std::sync::Mutex;
//!
//! use http::{Request, Response};
//! use sse_server::{Body, Message, PublishError, Route};
//!
//! struct Counter {
//!     value: Mutex<u64>,
//!     route: Route,
//! }
//!
//! impl Counter {
//!     fn add(&self, more: u64) -> Result<(), PublishError> {
//!         let mut value = self.value.lock().unwrap();
//!         *value += more;
//!         self.route.publish(&Message::new(value.to_string()))?;
//!         Ok(())
//!     }
//!
//!     fn events(&self, request: &Request<()>) -> Response<Body> {
//!         let value = self.value.lock().unwrap();
//!         let subscription = self.route.subscribe(request);
//!         subscription.snapshot(|| [Message::new(value.to_string())]).respond()
//!     }
//! }
//! # let counter = Counter { value: Mutex::new(1), route: Route::new() };
//! # assert_eq!(counter.events(&Request::new(())).status(), 200);
//! # counter.add(1).unwrap();
//! ```
//!
//! Other settings are a [filter](Subscription::filter) of events, also by their [key and tag](Publication), a
//! [start](Subscription::from_start) at the oldest message, a heartbeat, headers, and a limit for each client. Check
//! whether a client may have the stream before you subscribe it.
//!
//! # A subscriber inside the program
//!
//! [`Route::subscribe_from`] and [`Topics::subscribe_from`] subscribe without a request: after the event with an id, or
//! from now on if the id is empty. [`into_events`](Subscription::into_events) returns a stream of events and gaps, for a
//! worker, a `WebSocket`, or a store of events:
//!
//! ```
//! use sse_server::{Item, Message, Route};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let route = Route::new();
//! let mut events = route.subscribe_from("").into_events();
//! route.publish(&Message::new("Hello"))?;
//! match events.next().await {
//!     Some(Item::Event(received)) => assert_eq!(received.event().data(), "Hello"),
//!     Some(Item::Gap(gap)) => println!("{:?} messages are missing", gap.missed),
//!     Some(_) => {}
//!     None => println!("the route is closed"),
//! }
//! # Ok::<(), sse_server::PublishError>(())
//! # }).unwrap();
//! ```
//!
//! # How streams end
//!
//! | what ends | by | when |
//! |---|---|---|
//! | one stream | [`Subscription::until`], [`Subscription::max_age`] | at once |
//! | the streams of a [client](Subscription::client), such as a user or a revoked token | [`Route::end_client`], [`Topics::end_client`] | at once, on every replica |
//! | the streams of a server | [`Shutdown`], [`Serve::with_graceful_shutdown`] | after the messages that were published before |
//! | a topic | [`Route::close`] | after the messages that were published before, on every replica |
//!
//! A token may be revoked while the server answers its request: [`Route::end_client`] shows the order of the steps.
//!
//! The answer of a language model and the log of a build are topics with an end. Subscribe
//! [from the start](Subscription::from_start), and close the topic when the task is done. As long as the topic is kept
//! ([`TopicsBuilder::linger`]; with a log, [`TopicsBuilder::recent`]), every client gets the whole answer. A client that
//! comes back after that gets the status 204, and does not reconnect any more. Without a log, find the topic by
//! [`Topics::get`]. [`Topics::route`] would make a new topic if the old one is no longer kept, and its clients would wait
//! for ever. [`Topics::open`] opens a closed topic again.
//!
//! # More than one route
//!
//! - [`Topics`] are routes by name. They are made on demand, dropped when unused, and limited in number. One connection
//!   can have several topics, and the ids of its events resume all of them.
//! - [`MessageStream`] makes any stream of messages the response to one request, such as the tokens of a language model.
//! - [`no_content`] is the response 204, which tells a client not to reconnect.
//!
//! # More than one process
//!
//! [`TopicsBuilder::build_on`] gives topics a [log], which several processes can share. What one process publishes,
//! all of them send, and a client can resume at each of them. The crate `sse-redis` has a log in Redis, and `sse-disk`
//! has one on the local disk, for one process and its restarts. Your own log implements [`log::Log`].
//!
//! # Slow clients, dead connections, and limits
//!
//! | event | what happens |
//! |---|---|
//! | a subscriber reads more slowly than events are published | it gets a gap event, is disconnected, or gets the latest message of each key ([`LagPolicy`]) |
//! | a socket takes no byte for 30 s | the connection is cut ([`Listener::write_deadline`], [`WriteDeadline`]) |
//! | a peer vanishes without closing its connection | on Linux, the connection is cut after the heartbeat's interval plus the write deadline; on other systems it takes longer |
//! | there are too many subscribers | 503 with `Retry-After` ([`RouteBuilder::max_subscribers`]) |
//! | one client has too many streams | 429 with `Retry-After` ([`RouteBuilder::max_subscribers_per_client`]) |
//! | [`Route::publish_all`] gets more than can be kept for the subscribers | [`PublishError::BatchTooLarge`] |
//! | the route is closed | each stream gets the rest and ends, at once or [one by one](Route::close_within); later requests get 204 |
//! | the server shuts down | the streams end, and clients reconnect to another server; the route stays open ([`Serve`], [`Shutdown`]) |
//!
//! hyper polls a body only while its socket takes bytes, so a body can't notice that its socket has stalled. Therefore
//! the write deadline is part of the socket's type: [`serve`] sets it, [`Listener`] sets it for `axum::serve` (feature
//! `axum`), and [`WriteDeadline`] sets it in an accept loop of your own. Over HTTP/2, the deadline is for the connection
//! and not for each stream, because hyper does not report a stream whose flow-control window stays closed. Such a stream
//! lasts as long as its connection takes any bytes.
//!
//! [`Route::stats`] counts all of this (cut connections only under [`serve`]). [`ConnectionCounts`] count the connections
//! of a server, [`RouteBuilder::on_first_event`] measures how long streams wait for their first event, and
//! [`Subscription::on_end`] says why a stream has ended. The feature `tracing` makes each stream a span.
//!
//! # Time and memory
//!
//! Under [`serve`], hyper reads the request and writes the head of the response. Then a thread of the server takes over
//! an event stream of HTTP/1; there is one thread for each core ([`Serve::threads`]). An event costs each subscriber
//! little more than the system call that sends it, and a waiting subscriber takes about 110 bytes of memory. Streams of
//! several topics, and streams with a filter or a heartbeat of their own, cost more. Streams over HTTP/2, under other
//! servers, and in bodies that a service wraps stay with hyper. A wrapper that does not change the bytes can say so by
//! [`PassedThrough`].
//!
//! Without a log, the history is in memory: 1,024 messages and 16 MiB of each route by default, and 256 MiB of all
//! [`Topics`] together. After a restart of the program, clients get a gap event. They get none if you publish the same
//! events again, with the same ids of your own.
//!
//! Under [`serve`], at most one frame (32 KiB, or one larger message) is held for a full socket, and all subscribers at
//! the same position share it. For a stream that stays with hyper, hyper holds up to 64 KiB more.
//!
//! # Security
//!
//! The `Last-Event-ID` of a client is neither secret nor signed. It says where the client wants to resume, and not who
//! the client is.
//!
//! # Features
//!
//! No feature is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum` | [`Listener`] can be given to `axum::serve` |
//! | `json` | data as JSON: `Message::json`, `Event::json` |
//! | `tracing` | a span for each stream, and events for gaps, refused requests and cut connections |
//!
//! # Tests of your own
//!
//! A handler can be tested without a server. The crate `sse-testing` reads the response of a handler in the test itself:
//! `Subscriber::of(route.respond(&request))`. It also has a log in memory, and a suite that checks your own log.
#![cfg_attr(docsrs, feature(doc_cfg))]
// What features of other crates bring is always here.
#![cfg_attr(
    docsrs,
    allow(unexpected_cfgs),
    doc(auto_cfg(hide(feature = "alloc", feature = "bytes", feature = "std")))
)]

mod history;
mod hub;
#[cfg(all(test, shuttle))]
mod interleavings;
pub mod log;
mod message;
mod route;
mod serve;
mod subscribe;
mod sync;
mod topics;

#[cfg(feature = "json")]
pub use sse_codec::JsonError;
pub use sse_codec::{Event, EventId, EventRef, EventType, Field, InvalidField, Message};

pub use crate::hub::{LagPolicy, LogStats, Stats, TopicsStats};
#[doc(inline)]
pub use crate::log::{PublishError, Published, Receipt};
pub use crate::message::{EventWriter, InvalidId, Publication};
pub use crate::route::{Route, RouteBuilder};
pub use crate::serve::{
    Accept, ConnectionCounts, ConnectionStats, Connections, Listener, PeerAddress, Serve, WriteDeadline,
    serve,
};
pub use crate::subscribe::{
    Body, Candidate, EndReason, Ended, Events, Gap, Item, MessageStream, PassedThrough, Received, Shutdown,
    Subscription, no_content,
};
pub use crate::topics::{TooManyTopics, Topics, TopicsBuilder};

/// Compiles the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
