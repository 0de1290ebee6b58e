//! Decodes and encodes without an allocator, as on a microcontroller. The decoder is a `static`.
//!
//! ```sh
//! cargo run -p sse-codec --no-default-features --example fixed
//! ```

// region: program
use std::sync::Mutex;

use sse_codec::{EventType, FixedDecoder, Message, TooLarge};

/// At most 32 bytes of data, and at most 16 bytes each for the event type and the id.
static DECODER: Mutex<FixedDecoder<32, 16>> = Mutex::new(FixedDecoder::fixed());

const REPLY: EventType<'static> = EventType::from_static("reply");

/// The bytes that the device receives: a command, an event that is too large for the device, and another command.
const RECEIVED: &[u8] = b"event: led\ndata: on\n\n\
    event: firmware\ndata: 0123456789abcdef0123456789abcdef0123456789abcdef\n\n\
    event: led\ndata: off\n\n";

fn main() {
    let mut lamp = "off";
    let mut errors = 0;
    let mut decoder = DECODER.lock().expect("no thread has panicked");
    // A serial port brings a few bytes at a time.
    for mut received in RECEIVED.chunks(5) {
        loop {
            match decoder.next_event(&mut received) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    assert_eq!(event.event_type(), "led");
                    lamp = if event.data() == "on" { "on" } else { "off" };
                    send(lamp);
                }
                Err(TooLarge::Data { limit, .. }) => {
                    println!("skipped an event of more than {limit} bytes");
                    errors += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!((lamp, errors), ("off", 1));
}

/// Writes a message to a buffer of a fixed size, and sends the buffer.
fn send(state: &str) {
    let mut buffer = [0; 64];
    let length = Message::new(state).event_type(REPLY).encode_to_slice(&mut buffer).expect("it fits");
    print!("{}", String::from_utf8_lossy(&buffer[..length]));
}
// endregion

#[test]
fn the_example_runs() {
    main();
}
