//! What the client's events do not show: the comments in their places, and which events have ids of their own.

use std::collections::VecDeque;

use sse_client::LineDecoder;

/// Reads the bytes of the stream a second time.
///
/// The client decodes events. It skips comments, and gives each event the last event ID, whether the event itself or an
/// earlier block has the `id` line.
#[derive(Debug)]
pub(crate) struct Rereader {
    lines: LineDecoder,
    block: Block,
    /// For each event that ends in the chunk that was read last, whether it has an id of its own.
    events: Vec<bool>,
    /// How many of them have been passed on.
    passed: usize,
    keeps_comments: bool,
    /// The comments that have not been printed, each with how many events of the same chunk go before it.
    comments: VecDeque<(usize, String)>,
}

/// What is known of the block that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// A block with data is an event.
    has_data: bool,
    has_id: bool,
}

impl Rereader {
    /// Makes a rereader. It keeps comments only if they are to be printed.
    pub(crate) fn new(keeps_comments: bool) -> Self {
        Self {
            lines: LineDecoder::new(),
            block: Block::default(),
            events: Vec::new(),
            passed: 0,
            keeps_comments,
            comments: VecDeque::new(),
        }
    }

    /// Begins a new connection: an unfinished block of the last one is dropped.
    pub(crate) fn reset(&mut self) {
        self.lines.reset();
        self.block = Block::default();
    }

    /// Reads the next chunk. The client asks for it when it has given all events of the one before. So what the two
    /// count differently, such as a line that is too large for both, is forgotten here.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        self.events.clear();
        self.passed = 0;
        self.comments.iter_mut().for_each(|(before, _)| *before = 0);
        loop {
            match self.lines.next_line(&mut bytes) {
                Ok(None) => return,
                Ok(Some(line)) if line.is_blank() => {
                    let Block { has_data, has_id } = std::mem::take(&mut self.block);
                    if has_data {
                        self.events.push(has_id);
                    }
                }
                Ok(Some(line)) => {
                    if let Some(comment) = line.comment().filter(|_| self.keeps_comments) {
                        self.comments.push_back((self.events.len(), comment.to_owned()));
                    }
                    match line.field() {
                        Some(("data", _)) => self.block.has_data = true,
                        // An id with NUL is ignored (9.2.6).
                        Some(("id", id)) if !id.contains('\0') => self.block.has_id = true,
                        _ => {}
                    }
                }
                // The client tells of an event that is too large, so it counts.
                Err(_) => self.block.has_data = true,
            }
        }
    }

    /// The next event is passed on. Returns whether it has an id of its own.
    pub(crate) fn event_passed(&mut self) -> bool {
        // An event that was unfinished at the end of the response is in no chunk.
        let has_id = self.events.get(self.passed).copied().unwrap_or(self.block.has_id);
        self.passed += 1;
        has_id
    }

    /// The next comment that no other event goes before.
    pub(crate) fn next_comment(&mut self) -> Option<String> {
        self.comments.front().filter(|(before, _)| *before <= self.passed)?;
        self.comments.pop_front().map(|(_, comment)| comment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a stream in chunks of each size, passes on the events of each chunk when it has been read, and checks what
    /// comes out: comments, and events as `!`, with an id of their own as `#`.
    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        for size in 1..=stream.len() {
            let (mut rereader, mut found) = (Rereader::new(true), Vec::new());
            for chunk in stream.as_bytes().chunks(size) {
                rereader.read(chunk);
                for _ in 0..rereader.events.len() {
                    found.extend(std::iter::from_fn(|| rereader.next_comment()));
                    found.push(if rereader.event_passed() { "#" } else { "!" }.to_owned());
                }
                found.extend(std::iter::from_fn(|| rereader.next_comment()));
            }
            assert_eq!(found, expected, "{stream:?} by {size}");
        }
    }

    #[test]
    fn a_comment_is_after_the_events_that_are_whole() {
        check(": a\n\ndata: 1\n: b\n\n: c\n", &["a", "b", "!", "c"]);
        check("data\r\rid: 7\r\r:d\r", &["!", "d"]);
        check("data: 1\n\ndata: 2\n\n:\n", &["!", "!", ""]);
        check("datum: 1\n\n:e\n", &["e"]);
    }

    #[test]
    fn an_event_has_an_id_of_its_own_or_that_of_an_earlier_block() {
        check("id: 7\ndata: 1\n\ndata: 2\n\ndata: 3\nid: 8\n\n", &["#", "!", "#"]);
        check("id: 7\n\ndata: 1\n\n", &["!"]);
        check("data: 1\nid: a\0b\n\ndata: 2\nid\n\n", &["!", "#"]);
    }

    #[test]
    fn a_comment_waits_for_the_events_before_it() {
        let mut rereader = Rereader::new(true);
        rereader.read(b":a\ndata: 1\n\n:b\ndata: cut off");
        assert_eq!(
            [rereader.next_comment().as_deref(), rereader.next_comment().as_deref()],
            [Some("a"), None]
        );
        rereader.event_passed();
        rereader.reset();
        rereader.read(b"\n\n:c\n");
        assert_eq!(
            [rereader.next_comment().as_deref(), rereader.next_comment().as_deref()],
            [Some("b"), Some("c")]
        );
    }

    #[test]
    fn comments_that_nobody_prints_are_not_kept() {
        let mut rereader = Rereader::new(false);
        rereader.read(b":a\nid: 7\ndata: 1\n\n");
        assert!(rereader.comments.is_empty());
        assert!(rereader.event_passed());
    }

    #[test]
    fn what_was_counted_wrongly_holds_up_nothing_for_long() {
        let mut rereader = Rereader { lines: LineDecoder::with_limit(10), ..Rereader::new(true) };
        // It is no event for the client, which passes it over.
        rereader.read(b": a comment that is too long\n\n:a\n");
        assert_eq!(rereader.next_comment(), None);
        rereader.read(b":b\n");
        assert_eq!(
            [rereader.next_comment().as_deref(), rereader.next_comment().as_deref()],
            [Some("a"), Some("b")]
        );
    }
}
