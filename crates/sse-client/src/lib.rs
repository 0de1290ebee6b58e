//! A client for Server-Sent Events on reqwest. It reconnects, resumes after the last event, and gives events as values
//! of your own type.
//!
//! ```no_run
//! use sse_client::{Error, EventSource, Notice};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let mut source = EventSource::builder_for("https://example.com/events")?
//!         // For example "the server could not be reached: …; trying again in 1.2 s".
//!         .on_notice(|notice| if let Notice::Waiting { .. } = notice { eprintln!("{notice}") })
//!         .build()?;
//!     while let Some(event) = source.next().await {
//!         let event = event?;
//!         println!("{}: {}", event.event_type(), event.data());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ```text
//! request -> redirects -> response check -> bytes -> decoder -> events -> values of your type
//!    ^                                        |
//!    +------- wait <- reconnect policy <- end or idle time-out
//! ```
//!
//! # Which type to use
//!
//! | for | use |
//! |---|---|
//! | a feed that goes on over many connections | [`EventSource`] |
//! | one response, such as the answer of an LLM | [`EventStream`]: `response.events()` ([`ResponseExt`]) |
//! | a request that is sent again until there is a response, and never after | [`EventSource`] with [`Reconnect::until_response`] |
//! | the event that ends an answer, or reports an error | [`Ending`], [`Verdict`] |
//! | events as values of your type | `.decode::<T>()`, `.json::<T>()` ([`Typed`]), `.with_ids()` ([`WithIds`]) |
//! | events and comments | `.with_comments()` ([`WithComments`]) |
//! | a program without async | `.blocking()` (`Blocking`, feature `blocking`) |
//! | closing or reconnecting a source from another task or thread | [`Handle`] |
//! | settings of many sources and streams | [`EventSourceBuilder`], which can be cloned; [`ReadSettings`] |
//! | a client that several sources share | [`client_builder`] |
//! | the reconnect policy without this crate's connections | [`Reconnector`] |
//!
//! Sources and streams are [`Stream`](futures_core::Stream)s. An `Err` that is [not final](Error::is_final) says that
//! one event was skipped, and the next event follows. After any other `Err` the stream has ended.
//!
//! # What is tried again
//!
//! | what happened | what an [`EventSource`] does |
//! |---|---|
//! | the stream ended or broke, or brought nothing for too long; no connection; no response in time | makes another attempt |
//! | 408, 425, 429, 5xx | makes another attempt, not before `Retry-After` or `retry-after-ms` |
//! | 401, with [`on_attempt`](EventSourceBuilder::on_attempt) | makes another attempt at once; a second 401 in a row is an error |
//! | 204, after a good response | ends: the server has no more events |
//! | any other status, another content type, too many redirects, a certificate that is not trusted | ends with an error |
//! | the end of a request that is not safe to repeat (`POST`) | ends, unless you set a policy |
//!
//! [`Reconnect`] has the waits and their bounds. [`Reconnect::standard`] follows the letter of the standard.
//!
//! # A token that expires
//!
//! The hook [`on_attempt`](EventSourceBuilder::on_attempt) prepares the request of each attempt. After a 401 it is
//! called once more, to get a new token:
//!
//! ```no_run
//! use sse_client::reqwest::header::{AUTHORIZATION, HeaderValue};
//! use sse_client::reqwest::{Client, Request};
//! use sse_client::{Error, EventSource};
//!
//! # async fn fetch_token(fresh: bool) -> std::io::Result<HeaderValue> {
//! #     Ok(HeaderValue::from_static(if fresh { "Bearer new" } else { "Bearer token" }))
//! # }
//! # fn example(client: Client, request: Request) -> Result<(), Error> {
//! let source = EventSource::builder(client, request)
//!     .on_attempt(async |mut attempt| {
//!         let status = attempt.error.as_ref().and_then(Error::status);
//!         let is_stale = status.is_some_and(|status| status == 401);
//!         attempt.request.headers_mut().insert(AUTHORIZATION, fetch_token(is_stale).await?);
//!         Ok::<_, std::io::Error>(attempt.request)
//!     })
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to the connection
//!
//! An observer is told of each connection, wait and end, for a log or a status light. A source tries a server that
//! can't be reached again without end. With [`after_response`](Reconnect::after_response) the first failure is an
//! error, because a wrong URL may be its cause.
//!
//! ```no_run
//! use sse_client::reqwest::{Client, Request};
//! use sse_client::{Error, EventSource, Notice, Reconnect};
//!
//! # fn example(client: Client, request: Request) -> Result<(), Error> {
//! let source = EventSource::builder(client, request)
//!     .reconnect(Reconnect::new().after_response())
//!     .on_notice(|notice| match notice {
//!         Notice::Opened { status, url, .. } => eprintln!("{status} from {url}"),
//!         // `{:#}` adds the causes of the error.
//!         Notice::Waiting { delay, cause: Some(error), .. } => {
//!             eprintln!("{error:#}; again in {delay:?}");
//!         }
//!         Notice::Waiting { .. } => eprintln!("{notice}"),
//!         _ => {}
//!     })
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Secrets
//!
//! Sources of [`EventSource::get`] and [`builder_for`](EventSource::builder_for) follow redirects themselves. To
//! another origin they send only the headers that describe the request. Your own client follows redirects as it is set
//! to: reqwest does not send `Authorization` and `Cookie` to another host, but it does send an `X-Api-Key`.
//! [`max_redirects`](EventSourceBuilder::max_redirects) says how to change that.
//!
//! # Your own client
//!
//! [`client_builder`] has the settings of the clients that this crate makes. Use it if several sources share a client,
//! and add your own settings. Its HTTP/2 PINGs find dead connections, its windows keep sources that nobody reads from
//! stopping the others, and it reads up to 1000 headers. `reqwest::Client::new()` needs a TLS feature of your own
//! reqwest, or an installed provider of cryptography: this crate turns on no TLS for it.
//!
//! # In a browser
//!
//! The crate compiles for `wasm32-unknown-unknown`. There, `fetch` follows redirects, so that
//! [`max_redirects`](EventSourceBuilder::max_redirects) has no effect, and `fetch` decompresses. It asks servers of
//! other origins for permission (CORS), also for `Last-Event-ID` and `Cache-Control`. Only the idle time-outs find a
//! connection that is half open. Futures stay in their thread, so that a source is not `Send`. There is no `blocking`.
//!
//! # Features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `blocking` | no | an iterator, for programs without async |
//! | `default-tls` | yes | `https` in the clients that this crate makes: rustls on ring, with the certificates of the system |
//! | `gzip` | no | asks for gzip, and decompresses responses as they come |
//! | `http2` | yes | HTTP/2, if the server offers it |
//! | `json` | no | reads data as JSON, and sends JSON in requests |
//! | `system-proxy` | yes | the proxy of the system's settings |

#![cfg_attr(docsrs, feature(doc_cfg))]
// What features of other crates bring is always here.
#![cfg_attr(
    docsrs,
    allow(unexpected_cfgs),
    doc(auto_cfg(hide(feature = "alloc", feature = "bytes", feature = "std")))
)]

mod adapters;
mod connect;
mod error;
mod platform;
mod read;
mod reconnect;
#[cfg(test)]
mod simulation;
mod source;

pub use reqwest;
#[cfg(feature = "json")]
pub use sse_codec::JsonError;
pub use sse_codec::{
    Decoder, Event, EventId, EventRef, EventType, InvalidField, Line, LineDecoder, TooLarge,
};

#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
pub use crate::adapters::{Blocking, BlockingMut};
pub use crate::adapters::{Typed, WithComments, WithId, WithIds};
pub use crate::connect::Attempt;
pub use crate::error::{BoxError, DecodeError, Error, Refusal};
pub use crate::platform::{Instant, MaybeSend, client_builder};
pub use crate::read::{Ending, EventStream, Item, ReadSettings, ResponseExt, Verdict, reports_error};
pub use crate::reconnect::{Cause, Decision, Reconnect, Reconnector};
pub use crate::source::{EventSource, EventSourceBuilder, Handle, Notice, ReadyState};

/// The README, whose examples are tested here.
#[cfg(all(doctest, feature = "blocking", feature = "json"))]
#[doc = include_str!("../README.md")]
struct Readme;
