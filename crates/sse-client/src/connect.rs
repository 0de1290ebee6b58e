//! The first step of a connection: sends the request, follows its redirects, and checks the response.

mod connector;
mod content_type;
mod redirect;
mod refusal;
mod request;
mod response;
mod transport;
mod url;

pub use self::connector::Attempt;
pub(crate) use self::connector::{AttemptHook, Connector};
pub(crate) use self::redirect::MAX_REDIRECTS;
#[cfg(test)]
pub(crate) use self::request::LAST_EVENT_ID;
pub(crate) use self::request::{ShownRequest, Template, fits_header};
pub(crate) use self::response::Accepted;
pub(crate) use self::transport::Transport;
pub(crate) use self::url::parse as parse_url;
