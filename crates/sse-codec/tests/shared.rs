//! Owned events whose clones share their text.

#![cfg(feature = "stream")]

mod common;

use std::convert::Infallible;

use common::{cases, every_cut};
use futures_util::{Stream, StreamExt as _, stream};
use sse_codec::{Events, Message, SharedEvent};

fn events<'c>(chunks: &[&'c [u8]]) -> Events<impl Stream<Item = Result<&'c [u8], Infallible>>> {
    Events::new(stream::iter(chunks.iter().copied().map(Ok).collect::<Vec<_>>()))
}

fn shared(chunks: &[&[u8]]) -> Vec<SharedEvent> {
    pollster::block_on(events(chunks).shared().map(Result::unwrap).collect())
}

/// Compares the shared events of `chunks` with copied ones.
#[track_caller]
fn check(chunks: &[&[u8]]) {
    let copied: Vec<_> = pollster::block_on(events(chunks).map(Result::unwrap).collect());
    let shared = shared(chunks);
    let seen: Vec<_> = shared.iter().map(SharedEvent::as_borrowed).collect();
    assert_eq!(seen, copied.iter().map(|event| event.as_borrowed()).collect::<Vec<_>>(), "{chunks:?}");
    for (shared, copied) in shared.into_iter().zip(copied) {
        assert_eq!(shared.to_string(), copied.to_string());
        assert_eq!(Message::from(&shared), Message::from(&copied));
        assert_eq!(shared.data_lines().collect::<Vec<_>>(), copied.data_lines().collect::<Vec<_>>());
        assert_eq!(&*shared.into_data(), copied.data());
    }
}

#[test]
fn shared_and_copied_events_are_the_same() {
    for case in cases::all() {
        for chunks in every_cut(&case.stream) {
            check(&chunks);
        }
    }
}

#[test]
fn clones_share_their_text() {
    let event = shared(&[b"event: e\ndata: a\n\n"]).remove(0);
    let clone = event.clone();
    assert_eq!(clone, event);
    assert_eq!(clone.data().as_ptr(), event.data().as_ptr());
    let data = event.into_data();
    assert_eq!(data.as_str().as_ptr(), clone.data().as_ptr());
}

#[test]
fn an_event_outlives_its_stream_and_its_chunk() {
    let events = shared(&[b"id: 1\ndata: a\n\ndata:\n\n"]);
    assert_eq!((events[0].data(), events[0].last_event_id()), ("a", "1"));
    assert_eq!((events[1].data(), events[1].last_event_id()), ("", "1"));
    assert_eq!(
        format!("{:?}", events[0]),
        r#"SharedEvent { event_type: "", data: "a", last_event_id: "1" }"#
    );
}

#[test]
fn a_large_event_is_an_error_and_the_next_one_follows() {
    let chunk = "data: 1\n\ndata: 123456789\n\ndata: 2\n\ndata: 123456789";
    let chunks = stream::iter([Ok::<_, Infallible>(chunk), Ok("\n\ndata: 3\n\n")]);
    let events = Events::with_decoder(chunks, sse_codec::Decoder::with_limit(8)).shared();
    let seen: Vec<_> = pollster::block_on(
        events.map(|event| event.map_or("!".to_owned(), |event| event.data().to_owned())).collect(),
    );
    assert_eq!(seen, ["1", "!", "2", "!", "3"]);
}

#[test]
fn the_decoder_of_the_stream_is_returned() {
    let mut events = events(&[b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nretry: 5\n\ndata: un"]).shared();
    assert!(pollster::block_on(events.next()).is_some());
    // The decoder has not read beyond the event that was returned.
    assert_eq!(events.decoder().last_event_id(), "1");
    assert!(pollster::block_on(events.next()).is_some());
    assert_eq!(events.decoder().last_event_id(), "2");
    assert!(pollster::block_on(events.next()).is_none());
    assert_eq!(events.decoder().reconnection_time().unwrap().as_millis(), 5);
    assert_eq!(events.into_decoder().finish().unwrap().unwrap().data(), "un");
}

#[cfg(feature = "bytes")]
#[test]
fn data_becomes_bytes_without_a_copy() {
    let event = shared(&[b"data: a\n\n"]).remove(0);
    let place = event.data().as_ptr();
    let bytes = bytes::Bytes::from(event.into_data());
    assert_eq!((&bytes[..], bytes.as_ptr()), (&b"a"[..], place));
}
