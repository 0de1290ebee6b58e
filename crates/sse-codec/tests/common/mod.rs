//! Helpers of several test files. The fuzz targets and the comparison with a browser use the same modules.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

pub mod cases;
pub mod oracle;
pub mod trouble;

use oracle::Outcome;
use sse_codec::{
    Buffer, Decoder, EventId, EventRef, FixedDecoder, FixedLineDecoder, Item, LineDecoder, TooLarge,
};

/// Type, data and last event ID.
pub type Seen = (String, String, String);

fn seen(event: EventRef<'_>) -> Seen {
    [event.event_type(), event.data(), event.last_event_id()].map(str::to_owned).into()
}

/// Returns the events and errors of `chunks`.
pub fn items<'c, B: Buffer>(
    decoder: &mut Decoder<B>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Vec<Result<Seen, TooLarge>> {
    let mut items = Vec::new();
    for mut chunk in chunks {
        while let Some(item) = decoder.next_event(&mut chunk).map(|event| event.map(seen)).transpose() {
            items.push(item);
        }
        assert!(chunk.is_empty(), "`None` means that the whole chunk has been read");
    }
    items
}

/// Returns the events and errors of `chunks`, and the event that their end leaves unfinished.
pub fn items_to_the_end<'c, B: Buffer>(
    decoder: &mut Decoder<B>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Vec<Result<Seen, TooLarge>> {
    let mut items = items(decoder, chunks);
    items.extend(decoder.finish().map(|event| event.map(seen)).transpose());
    assert_eq!(decoder.finish(), Ok(None), "the unfinished event is returned once");
    items
}

/// Checks that `finish` leads to the same as a line ending and an empty line, with each storage and with a limit.
#[track_caller]
pub fn check_finish<const LIMIT: usize>(stream: &[u8], chunks: &[&[u8]]) {
    let ended = [stream, b"\n\n"].concat();
    check_end(&ended, chunks, Decoder::new);
    check_end(&ended, chunks, || Decoder::with_limit(LIMIT));
    check_end(&ended, chunks, FixedDecoder::<LIMIT, LIMIT>::fixed);
}

#[track_caller]
fn check_end<B: Buffer>(ended: &[u8], chunks: &[&[u8]], decoder: impl Fn() -> Decoder<B>) {
    let (mut whole, mut finished) = (decoder(), decoder());
    let expected = items(&mut whole, [ended]);
    assert_eq!(items_to_the_end(&mut finished, chunks.iter().copied()), expected);
    assert_eq!(finished.last_event_id(), whole.last_event_id());
    assert_eq!(finished.reconnection_time(), whole.reconnection_time());
    // A byte order mark is dropped again.
    let next = b"\xEF\xBB\xBFdata: x\n\n";
    whole.reset();
    assert_eq!(items(&mut finished, [&next[..]]), items(&mut whole, [&next[..]]));
}

/// Returns the items of `chunks`, with comments.
pub fn all_items<'c, B: Buffer>(
    decoder: &mut Decoder<B>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Vec<Result<oracle::Item, TooLarge>> {
    let mut items = Vec::new();
    for mut chunk in chunks {
        while let Some(item) = decoder.next_item(&mut chunk).map(|item| item.map(seen_item)).transpose() {
            items.push(item);
        }
        assert!(chunk.is_empty(), "`None` means that the whole chunk has been read");
    }
    items
}

fn seen_item(item: Item<'_>) -> oracle::Item {
    match item {
        Item::Event(event) => {
            let (event_type, data, id) = seen(event);
            oracle::Item::Event(event_type, data, id)
        }
        Item::Comment(comment) => oracle::Item::Comment(comment.to_owned()),
        Item::LastEventId(id) => oracle::Item::LastEventId(id.to_owned()),
        Item::ReconnectionTime(time) => oracle::Item::ReconnectionTime(time),
        _ => panic!("an item of a new kind: {item:?}"),
    }
}

/// Checks that the items of a stream are those of the oracle with each storage, that they are the same in any cut with
/// a limit, and that their events are those of `next_event`.
#[track_caller]
pub fn check_items<const LIMIT: usize>(stream: &[u8], chunks: &[&[u8]]) {
    let whole = || std::iter::once(stream);
    let cut = || chunks.iter().copied();
    let found = all_items(&mut Decoder::new(), cut());
    assert_eq!(found, oracle::items(stream).into_iter().map(Ok).collect::<Vec<_>>());
    if stream.len() <= FIXED / 3 {
        assert_eq!(all_items(&mut FixedDecoder::<FIXED, FIXED>::fixed(), cut()), found, "with fixed storage");
    }

    let mut limited = FixedDecoder::<LIMIT, LIMIT>::fixed();
    let found = all_items(&mut limited, cut());
    assert_eq!(all_items(&mut FixedDecoder::<LIMIT, LIMIT>::fixed(), whole()), found, "with a limit");
    let mut by_event = FixedDecoder::<LIMIT, LIMIT>::fixed();
    let events = items(&mut by_event, cut());
    assert_eq!(found.into_iter().filter_map(event_or_error).collect::<Vec<_>>(), events);
    assert_eq!(limited.last_event_id(), by_event.last_event_id());
    assert_eq!(limited.reconnection_time(), by_event.reconnection_time());
}

fn event_or_error(item: Result<oracle::Item, TooLarge>) -> Option<Result<Seen, TooLarge>> {
    match item {
        Ok(oracle::Item::Event(event_type, data, id)) => Some(Ok((event_type, data, id))),
        Ok(_) | Err(TooLarge::Comment { .. }) => None,
        Err(error) => Some(Err(error)),
    }
}

fn outcome<'c, B: Buffer>(decoder: &mut Decoder<B>, chunks: impl IntoIterator<Item = &'c [u8]>) -> Outcome {
    let events = items(decoder, chunks).into_iter().map(|item| item.expect("the stream is under the limit"));
    Outcome {
        events: events.collect(),
        last_event_id: decoder.last_event_id().to_owned(),
        reconnection_time: decoder.reconnection_time(),
    }
}

/// Decodes `chunks` with a new decoder of each storage.
#[track_caller]
pub fn decode<'c>(chunks: impl IntoIterator<Item = &'c [u8]> + Clone) -> Outcome {
    let found = outcome(&mut Decoder::new(), chunks.clone());
    let length = chunks.clone().into_iter().map(<[u8]>::len).sum::<usize>();
    // U+FFFD is three times as long as the byte that it replaces.
    if length <= FIXED / 3 {
        assert_eq!(outcome(&mut FixedDecoder::<FIXED, FIXED>::fixed(), chunks), found, "with fixed storage");
    }
    found
}

/// Fixed storage of this size has room for the text of any stream of a third of it.
const FIXED: usize = 6 * 1024;

/// Decodes `chunks` with a limit of the data, with each storage.
#[track_caller]
pub fn decode_data_within<const LIMIT: usize>(chunks: &[&[u8]]) -> Vec<Result<Seen, TooLarge>> {
    let found = items(&mut Decoder::with_limit(LIMIT), chunks.iter().copied());
    let fixed = items(&mut FixedDecoder::<LIMIT, LONGEST>::fixed(), chunks.iter().copied());
    assert_eq!(fixed, found, "with fixed storage");
    found
}

/// Decodes `chunks` with a limit of data, types and ids, which only fixed storage has.
pub fn decode_within<const LIMIT: usize>(chunks: &[&[u8]]) -> Vec<Result<Seen, TooLarge>> {
    items(&mut FixedDecoder::<LIMIT, LIMIT>::fixed(), chunks.iter().copied())
}

/// The limit of event types and ids with growing storage.
const LONGEST: usize = EventId::MAX_LEN;

/// Returns the lines and errors of `chunks`.
pub fn lines<'c, B: Buffer>(
    decoder: &mut LineDecoder<B>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Vec<Result<String, TooLarge>> {
    let mut lines = Vec::new();
    for mut chunk in chunks {
        let owned = |line: sse_codec::Line<'_>| line.as_str().to_owned();
        while let Some(line) = decoder.next_line(&mut chunk).map(|line| line.map(owned)).transpose() {
            lines.push(line);
        }
        assert!(chunk.is_empty(), "`None` means that the whole chunk has been read");
    }
    lines
}

/// Returns the lines and errors of `chunks` with a limit, with each storage.
#[track_caller]
pub fn lines_within<const LIMIT: usize>(chunks: &[&[u8]]) -> Vec<Result<String, TooLarge>> {
    let found = lines(&mut LineDecoder::with_limit(LIMIT), chunks.iter().copied());
    let fixed = lines(&mut FixedLineDecoder::<LIMIT>::fixed(), chunks.iter().copied());
    assert_eq!(fixed, found, "with fixed storage");
    found
}

/// Decodes connections one after the other with a limit, each with the id that is set before it, if there is one. Both
/// storages must give the same events and errors, and keep the same last event ID and reconnection time.
#[track_caller]
pub fn check_storages<'c, const LIMIT: usize>(
    connections: impl IntoIterator<Item = (Option<&'c str>, Vec<&'c [u8]>)>,
) {
    let mut growing = Decoder::with_limit(LIMIT);
    let mut fixed = FixedDecoder::<LIMIT, LONGEST>::fixed();
    for (id, chunks) in connections {
        if let Some(Ok(id)) = id.map(EventId::new)
            && fixed.set_last_event_id(&id).is_ok()
        {
            growing.set_last_event_id(&id);
        }
        assert_eq!(items(&mut fixed, chunks.iter().copied()), items(&mut growing, chunks));
        assert_eq!(fixed.last_event_id(), growing.last_event_id());
        assert_eq!(fixed.reconnection_time(), growing.reconnection_time());
        fixed.reset();
        growing.reset();
    }
}

/// Returns `stream` byte by byte, and cut in two at every place.
pub fn every_cut(stream: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let in_two = (0..=stream.len()).map(|at| vec![&stream[..at], &stream[at..]]);
    std::iter::once(stream.chunks(1).collect()).chain(in_two)
}

/// Cuts `bytes` into chunks of the given lengths, in turn. The rest is the last chunk.
pub fn cut<'b>(mut bytes: &'b [u8], lengths: &[u8]) -> Vec<&'b [u8]> {
    let mut chunks = Vec::new();
    // Lengths of 0 make empty chunks, of which there must not be too many.
    for &length in lengths.iter().cycle().take(bytes.len() + lengths.len()) {
        let (chunk, rest) = bytes.split_at(usize::from(length).min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks.push(bytes);
    chunks
}
