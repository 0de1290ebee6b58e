//! The streams of one shard: what is written to whom next.
//!
//! It does no waiting. Its sockets never block, the time is an argument, and whose turn it is comes from outside: from
//! the sockets, from wakers, from the passing of deadlines.
//!
//! A stream reads for itself until it has read everything. Then it joins the [group](Group) of its topic, whose members
//! wait and read together. It parts from the group when something concerns it alone: its socket is full, the history
//! does not go back to its position, its time is over. When it has read everything again, it joins again.

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

/// How many members of a group get a piece in one turn, before others have theirs.
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

/// What became of a member of a group in its turn.
enum Step {
    /// It has read everything.
    Read,
    /// It has got a piece, and there is more.
    ReadOn,
    /// Its socket has not taken all of the piece.
    Full,
    /// The history does not go back to its position.
    Evicted,
    /// The group must look first at what has happened.
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

    /// The key of the next stream that is adopted.
    pub(crate) fn next_key(&self) -> usize {
        self.entries.vacant_key()
    }

    /// How many streams there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many deadlines are kept.
    #[cfg(test)]
    pub(crate) fn deadlines(&self) -> usize {
        self.deadlines.len()
    }

    /// Takes a stream over from hyper.
    pub(crate) fn adopt(&mut self, mut adopted: Adopted<S>, now: Instant) {
        let delivery = &mut adopted.handed.delivery;
        // One signal for all streams does, as long as it is not given.
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

    /// The shutdown has begun: the streams end after what was published before.
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

    /// Whether anybody's turn has come.
    pub(crate) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Gives those whose turn has come theirs: so many at most, since sockets and wakers wait meanwhile.
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

    /// The socket of a stream has something to read, or its peer has gone.
    pub(crate) fn readable(&mut self, key: usize) {
        let Some(stream) = self.entries.get_mut(key) else { return };
        match stream.read() {
            Ok(Peer::There) => {}
            Ok(Peer::Gone) => self.remove(key),
            Err(error) => self.fail(key, &error),
        }
    }

    /// The socket of a stream takes something again.
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

    /// When [`cut`](Self::cut) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Cuts the streams whose sockets have taken nothing for the write deadline.
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

    /// Lets the sockets that were full for the first time be polled, from now on, for the moment when they take more. Most
    /// sockets never are.
    pub(crate) fn poll_for_room(&mut self, mut poll: impl FnMut(usize, &mut S)) {
        for key in self.first_full.drain(..) {
            if let Some(stream) = self.entries.get_mut(key) {
                poll(key, stream.socket_mut());
            }
        }
    }

    /// Connections on which another request may follow.
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
            // Filters and futures that end a stream are a user's code.
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

    /// Lets a stream wait and read with others, if it can.
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

    /// Lets a stream read for itself, if it does not.
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

    /// Gives the members of a group what is new, a part of them in one turn.
    fn read_together(&mut self, own: usize, now: Instant) {
        let Some(members) = self.groups.get_mut(own) else { return };
        members.is_ready = false;
        if !members.group.is_quiet() {
            self.look(own);
        }
        for _ in 0..BATCH {
            // The last one that parts takes the group with it.
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
        // Those that have had their turn come after those that have not.
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

    /// Looks at the stream when the write deadline has passed.
    fn watch(&mut self, key: usize) {
        let stream = &mut self.entries[key];
        let Some(since) = stream.full_since() else { return };
        if !stream.is_polled_for_room {
            stream.is_polled_for_room = true;
            self.first_full.push(key);
        }
        // An earlier deadline does: a look at it finds out how much longer the stream may be full.
        if stream.deadline().is_none() {
            let deadline = since + self.write_deadline;
            stream.set_deadline(Some(deadline));
            self.deadlines.insert((deadline, key));
        }
    }

    /// Takes a stream out that is there.
    fn take(&mut self, key: usize) -> Stream<S> {
        let stream = self.entries.remove(key);
        self.forget(key, stream.deadline());
        stream
    }

    /// Forgets the deadline of a stream. Many come and go within one.
    fn forget(&mut self, key: usize, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, key));
        }
    }

    /// Everything has been sent.
    fn finish(&mut self, key: usize) {
        let connection = self.take(key).into_connection();
        self.returned.extend(connection.filter(|_| !self.shutdown.has_begun()));
    }

    /// The connection is over.
    fn fail(&mut self, key: usize, error: &io::Error) {
        self.part(key);
        let delivery = self.entries.get_mut(key).and_then(Stream::delivery_mut);
        // So it says also when the system has cut the connection, because nothing was acknowledged for so long.
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

/// Gives one member what comes after its position.
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
