//! Owned events that share their chunk.

#![cfg(feature = "bytes")]

use bytes::Bytes;
use sse_codec::{Decoder, SharedEvent};

/// The events of `chunks`, each shared with the chunk in which it ends.
fn share(chunks: &[&'static str]) -> Vec<SharedEvent> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        // A copy, so that neither a literal nor the decoder's buffer could be taken for it.
        let chunk = Bytes::copy_from_slice(chunk.as_bytes());
        let mut input = &chunk[..];
        while let Some(event) = decoder.next_event(&mut input).unwrap() {
            let shared = event.share(&chunk);
            assert_eq!(shared.as_borrowed(), event);
            events.push(shared);
        }
    }
    events
}

/// Whether `text` shares memory that is not its own alone.
fn is_shared(text: bytestring::ByteString) -> bool {
    !text.into_bytes().is_unique()
}

#[test]
fn data_in_one_piece_is_shared() {
    let mut events = share(&["event: a\ndata: b\n\ndata: c\n\n"]).into_iter();
    let (first, second) = (events.next().unwrap(), events.next().unwrap());
    assert_eq!((first.event_type(), first.data()), ("a", "b"));
    assert_eq!((second.event_type(), second.data()), ("message", "c"));
    // Both hold the same chunk.
    assert!(is_shared(first.into_data()));
    drop(events);
    assert!(!is_shared(second.into_data()), "the chunk is gone with the first event");
}

#[test]
fn data_that_is_cut_or_joined_or_repaired_is_copied() {
    for chunks in [&["data: a", "\n\n"][..], &["data: a\ndata: b\n\n"], &["da", "ta: a\n\n"]] {
        let event = share(chunks).remove(0);
        assert!(!is_shared(event.into_data()), "{chunks:?}");
    }
    let chunk = Bytes::from_static(b"data: \xFF\n\n");
    let event = Decoder::new().next_event(&mut &chunk[..]).unwrap().unwrap().share(&chunk);
    assert_eq!(event.data(), "\u{fffd}");
}

#[test]
fn an_event_outlives_decoder_and_chunk() {
    let events = share(&["id: 1\ndata: a\n\ndata:\n\n"]);
    assert_eq!((events[0].data(), events[0].last_event_id()), ("a", "1"));
    assert_eq!((events[1].data(), events[1].last_event_id()), ("", "1"));
    assert_eq!(events[0].to_string(), "data: a\nid: 1\n\n");
}

#[test]
fn another_chunk_is_no_harm() {
    let chunk = Bytes::from_static(b"data: a\n\n");
    let event = Decoder::new().next_event(&mut &b"data: a\n\n".to_vec()[..]).unwrap().unwrap().share(&chunk);
    assert_eq!(event.data(), "a");
}

#[cfg(feature = "stream")]
#[test]
fn a_stream_of_chunks_is_a_stream_of_shared_events() {
    use futures_util::{StreamExt as _, stream};
    use sse_codec::Events;

    let chunks =
        ["id: 1\ndata: a\n\ndata: b\n\nid: 2\nda", "ta: c\n\n"].map(|chunk| Ok::<_, ()>(Bytes::from(chunk)));
    let events = Events::new(stream::iter(chunks)).shared().map(Result::unwrap);
    let events: Vec<SharedEvent> = pollster::block_on(events.collect());
    let seen: Vec<_> = events.iter().map(|event| (event.data(), event.last_event_id())).collect();
    assert_eq!(seen, [("a", "1"), ("b", "1"), ("c", "2")]);
}
