//! The members of a group, by what is to be done for them.

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
    /// Whether its turn will come.
    pub(crate) is_ready: bool,
    /// The newest position at the last look.
    newest: Position,
    /// A heartbeat for those that have nothing else to read, and the position that it tells.
    beat: Option<(Piece, Position)>,
    /// The keys of the streams, by [`List`].
    lists: [Vec<u32>; 3],
    /// The pieces that were sent last. All members at one position get the same.
    pieces: VecDeque<Shared>,
}

/// What comes after a position.
#[derive(Debug)]
pub(crate) struct Shared {
    after: Position,
    /// The position of its last message.
    pub(crate) to: Position,
    pub(crate) piece: Piece,
    pub(crate) delivered: Delivered,
}

/// How many pieces are kept: there are more than one if some members have not read as far as others.
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

    /// The keys of all members.
    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        self.lists.iter().flatten().map(|&key| key as usize)
    }

    pub(crate) fn len_of(&self, list: List) -> usize {
        self.lists[list as usize].len()
    }

    /// Puts a stream on a list. `own` is the key of this group. Returns where the stream stands then.
    pub(crate) fn seat(&mut self, list: List, key: usize, own: usize) -> Seat {
        let keys = &mut self.lists[list as usize];
        keys.push(short(key));
        Seat::new(own, list, keys.len() - 1)
    }

    /// Takes a stream off its list.
    pub(crate) fn remove<S>(&mut self, seat: Seat, streams: &mut Slab<Stream<S>>) {
        let keys = &mut self.lists[seat.list() as usize];
        keys.swap_remove(seat.index());
        if let Some(&moved) = keys.get(seat.index())
            && let Reading::InGroup { seat: moved, .. } = &mut streams[moved as usize].reading
        {
            *moved = seat;
        }
    }

    /// Takes one off the list of those that are to be looked at.
    pub(crate) fn pop_active(&mut self) -> Option<usize> {
        self.lists[List::Active as usize].pop().map(|key| key as usize)
    }

    /// Puts all of one list on another.
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

    /// What comes after a position, for all members that are there.
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

    /// The heartbeat for a member that has nothing to read after a position, and the position that it tells.
    pub(crate) fn beat(&self, position: Position) -> Option<(&Piece, Position)> {
        let (piece, told) = self.beat.as_ref()?;
        (position <= *told).then_some((piece, *told))
    }

    /// Counts a frame that a member has got.
    pub(crate) fn count(&mut self, delivered: Delivered) {
        self.group.count(delivered);
    }

    /// Forgets what all have got.
    pub(crate) fn forget(&mut self) {
        self.pieces.clear();
        self.beat = None;
    }

    /// Waits for what comes next, for all that have read everything. Returns `false` if something has happened since the
    /// last look.
    #[must_use = "nobody is woken for what has happened already"]
    pub(crate) fn wait(&mut self) -> bool {
        self.group.wait(self.waker.clone(), self.lists[List::Idle as usize].len())
    }

    /// Takes over what was seen at a look. A heartbeat that was due before is not, when there is something newer.
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
    /// Something is missing there.
    Evicted,
    /// The group must look first at what has happened.
    Unseen,
}
