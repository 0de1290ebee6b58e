//! What an event means for its answer.

/// What an event means for the answer that it is a part of. An [`Ending`](crate::Ending) returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The event is returned, and the answer goes on.
    More,
    /// The event is returned, and the stream ends after it.
    Last,
    /// The stream ends, and the event is not returned.
    End,
    /// The event is returned. If the response ends before the next event, the answer is complete.
    MayEnd,
    /// The event reports a failure. The stream ends with [`Error::Event`](crate::Error::Event).
    Failed,
}
