//! Reads events in a blocking loop over a socket, without a runtime and without an HTTP library.
//!
//! ```sh
//! cargo run -p sse-codec --example blocking
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use sse_codec::{CONTENT_TYPE, Decoder, EventId, EventType, Message};

const TICK: EventType<'static> = EventType::from_static("tick");

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || serve(&listener));

    let events = listen(address)?;
    assert_eq!(events, 3);
    server.join().expect("the server has not panicked")?;
    Ok(())
}

// region: listen
/// Prints the events of one connection, and returns their number.
fn listen(address: SocketAddr) -> Result<usize, Box<dyn Error>> {
    let mut socket = TcpStream::connect(address)?;
    // In HTTP/1.0 the body ends with the connection, and is not sent in chunks.
    write!(socket, "GET /ticks HTTP/1.0\r\nAccept: {CONTENT_TYPE}\r\n\r\n")?;
    let mut response = BufReader::new(socket);
    let mut line = String::new();
    while response.read_line(&mut line)? > 2 {
        line.clear();
    }

    let mut decoder = Decoder::new();
    let mut buffer = [0; 4096];
    let mut events = 0;
    loop {
        let length = response.read(&mut buffer)?;
        if length == 0 {
            return Ok(events);
        }
        let mut chunk = &buffer[..length];
        while let Some(event) = decoder.next_event(&mut chunk)? {
            println!("{} {}: {}", event.last_event_id(), event.event_type(), event.data());
            events += 1;
        }
    }
}
// endregion

/// Answers one request with three events.
fn serve(listener: &TcpListener) -> io::Result<()> {
    let (mut socket, _) = listener.accept()?;
    let mut request = BufReader::new(socket.try_clone()?).lines();
    while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}

    write!(socket, "HTTP/1.0 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n")?;
    for number in 1..=3 {
        let data = format!("tick {number}\nof a blocking clock");
        let message = Message::new(data).event_type(TICK).id(EventId::from(number));
        socket.write_all(&message.to_vec())?;
    }
    Ok(())
}

#[test]
fn the_example_runs() -> Result<(), Box<dyn Error>> {
    main()
}
