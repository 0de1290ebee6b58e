//! A stream of events on a runtime of your choice. This example uses `smol`.
//!
//! ```sh
//! cargo run -p sse-codec --features stream --example runtime
//! ```

// region: program
use std::error::Error;
use std::io;

use futures_util::{AsyncRead, AsyncReadExt, AsyncWriteExt, Stream, StreamExt, stream};
use smol::net::{TcpListener, TcpStream};
use sse_codec::{EventId, Events, Message};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = smol::spawn(serve(listener));

        let mut events = Events::new(chunks(TcpStream::connect(address).await?));
        let mut seen = 0;
        while let Some(event) = events.next().await {
            let event = event?;
            println!("{}: {}", event.last_event_id(), event.data());
            seen += 1;
        }
        assert_eq!(seen, 3);
        server.await?;
        Ok(())
    })
}

/// Returns the bytes of `reader` as a stream of chunks.
fn chunks(reader: impl AsyncRead + Unpin) -> impl Stream<Item = io::Result<Vec<u8>>> + Unpin {
    let chunks = stream::try_unfold(reader, async |mut reader| {
        let mut chunk = vec![0; 4096];
        let length = reader.read(&mut chunk).await?;
        chunk.truncate(length);
        Ok((length > 0).then_some((chunk, reader)))
    });
    Box::pin(chunks)
}

/// Sends three events, without HTTP.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let (mut socket, _) = listener.accept().await?;
    for number in 1..=3 {
        let message = Message::new(format!("event {number}")).id(EventId::from(number));
        socket.write_all(&message.to_vec()).await?;
        socket.flush().await?;
    }
    Ok(())
}
// endregion

#[test]
fn the_example_runs() -> Result<(), Box<dyn Error>> {
    main()
}
