//! The members of a group, in lists by what is to be done for them.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use slab::Slab;

use super::seat::{List, Seat, short};
use super::stream::{Reading, Stream};
use super::wire::Piece;
use crate::history::Position;
use crate::subscribe::{Ahead, Delivered, Group};

/// The streams of a shard that read one topic together.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) group: Group,
    waker: Waker,
    /// Whether the group is already waiting for its turn.
    pub(crate) is_ready: bool,
    /// The newest position at the last look.
    newest: Position,
    /// A heartbeat for members that have nothing else to read, and the position in it.
    beat: Option<(Piece, Position)>,
    /// The keys of the streams, one list for each [`List`].
    lists: [Vec<u32>; 3],
    /// The pieces that were sent last. All members at the same position get the same piece.
    pieces: VecDeque<Shared>,
}

/// The messages after a position.
#[derive(Debug)]
pub(crate) struct Shared {
    after: Position,
    /// The position of its last message.
    pub(crate) to: Position,
    pub(crate) piece: Piece,
    pub(crate) delivered: Delivered,
}

/// How many pieces are kept. More than one is needed if some members have not read as far as others.
const PIECES: usize = 4;

impl Members {
    pub(crate) fn new(group: Group, waker: Waker) -> Self {
        Self {
            group,
            waker,
            is_ready: false,
            newest: Position::START,
            beat: None,
            lists: [const { Vec::new() }; 3],
            pieces: VecDeque::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lists.iter().all(Vec::is_empty)
    }

    /// Returns the keys of all members.
    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        self.lists.iter().flatten().map(|&key| key as usize)
    }

    pub(crate) fn len_of(&self, list: List) -> usize {
        self.lists[list as usize].len()
    }

    /// Puts a stream on a list, and returns its seat there. `own` is the key of this group.
    pub(crate) fn seat(&mut self, list: List, key: usize, own: usize) -> Seat {
        let keys = &mut self.lists[list as usize];
        keys.push(short(key));
        Seat::new(own, list, keys.len() - 1)
    }

    /// Removes a stream from its list.
    pub(crate) fn remove<S>(&mut self, seat: Seat, streams: &mut Slab<Stream<S>>) {
        let keys = &mut self.lists[seat.list() as usize];
        keys.swap_remove(seat.index());
        if let Some(&moved) = keys.get(seat.index())
            && let Reading::InGroup { seat: moved, .. } = &mut streams[moved as usize].reading
        {
            *moved = seat;
        }
    }

    /// Removes one stream from the list of the active members, and returns its key.
    pub(crate) fn pop_active(&mut self) -> Option<usize> {
        self.lists[List::Active as usize].pop().map(|key| key as usize)
    }

    /// Moves all streams of one list to another.
    pub(crate) fn move_all<S>(&mut self, from: List, to: List, streams: &mut Slab<Stream<S>>) {
        let mut moved = std::mem::take(&mut self.lists[from as usize]);
        let keys = &mut self.lists[to as usize];
        let begin = keys.len();
        for (number, &key) in moved.iter().enumerate() {
            if let Reading::InGroup { seat, .. } = &mut streams[key as usize].reading {
                *seat = Seat::new(seat.group(), to, begin + number);
            }
        }
        if keys.is_empty() {
            std::mem::swap(keys, &mut moved);
        } else {
            keys.append(&mut moved);
        }
        // The storage is used again.
        self.lists[from as usize] = moved;
    }

    /// Returns the messages after a position, for all members at this position.
    pub(crate) fn ahead(&mut self, after: Position) -> Result<Option<&Shared>, Refused> {
        if let Some(number) = self.pieces.iter().position(|shared| shared.after == after) {
            return Ok(Some(&self.pieces[number]));
        }
        match self.group.ahead(after) {
            Ahead::Evicted => Err(Refused::Evicted),
            Ahead::Unseen => Err(Refused::Unseen),
            Ahead::Nothing => Ok(None),
            Ahead::Frame(frame) => {
                self.pieces.truncate(PIECES - 1);
                self.pieces.push_front(Shared {
                    after,
                    to: frame.to,
                    piece: Piece::new(&frame.bytes),
                    delivered: Delivered::frame(&frame),
                });
                Ok(self.pieces.front())
            }
        }
    }

    pub(crate) fn newest(&self) -> Position {
        self.newest
    }

    /// Returns the heartbeat for a member that has nothing to read after a position, and the position in it.
    pub(crate) fn beat(&self, position: Position) -> Option<(&Piece, Position)> {
        let (piece, told) = self.beat.as_ref()?;
        (position <= *told).then_some((piece, *told))
    }

    /// Counts a frame that was sent to a member.
    pub(crate) fn count(&mut self, delivered: Delivered) {
        self.group.count(delivered);
    }

    /// Drops the pieces that all members have got.
    pub(crate) fn forget(&mut self) {
        self.pieces.clear();
        self.beat = None;
    }

    /// Waits for the next message, for all members that have read everything. Returns `false` if something has happened
    /// since the last look.
    #[must_use = "nobody is woken for what has happened already"]
    pub(crate) fn wait(&mut self) -> bool {
        self.group.wait(self.waker.clone(), self.lists[List::Idle as usize].len())
    }

    /// Stores the result of a look. A heartbeat that was due before is dropped if there is a newer message.
    pub(crate) fn see(&mut self, newest: Position, beat: Option<(Bytes, Position)>) {
        if newest > self.newest {
            self.beat = None;
        }
        self.newest = newest;
        if let Some((block, position)) = beat {
            self.beat = Some((Piece::new(&block), position));
        }
    }
}

/// Why nothing can be read after a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The next message was evicted.
    Evicted,
    /// The group must first look at what has happened.
    Unseen,
}
