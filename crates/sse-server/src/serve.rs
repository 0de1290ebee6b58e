//! A server around a service: its connections, HTTP/1.1 and HTTP/2, and its shutdown.

mod accept;
mod connections;
mod counts;
mod deadline;
mod descriptors;
mod in_flight;
mod listener;
mod live;
mod open;
mod preface;
mod reactor;
mod service;
mod source;
mod trace;

pub use self::accept::{Serve, serve};
pub use self::connections::Connections;
pub use self::counts::{ConnectionCounts, ConnectionStats};
pub use self::deadline::WriteDeadline;
pub use self::listener::Listener;
pub use self::service::PeerAddress;
pub use self::source::Accept;
