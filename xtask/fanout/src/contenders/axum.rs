//! axum's `Sse` over tokio's broadcast channel. A subscriber that lags skips what is no longer in the channel.

use std::convert::Infallible;
use std::future::IntoFuture;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;

use super::HISTORY;
use super::commands::{self, Commands};
use crate::{Result, event};

pub(super) fn run() -> Result<()> {
    commands::block_on(async {
        // The channel holds encoded events, which is less work than to encode each for every subscriber.
        let (sender, _) = broadcast::channel::<Event>(HISTORY);
        let events = sender.clone();
        let subscribe = || async move {
            let events = BroadcastStream::new(events.subscribe());
            Sse::new(events.filter_map(std::result::Result::ok).map(Ok::<_, Infallible>))
        };
        let listener = TcpListener::from_std(commands::listen()?)?;
        let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
        let router = Router::new().route("/", get(subscribe));
        tokio::spawn(axum::serve(listener, router).into_future());
        let mut commands = Commands::from_stdin()?;
        while let Some(publish) = commands.next().await? {
            for _ in 0..publish.count {
                // An error only says that there is no subscriber.
                let _ = sender.send(Event::default().data(event::text(publish.payload)));
            }
        }
        Ok(())
    })
}
