//! A warm decoder allocates nothing, wherever the chunks are cut.

#![cfg(feature = "alloc")]

use sse_codec::Decoder;

#[test]
fn no_allocation_per_event() {
    let mut stream = String::new();
    for number in 1000..2000 {
        stream += &format!(
            "id: {number}\nevent: token\ndata: {{\"delta\":\"word\"}}\ndata: é {number}\n\n: ping\n\n"
        );
    }
    let mut stream = stream.into_bytes();
    stream.extend_from_slice(b"data: \xFF\n\n");
    for size in [1, 7, 64, 1400, stream.len()] {
        let mut decoder = Decoder::new();
        assert_eq!(count(&mut decoder, &stream, size), 1001);
        let info = allocation_counter::measure(|| {
            count(&mut decoder, &stream, size);
        });
        assert_eq!(info.count_total, 0, "chunks of {size} bytes");
    }
}

fn count(decoder: &mut Decoder, stream: &[u8], size: usize) -> usize {
    let mut events = 0;
    for mut chunk in stream.chunks(size) {
        while let Some(event) = decoder.next_event(&mut chunk).unwrap() {
            assert!(!event.data().is_empty());
            events += 1;
        }
    }
    events
}
