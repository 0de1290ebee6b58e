//! The streams of one shard: which bytes are written next, and to which stream.
//!
//! This file never waits. Its sockets never block, and the time is an argument. Sockets, wakers and passed deadlines
//! decide from outside which stream has its turn.
//!
//! A stream reads for itself until it has read everything. Then it joins the [group](Group) of its topic, whose members
//! wait and read together. It leaves the group when something concerns it alone: its socket is full, its next message
//! was evicted, or its time is over. When it has read everything again, it joins again.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use slab::Slab;

use super::members::{Members, Refused};
use super::queue::{Queue, Turn};
use super::seat::List;
use super::stream::{Adopted, Peer, Reading, Returned, Sent, Stream};
use crate::subscribe::{Delivered, Group, Shutdown};
use crate::sync::FAR;

/// How many members of a group get a piece in one turn. Then other streams have their turns.
const BATCH: usize = 128;

/// How many turns come before the sockets are looked at again.
const TURNS: usize = 256;

/// How many pieces a stream that reads for itself gets in one turn.
const PIECES: usize = 16;

/// The streams of one shard, on sockets of the type `S`.
pub(crate) struct Streams<S> {
    entries: Slab<Stream<S>>,
    groups: Slab<Members>,
    /// The groups, by the addresses of their topics.
    by_topic: HashMap<usize, usize>,
    turns: VecDeque<Turn>,
    queue: Arc<Queue<Adopted<S>>>,
    /// When streams with a full socket are to be looked at.
    deadlines: BTreeSet<(Instant, usize)>,
    write_deadline: Duration,
    shutdown: Shutdown,
    /// Streams whose sockets were full for the first time.
    first_full: Vec<usize>,
    /// Connections whose stream has ended, and on which another request may follow.
    returned: Vec<Returned<S>>,
}

/// The result of the turn of a member of a group.
enum Step {
    /// It has read everything.
    Read,
    /// It has got a piece, and there is more.
    ReadOn,
    /// Its socket has not taken all of the piece.
    Full,
    /// Its next message was evicted.
    Evicted,
    /// The group must first look at what has happened.
    Unseen,
    Failed(io::Error),
}

impl<S: Read + Write + Send + 'static> Streams<S> {
    pub(crate) fn new(queue: Arc<Queue<Adopted<S>>>, write_deadline: Duration, shutdown: Shutdown) -> Self {
        Self {
            entries: Slab::new(),
            groups: Slab::new(),
            by_topic: HashMap::new(),
            turns: VecDeque::new(),
            queue,
            deadlines: BTreeSet::new(),
            write_deadline: write_deadline.min(FAR),
            shutdown,
            first_full: Vec::new(),
            returned: Vec::new(),
        }
    }

    /// Returns the key that the next adopted stream gets.
    pub(crate) fn next_key(&self) -> usize {
        self.entries.vacant_key()
    }

    /// Returns how many streams there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns how many deadlines are kept.
    #[cfg(test)]
    pub(crate) fn deadlines(&self) -> usize {
        self.deadlines.len()
    }

    /// Takes a stream over from hyper.
    pub(crate) fn adopt(&mut self, mut adopted: Adopted<S>, now: Instant) {
        let delivery = &mut adopted.handed.delivery;
        // The shard waits for the shutdown once for all its streams, as long as the shutdown has not begun.
        delivery.detach(&self.shutdown);
        delivery.watch(None);
        if self.shutdown.has_begun() {
            delivery.attach(&self.shutdown);
        }
        let joins = delivery.has_no_end();
        let key = self.entries.insert(Stream::new(adopted));
        if !(joins && self.join(key)) {
            self.read_apart(key, now);
        }
    }

    /// Notes that the shutdown has begun: the streams end after the messages that were published before.
    pub(crate) fn shut_down(&mut self) {
        let keys: Vec<_> = self.entries.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.part(key);
            if let Some(delivery) = self.entries[key].delivery_mut() {
                delivery.attach(&self.shutdown);
            }
            self.turns.push_back(Turn::Stream(key));
        }
    }

    /// Gives a stream or a group its turn, at the next [run](Self::run).
    pub(crate) fn push(&mut self, turn: Turn) {
        match turn {
            Turn::Stream(_) => self.turns.push_back(turn),
            Turn::Group(key) => self.ready(key),
        }
    }

    /// Returns whether a stream or a group has a turn.
    pub(crate) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Gives streams and groups their turns, up to [`TURNS`], because sockets and wakers wait meanwhile.
    pub(crate) fn run(&mut self, now: Instant) {
        for _ in 0..self.turns.len().min(TURNS) {
            match self.turns.pop_front() {
                Some(Turn::Stream(key)) => {
                    self.part(key);
                    self.read_apart(key, now);
                }
                Some(Turn::Group(key)) => self.read_together(key, now),
                None => {}
            }
        }
    }

    /// The socket of a stream can be read, or its peer has closed the connection.
    pub(crate) fn readable(&mut self, key: usize) {
        let Some(stream) = self.entries.get_mut(key) else { return };
        match stream.read() {
            Ok(Peer::There) => {}
            Ok(Peer::Gone) => self.remove(key),
            Err(error) => self.fail(key, &error),
        }
    }

    /// The socket of a stream takes bytes again.
    pub(crate) fn writable(&mut self, key: usize, now: Instant) {
        let Some(stream) = self.entries.get_mut(key).filter(|stream| stream.is_full()) else { return };
        let deadline = stream.deadline();
        match stream.flush(now) {
            Ok(Sent::Part) => {}
            Ok(Sent::Whole) => {
                let is_ended = matches!(stream.reading, Reading::Ended);
                self.forget(key, deadline);
                if is_ended { self.finish(key) } else { self.read_apart(key, now) }
            }
            Err(error) => self.fail(key, &error),
        }
    }

    /// The peer of a stream has closed the connection.
    pub(crate) fn closed(&mut self, key: usize) {
        self.remove(key);
    }

    /// Returns when [`cut`](Self::cut) has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Cuts the streams whose sockets have taken no byte for the write deadline.
    pub(crate) fn cut(&mut self, now: Instant) {
        while let Some(&(deadline, key)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            let Some(stream) = self.entries.get_mut(key) else { continue };
            stream.set_deadline(None);
            let Some(since) = stream.full_since() else { continue };
            if since + self.write_deadline <= now {
                self.fail(key, &ErrorKind::TimedOut.into());
            } else {
                self.watch(key);
            }
        }
    }

    /// Calls `poll` for the sockets that were full for the first time, so that the poller watches them from now on.
    /// Most sockets are never full.
    pub(crate) fn poll_for_room(&mut self, mut poll: impl FnMut(usize, &mut S)) {
        for key in self.first_full.drain(..) {
            if let Some(stream) = self.entries.get_mut(key) {
                poll(key, stream.socket_mut());
            }
        }
    }

    /// Returns the connections on which another request may follow.
    pub(crate) fn returned(&mut self) -> impl Iterator<Item = Returned<S>> {
        self.returned.drain(..)
    }

    // A stream that reads for itself.

    fn read_apart(&mut self, key: usize, now: Instant) {
        let Some(stream) = self.entries.get_mut(key).filter(|stream| !stream.is_full()) else { return };
        let Reading::Apart { waker, .. } = &mut stream.reading else { return };
        let waker = waker.get_or_insert_with(|| self.queue.waker(Turn::Stream(key))).clone();
        let mut cx = Context::from_waker(&waker);
        for _ in 0..PIECES {
            let Some(stream) = self.entries.get_mut(key) else { return };
            let Some(delivery) = stream.delivery_mut() else { return };
            // Filters, and futures that end a stream, are a user's code and may panic.
            let Ok(next) = catch_unwind(AssertUnwindSafe(|| delivery.poll_next(&mut cx))) else {
                return self.remove(key);
            };
            let sent = match next {
                Poll::Ready(Some(bytes)) => stream.send_apart(bytes, now),
                Poll::Ready(None) => {
                    match stream.send_end(now) {
                        Ok(Sent::Whole) => self.finish(key),
                        Ok(Sent::Part) => self.watch(key),
                        Err(error) => self.fail(key, &error),
                    }
                    return;
                }
                Poll::Pending => {
                    self.join(key);
                    return;
                }
            };
            match sent {
                Ok(Sent::Whole) => {}
                Ok(Sent::Part) => return self.watch(key),
                Err(error) => return self.fail(key, &error),
            }
        }
        self.turns.push_back(Turn::Stream(key));
    }

    // A group.

    /// Lets a stream wait and read with its group, if it can. Returns whether it did.
    fn join(&mut self, key: usize) -> bool {
        let stream = &mut self.entries[key];
        let Reading::Apart { delivery, .. } = &stream.reading else { return false };
        let Some(topic) = delivery.shared_topic() else { return false };
        let address = Arc::as_ptr(topic).addr();
        let own = *self.by_topic.entry(address).or_insert_with(|| {
            let waker = self.queue.waker(Turn::Group(self.groups.vacant_key()));
            self.groups.insert(Members::new(Group::new(topic.clone()), waker))
        });
        let members = &mut self.groups[own];
        let Reading::Apart { delivery, waker } = stream.reading.take() else { return false };
        match delivery.join(&members.group) {
            Ok(member) => {
                let seat = members.seat(List::Active, key, own);
                stream.reading = Reading::InGroup { member, seat };
                self.ready(own);
                true
            }
            Err(delivery) => {
                stream.reading = Reading::Apart { delivery, waker };
                self.drop_if_empty(own);
                false
            }
        }
    }

    /// Lets a stream read for itself, if its group reads for it.
    fn part(&mut self, key: usize) {
        let Some(stream) = self.entries.get_mut(key) else { return };
        let Reading::InGroup { seat, .. } = stream.reading else { return };
        let own = seat.group();
        let members = &mut self.groups[own];
        stream.part(&members.group);
        members.remove(seat, &mut self.entries);
        if seat.list() == List::Idle && !members.wait() {
            self.ready(own);
        }
        self.drop_if_empty(own);
    }

    fn ready(&mut self, key: usize) {
        if let Some(members) = self.groups.get_mut(key).filter(|members| !members.is_ready) {
            members.is_ready = true;
            self.turns.push_back(Turn::Group(key));
        }
    }

    fn drop_if_empty(&mut self, key: usize) {
        if self.groups[key].is_empty() {
            let members = self.groups.remove(key);
            self.by_topic.remove(&Arc::as_ptr(members.group.topic()).addr());
        }
    }

    /// Sends new messages to the members of a group: to some of them in each turn.
    fn read_together(&mut self, own: usize, now: Instant) {
        let Some(members) = self.groups.get_mut(own) else { return };
        members.is_ready = false;
        if !members.group.is_quiet() {
            self.look(own);
        }
        for _ in 0..BATCH {
            // When the last member leaves, the group is dropped.
            let Some(members) = self.groups.get_mut(own) else { return };
            let Some(key) = members.pop_active() else { break };
            let stream = &mut self.entries[key];
            let step = step(members, stream, now);
            let list = match step {
                Step::Read => Some(List::Idle),
                Step::ReadOn => Some(List::Later),
                Step::Unseen => Some(List::Active),
                Step::Full | Step::Evicted | Step::Failed(_) => None,
            };
            if let Some(list) = list {
                if let Reading::InGroup { seat, .. } = &mut stream.reading {
                    *seat = members.seat(list, key, own);
                }
            } else {
                stream.part(&members.group);
                self.drop_if_empty(own);
            }
            match step {
                Step::Read | Step::ReadOn => {}
                Step::Unseen => break,
                Step::Full => self.watch(key),
                Step::Evicted => self.turns.push_back(Turn::Stream(key)),
                Step::Failed(error) => self.fail(key, &error),
            }
        }
        let Some(members) = self.groups.get_mut(own) else { return };
        if members.len_of(List::Active) == 0 {
            members.move_all(List::Later, List::Active, &mut self.entries);
        }
        if members.len_of(List::Active) > 0 {
            self.ready(own);
            return;
        }
        members.forget();
        if !members.wait() {
            self.ready(own);
        }
    }

    /// Looks at what has happened to the topic of a group.
    fn look(&mut self, own: usize) {
        let members = &mut self.groups[own];
        let look = members.group.look();
        // Members that have had their turn come after members that have not.
        let list = if members.len_of(List::Active) == 0 { List::Active } else { List::Later };
        members.move_all(List::Idle, list, &mut self.entries);
        members.see(look.newest, look.beat.clone());
        if !look.concerns_any() {
            return;
        }
        let concerned = |key: &usize| matches!(&self.entries[*key].reading, Reading::InGroup { member, .. } if member.is_concerned(&look));
        let keys: Vec<_> = members.keys().filter(concerned).collect();
        for key in keys {
            self.part(key);
            self.turns.push_back(Turn::Stream(key));
        }
    }

    // Ends.

    /// Remembers to check the stream when the write deadline has passed.
    fn watch(&mut self, key: usize) {
        let stream = &mut self.entries[key];
        let Some(since) = stream.full_since() else { return };
        if !stream.is_polled_for_room {
            stream.is_polled_for_room = true;
            self.first_full.push(key);
        }
        // An earlier deadline is enough: that check finds how much longer the stream may be full.
        if stream.deadline().is_none() {
            let deadline = since + self.write_deadline;
            stream.set_deadline(Some(deadline));
            self.deadlines.insert((deadline, key));
        }
    }

    /// Removes a stream that exists.
    fn take(&mut self, key: usize) -> Stream<S> {
        let stream = self.entries.remove(key);
        self.forget(key, stream.deadline());
        stream
    }

    /// Removes the deadline of a stream, because many streams may come and go within one deadline.
    fn forget(&mut self, key: usize, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, key));
        }
    }

    /// Ends a stream of which everything has been sent.
    fn finish(&mut self, key: usize) {
        let connection = self.take(key).into_connection();
        self.returned.extend(connection.filter(|_| !self.shutdown.has_begun()));
    }

    /// Ends a stream whose connection has ended.
    fn fail(&mut self, key: usize, error: &io::Error) {
        self.part(key);
        let delivery = self.entries.get_mut(key).and_then(Stream::delivery_mut);
        // The system reports the same error if it has cut the connection because nothing was acknowledged for the
        // deadline.
        if let Some(delivery) = delivery.filter(|_| error.kind() == ErrorKind::TimedOut) {
            delivery.set_stalled();
        }
        self.remove(key);
    }

    fn remove(&mut self, key: usize) {
        self.part(key);
        if self.entries.contains(key) {
            drop(self.take(key).into_connection());
        }
    }
}

/// Sends one member the messages after its position.
fn step<S: Read + Write>(members: &mut Members, stream: &mut Stream<S>, now: Instant) -> Step {
    let Reading::InGroup { member, .. } = &mut stream.reading else { return Step::Read };
    let (position, newest) = (member.position(), members.newest());
    let shared = if position < newest { members.ahead(position) } else { Ok(None) };
    let (piece, to, delivered) = match shared {
        Err(Refused::Evicted) => return Step::Evicted,
        Err(Refused::Unseen) => return Step::Unseen,
        Ok(Some(shared)) => (&shared.piece, shared.to, shared.delivered),
        Ok(None) => match members.beat(position) {
            Some((piece, told)) => (piece, told, Delivered::default()),
            None => return Step::Read,
        },
    };
    let sent = match stream.send(piece, now) {
        Ok(sent) => sent,
        Err(error) => return Step::Failed(error),
    };
    if let Reading::InGroup { member, .. } = &mut stream.reading {
        member.advance(to);
        member.count_sent(delivered.messages(), piece.len());
    }
    members.count(delivered);
    match sent {
        Sent::Part => Step::Full,
        Sent::Whole if to < newest => Step::ReadOn,
        Sent::Whole => Step::Read,
    }
}

impl<S> Drop for Streams<S> {
    fn drop(&mut self) {
        self.entries.drain().for_each(|stream| drop(stream.into_connection()));
    }
}

impl<S> fmt::Debug for Streams<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("streams", &self.entries.len()).finish_non_exhaustive()
    }
}
