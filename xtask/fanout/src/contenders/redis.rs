//! `sse-server` with its log in Redis: a message is appended there, and comes back.

use std::future::IntoFuture;

use sse_redis::RedisLog;
use sse_server::{Message, Route, Topics, serve};
use tokio::net::TcpListener;

use super::HISTORY;
use super::commands::{self, Commands};
use crate::{Result, event, server};

/// The name of the topic, and of the stream in Redis.
const NAME: &str = "bench";

pub(super) fn run() -> Result<()> {
    commands::block_on(async {
        let log = RedisLog::connect(&server::redis_url()?, NAME).await?;
        let topics = Topics::builder().route(Route::builder().history(HISTORY).heartbeat(None));
        let route = topics.build_on(log).await?.route(NAME)?;
        let listener = TcpListener::from_std(commands::listen()?)?;
        tokio::spawn(serve(listener, route.clone()).into_future());
        let mut commands = Commands::from_stdin()?;
        while let Some(publish) = commands.next().await? {
            for _ in 0..publish.count {
                let _ = route.publish(&Message::new(event::text(publish.payload)));
            }
        }
        Ok(())
    })
}
