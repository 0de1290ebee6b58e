//! The position of a subscriber in one topic, or in several topics that share their positions.
//!
//! If a cursor can't get messages any more, it reports a [`Gap`].

use std::cmp::Reverse;
use std::iter;
use std::mem;

use super::kept::Kept;
use super::position::Position;
use super::ring::Ring;

/// Up to which position a subscriber has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Everything up to here was read or skipped.
    after: Position,
    /// The [evictions](Ring::evictions) of each ring that the subscriber was told of; empty if it was told of none. One
    /// position for all rings is not enough: if one ring has evicted more than another, the other ring may still evict
    /// earlier messages.
    told: Vec<[Position; 2]>,
    /// Whether the subscriber came with an unknown id, so that the messages that it missed can't be counted.
    is_unknown: bool,
}

/// A stretch of the stream that a subscriber can't get any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// How many messages are missing; `None` if the number is not known.
    pub(crate) missed: Option<u64>,
    /// The end of the gap. A subscriber that resumes after this position misses nothing more.
    pub(crate) end: Position,
}

impl Cursor {
    /// Returns a cursor directly after this message.
    pub(crate) fn after(position: Position) -> Self {
        Self { after: position, told: Vec::new(), is_unknown: false }
    }

    /// Returns a cursor directly after this message, if it is not known which messages came next.
    pub(crate) fn unknown_after(position: Position) -> Self {
        Self { is_unknown: true, ..Self::after(position) }
    }

    /// Returns a cursor at the oldest kept message, without a gap event for earlier ones.
    pub(crate) fn oldest<'r>(rings: impl Iterator<Item = &'r Ring> + Clone) -> Self {
        let mut cursor = Self::after(Position::START);
        cursor.pass_over(rings, Position::START);
        cursor
    }

    /// Returns a cursor at the newest kept messages, `messages` at most, without a gap event for earlier ones.
    pub(crate) fn newest<'r>(rings: impl Iterator<Item = &'r Ring> + Clone, messages: usize) -> Self {
        let mut cursor = Self::oldest(rings.clone());
        // The newest message that is left out, if there is one.
        let positions = rings.flat_map(|ring| ring.newest_positions(messages.saturating_add(1)));
        let mut positions: Vec<_> = positions.map(Reverse).collect();
        if positions.len() > messages {
            let (_, Reverse(older), _) = positions.select_nth_unstable(messages);
            cursor.advance(*older);
        }
        cursor
    }

    /// Returns the position after which the subscriber reads next.
    pub(crate) fn read_to(&self) -> Position {
        self.after
    }

    /// Returns whether it is not known which messages the subscriber missed.
    pub(crate) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Moves the cursor directly after this message.
    pub(crate) fn advance(&mut self, position: Position) {
        self.after = position;
    }

    /// Returns whether the next message was evicted, and the subscriber was not told yet.
    pub(crate) fn has_gap<'r>(&self, mut rings: impl Iterator<Item = &'r Ring>) -> bool {
        if self.is_unknown {
            return true;
        }
        if self.told.is_empty() {
            return rings.any(|ring| ring.evicted() > self.after);
        }
        let told = self.told.iter().copied().chain(iter::repeat([Position::START; 2])).flatten();
        let mut evictions = rings.flat_map(Ring::evictions).zip(told);
        evictions.any(|(evicted, told)| evicted > self.after.max(told))
    }

    /// Returns whether there is nothing left to read.
    pub(crate) fn is_read<'r>(&self, mut rings: impl Iterator<Item = &'r Ring> + Clone) -> bool {
        !self.has_gap(rings.clone()) && !rings.any(|ring| ring.has_more(self.after))
    }

    /// Returns the gap at the cursor, and moves the cursor to its end. `is_counted` says that no position belongs to
    /// another topic, so that the positions of a gap count its messages.
    pub(crate) fn take_gap<'r>(
        &mut self,
        rings: impl Iterator<Item = &'r Ring> + Clone,
        last: Position,
        is_counted: bool,
    ) -> Option<Gap> {
        if !self.has_gap(rings.clone()) {
            return None;
        }
        let before = self.after;
        let was_unknown = mem::take(&mut self.is_unknown);
        self.pass_over(rings, if was_unknown { last } else { Position::START });
        let missed = (is_counted && !was_unknown).then(|| self.after.since(before));
        Some(Gap { missed, end: self.after })
    }

    /// Moves the cursor past the evicted messages, and at least to a position, but never past a message that can be
    /// read.
    fn pass_over<'r>(&mut self, rings: impl Iterator<Item = &'r Ring> + Clone, at_least: Position) {
        self.told = rings.clone().map(Ring::evictions).collect();
        let end = self.told.iter().flatten().copied().fold(at_least, Position::max);
        let readable =
            rings.filter_map(|ring| ring.after(self.after).next()).min_by_key(|kept| kept.position);
        // Before a message that can be read is an entry, whose position a log knows. The cursor does not go back, because
        // the subscriber may have seen messages that a log has lost since.
        self.after = self.after.max(readable.map_or(end, |readable| readable.previous.min(end)));
    }
}

/// Returns the messages of several rings after a position, in order, each with the index of its ring.
pub(crate) fn merge<'r>(
    rings: impl Iterator<Item = &'r Ring>,
    after: Position,
) -> impl Iterator<Item = (usize, &'r Kept)> {
    let mut rings: Vec<_> = rings.map(|ring| ring.after(after).peekable()).collect();
    iter::from_fn(move || {
        let heads = rings.iter_mut().enumerate().filter_map(|(n, ring)| Some((ring.peek()?.position, n)));
        let (_, number) = heads.min()?;
        Some((number, rings[number].next()?))
    })
}

#[cfg(test)]
mod tests;
