//! Where events begin, as users write it: an id or a time.

use std::borrow::Cow;

use jiff::Timestamp;

/// The prefix of an id that could be read as a time.
const ID: &str = "id:";

/// What a user has written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written<'t> {
    /// The id of an event, without the prefix `id:`.
    Id(&'t str),
    Time(Timestamp),
}

/// Reads an id, or a time as RFC 3339 has it or as seconds since 1970, `@1732550000`. `None` if what follows `@` is not
/// such a number. `id:` before an id says that it is no time.
pub(crate) fn parse(text: &str) -> Option<Written<'_>> {
    if let Some(id) = text.strip_prefix(ID) {
        return Some(Written::Id(id));
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok().map(Written::Time);
    }
    Some(text.parse().map_or(Written::Id(text), Written::Time))
}

/// Writes an id so that it is read as this id: a publisher's id may look like a time.
pub(crate) fn write(id: &str) -> Cow<'_, str> {
    if parse(id) == Some(Written::Id(id)) { id.into() } else { format!("{ID}{id}").into() }
}
