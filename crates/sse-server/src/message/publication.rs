//! A message to publish, with its key and its tag.

use std::error::Error;
use std::fmt;

use http::HeaderValue;
use sse_codec::{EventId, Message};

/// A message to publish, with its key and its tag, which clients don't get.
///
/// A reference to a [`Message`] converts to a publication without a key and a tag.
///
/// ```
/// use sse_server::{Message, Publication, Route};
///
/// let route = Route::new();
/// let message = Message::new(r#"{"owner":7,"state":"paid"}"#);
/// // A filter finds the owner without a look into the JSON.
/// route.publish(Publication::new(&message).key("order-12").tag("owner-7"))?;
/// # Ok::<(), sse_server::PublishError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is published until it is given to a route"]
pub struct Publication<'m> {
    message: &'m Message<'m>,
    key: Option<&'m str>,
    tag: Option<&'m str>,
}

impl<'m> Publication<'m> {
    /// Returns a publication without a key and a tag.
    pub fn new(message: &'m Message<'m>) -> Self {
        Self { message, key: None, tag: None }
    }

    /// Sets the key, such as the product of a price or the name of a machine. With
    /// [`LagPolicy::LatestPerKey`](crate::LagPolicy::LatestPerKey), the message replaces the earlier messages with the
    /// same key. Filters see the key.
    pub fn key(mut self, key: &'m str) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the tag: a text such as the user whom the message is for. Only [filters](crate::Subscription::filter) and
    /// subscribers inside the program see it. With a log, it is stored with the message.
    pub fn tag(mut self, tag: &'m str) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(crate) fn parts(&self) -> (&'m Message<'m>, Option<&'m str>, Option<&'m str>) {
        (self.message, self.key, self.tag)
    }
}

impl<'m> From<&'m Message<'m>> for Publication<'m> {
    fn from(message: &'m Message<'m>) -> Self {
        Self::new(message)
    }
}

/// Why a publisher can't give an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidId {
    /// A `Last-Event-ID` header can't contain the id without a change: the id is empty, has a space or a tab at an end,
    /// or has a control character.
    NotAHeader,
    /// The id is longer than 1,024 bytes.
    TooLong,
    /// The id has the form of the ids that the route gives.
    Reserved,
}

/// The longest id that a publisher can give, in bytes. Servers and proxies refuse requests with headers of some
/// kilobytes.
const LONGEST_ID: usize = 1024;

impl InvalidId {
    /// Checks that a client can send an id back.
    pub(crate) fn check(id: &EventId<'_>) -> Result<(), Self> {
        let id = id.as_str();
        if id.len() > LONGEST_ID {
            return Err(Self::TooLong);
        }
        let comes_back = !id.is_empty()
            && id.trim_matches([' ', '\t']) == id
            && HeaderValue::from_bytes(id.as_bytes()).is_ok();
        if comes_back { Ok(()) } else { Err(Self::NotAHeader) }
    }
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAHeader => {
                "the id can't come back in a Last-Event-ID header; it must not be empty, begin or end with a space, or \
                 contain control characters"
            }
            Self::TooLong => "the id is longer than 1,024 bytes",
            Self::Reserved => {
                "the id has the form of the ids that the server gives; leave it out, or put it into the data"
            }
        })
    }
}

impl Error for InvalidId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(id: &str, expected: Result<(), InvalidId>) {
        assert_eq!(InvalidId::check(&EventId::new(id).unwrap()), expected, "{id:?}");
    }

    #[test]
    fn an_id_that_a_client_cant_send_back_is_refused() {
        for id in ["7", "a b", "é", "e-7", "\u{a0}x", &"x".repeat(1024)] {
            check(id, Ok(()));
        }
        for id in ["", " ", " a", "a\t", "a\u{1}b", "\u{7f}"] {
            check(id, Err(InvalidId::NotAHeader));
        }
        check(&"x".repeat(1025), Err(InvalidId::TooLong));
    }
}
