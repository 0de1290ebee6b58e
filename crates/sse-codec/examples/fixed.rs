//! Fixed storage, as on a microcontroller: the decoder is a `static`, and nothing is allocated to decode or to encode.
//!
//! ```sh
//! cargo run -p sse-codec --no-default-features --example fixed
//! ```

use std::sync::Mutex;

use sse_codec::{EventType, FixedDecoder, Message, TooLarge};

/// Events of up to 32 bytes of data; their types and ids of up to 16.
static DECODER: Mutex<FixedDecoder<32, 16>> = Mutex::new(FixedDecoder::fixed());

const REPLY: EventType<'static> = EventType::from_static("reply");

/// What comes over the wire: a command, one that is too large for the device, and another command.
const RECEIVED: &[u8] = b"event: led\ndata: on\n\n\
    event: firmware\ndata: 0123456789abcdef0123456789abcdef0123456789abcdef\n\n\
    event: led\ndata: off\n\n";

fn main() {
    let mut lamp = "off";
    let mut errors = 0;
    let mut decoder = DECODER.lock().expect("no thread has panicked");
    // A serial port gives a few bytes at a time.
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

/// Writes a message to a buffer of fixed size, and that to the wire.
fn send(state: &str) {
    let mut buffer = [0; 64];
    let length = Message::new(state).event_type(REPLY).encode_to_slice(&mut buffer).expect("it fits");
    print!("{}", String::from_utf8_lossy(&buffer[..length]));
}

#[test]
fn the_example_runs() {
    main();
}
