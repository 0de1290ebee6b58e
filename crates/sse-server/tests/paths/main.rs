//! The two ways of an event stream under `serve`: written by the server's own threads, or by hyper. Only their cost may
//! differ, so each test runs on both.

mod bodies;
mod counts;
mod ends;
mod first_event;
mod http1;
mod server;
mod subscriptions;
