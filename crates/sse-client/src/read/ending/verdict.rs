//! What an event means for an answer.

/// What an event means for the answer that it is a part of: see [`Ending`](crate::Ending).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The event is given, and the answer goes on.
    More,
    /// The event is given, and the stream ends after it.
    Last,
    /// The event is not given, and the stream ends.
    End,
    /// The event is given, and the answer is complete if the response ends before another event comes.
    MayEnd,
    /// The event reports a failure: the stream ends with [`Error::Event`](crate::Error::Event).
    Failed,
}
