//! Counts allocations: none by a decoder whose buffers have grown, none at all with fixed storage, and none to write
//! into a buffer with room.

#![cfg(feature = "alloc")]

use sse_codec::{Buffer, Decoder, FixedDecoder, FixedLineDecoder, LineDecoder};

#[test]
fn a_decoder_allocates_nothing_once_its_buffers_have_grown() {
    let stream = stream();
    for size in sizes(&stream) {
        let mut decoder = Decoder::new();
        read_events(&mut decoder, &stream, size);
        check(size, || read_events(&mut decoder, &stream, size));
    }
}

#[test]
fn a_line_decoder_allocates_nothing_once_its_buffer_has_grown() {
    let stream = stream();
    for size in sizes(&stream) {
        let mut decoder = LineDecoder::new();
        read_lines(&mut decoder, &stream, size);
        check(size, || read_lines(&mut decoder, &stream, size));
    }
}

#[test]
fn fixed_storage_allocates_nothing_at_all() {
    let stream = stream();
    for size in sizes(&stream) {
        check(size, || {
            read_events(&mut FixedDecoder::<64>::fixed(), &stream, size);
            read_lines(&mut FixedLineDecoder::<64>::fixed(), &stream, size);
        });
    }
}

#[cfg(feature = "bytes")]
#[test]
fn writing_to_a_buffer_with_room_allocates_nothing() {
    use sse_codec::{EventId, EventType, Message};

    let mut buffer = Vec::with_capacity(64);
    check(0, || {
        let message = Message::new("one\ntwo").event_type(EventType::from_static("token"));
        message.id(EventId::from_static("7")).comment("ping").encode(&mut buffer);
    });
    assert_eq!(buffer, b": ping\nevent: token\ndata: one\ndata: two\nid: 7\n\n");
}

#[cfg(feature = "stream")]
#[test]
fn shared_events_cost_no_more_allocations_than_copied_ones() {
    use futures_util::{StreamExt as _, stream};
    use sse_codec::Events;

    let stream = stream();
    for size in sizes(&stream) {
        let events = || Events::new(stream::iter(stream.chunks(size).map(Ok::<_, std::convert::Infallible>)));
        let count =
            |run: &dyn Fn() -> usize| allocation_counter::measure(|| assert_eq!(run(), 1001)).count_total;
        let copied = count(&|| pollster::block_on(events().count()));
        let shared = count(&|| pollster::block_on(events().shared().count()));
        // A few more, for the buffer in which events are joined.
        assert!(shared <= copied + 20, "chunks of {size} bytes: {shared}, {copied}");
    }
}

#[test]
fn an_owned_event_takes_one_allocation_and_a_copy_into_another_event_none() {
    use sse_codec::Event;

    let stream = b"event: token\nid: 7\ndata: Hello\n\n";
    let mut decoder = Decoder::new();
    let mut event = Event::default();
    for _ in 0..2 {
        event.copy_from(decoder.next_event(&mut &stream[..]).unwrap().unwrap());
    }
    assert_eq!((event.event_type(), event.data(), event.last_event_id()), ("token", "Hello", "7"));
    check(0, || event.copy_from(decoder.next_event(&mut &stream[..]).unwrap().unwrap()));
    let made = allocation_counter::measure(|| {
        let event = decoder.next_event(&mut &stream[..]).unwrap().unwrap().to_event();
        assert_eq!(event.into_data(), "Hello");
    });
    assert_eq!(made.count_total, 1);
}

/// Returns a stream of 1001 events in 7002 lines, with each kind of field. The last event has ill-formed text.
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

fn read_events<B: Buffer>(decoder: &mut Decoder<B>, stream: &[u8], size: usize) {
    let mut events = 0;
    for mut chunk in stream.chunks(size) {
        while let Some(event) = decoder.next_event(&mut chunk).unwrap() {
            assert!(!event.data().is_empty());
            events += 1;
        }
    }
    assert_eq!(events, 1001);
}

fn read_lines<B: Buffer>(decoder: &mut LineDecoder<B>, stream: &[u8], size: usize) {
    let mut lines = 0;
    for mut chunk in stream.chunks(size) {
        while decoder.next_line(&mut chunk).unwrap().is_some() {
            lines += 1;
        }
    }
    assert_eq!(lines, 7002);
}

fn check(size: usize, run: impl FnOnce()) {
    let info = allocation_counter::measure(run);
    assert_eq!(info.count_total, 0, "chunks of {size} bytes");
}
