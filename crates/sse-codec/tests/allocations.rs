//! What the memory is taken for: nothing once a decoder is warm, nothing ever with fixed storage, and nothing
//! to write into a buffer with room.

#![cfg(feature = "alloc")]

use sse_codec::{Decoder, FixedDecoder, FixedLineDecoder, LineDecoder};

#[test]
fn a_warm_decoder_allocates_nothing() {
    let stream = stream();
    for size in sizes(&stream) {
        let mut decoder = Decoder::new();
        let pass = |decoder: &mut Decoder| {
            count(&stream, size, |chunk| decoder.next_event(chunk).unwrap().is_some())
        };
        assert_eq!(pass(&mut decoder), 1001);
        check(size, || assert_eq!(pass(&mut decoder), 1001));
    }
}

#[test]
fn a_warm_line_decoder_allocates_nothing() {
    let stream = stream();
    for size in sizes(&stream) {
        let mut decoder = LineDecoder::new();
        let pass = |decoder: &mut LineDecoder| {
            count(&stream, size, |chunk| decoder.next_line(chunk).unwrap().is_some())
        };
        assert_eq!(pass(&mut decoder), 7002);
        check(size, || assert_eq!(pass(&mut decoder), 7002));
    }
}

#[test]
fn fixed_storage_allocates_nothing_at_all() {
    let stream = stream();
    for size in sizes(&stream) {
        check(size, || {
            let mut decoder = FixedDecoder::<64>::fixed();
            assert_eq!(count(&stream, size, |chunk| decoder.next_event(chunk).unwrap().is_some()), 1001);
            let mut decoder = FixedLineDecoder::<64>::fixed();
            assert_eq!(count(&stream, size, |chunk| decoder.next_line(chunk).unwrap().is_some()), 7002);
        });
    }
}

#[cfg(feature = "bytes")]
#[test]
fn a_buffer_with_room_is_written_to_without_allocation() {
    use sse_codec::{EventId, EventType, Message};

    let mut buffer = Vec::with_capacity(64);
    check(0, || {
        let message = Message::new("one\ntwo").event_type(EventType::from_static("token"));
        message.id(EventId::from_static("7")).comment("ping").encode(&mut buffer);
    });
    assert_eq!(buffer, b": ping\nevent: token\ndata: one\ndata: two\nid: 7\n\n");
}

/// 1001 events in 7002 lines, each kind of field among them; the last event has ill-formed text.
fn stream() -> Vec<u8> {
    let mut stream = String::new();
    for number in 1000..2000 {
        stream += &format!(
            "id: {number}\nevent: token\ndata: {{\"delta\":\"word\"}}\ndata: é {number}\n\n: ping\n\n"
        );
    }
    let mut stream = stream.into_bytes();
    stream.extend_from_slice(b"data: \xFF\n\n");
    stream
}

fn sizes(stream: &[u8]) -> [usize; 5] {
    [1, 7, 64, 1400, stream.len()]
}

/// How often a decoder, fed chunks of a size, has something to give.
fn count(stream: &[u8], size: usize, mut next: impl FnMut(&mut &[u8]) -> bool) -> usize {
    stream.chunks(size).map(|mut chunk| std::iter::from_fn(|| next(&mut chunk).then_some(())).count()).sum()
}

fn check(size: usize, run: impl FnOnce()) {
    let info = allocation_counter::measure(run);
    assert_eq!(info.count_total, 0, "chunks of {size} bytes");
}
