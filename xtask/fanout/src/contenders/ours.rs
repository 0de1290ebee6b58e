//! `sse-server` as in the first example of its documentation.

use std::future::IntoFuture;

use sse_server::{Message, Route, Serve, serve};
use tokio::net::TcpListener;

use super::HISTORY;
use super::commands::{self, Commands};
use crate::{Result, event};

/// With a thread for each CPU that it may use.
pub(super) fn run() -> Result<()> {
    run_as(|serve| serve)
}

pub(super) fn run_under_hyper() -> Result<()> {
    run_as(|serve| serve.threads(0))
}

pub(super) fn run_with_one_thread() -> Result<()> {
    run_as(|serve| serve.threads(1))
}

pub(super) fn run_with_two_threads() -> Result<()> {
    run_as(|serve| serve.threads(2))
}

fn run_as(set: impl FnOnce(Serve<Route>) -> Serve<Route>) -> Result<()> {
    commands::block_on(async {
        let route = Route::builder().history(HISTORY).heartbeat(None).build();
        let listener = TcpListener::from_std(commands::listen()?)?;
        tokio::spawn(set(serve(listener, route.clone())).into_future());
        let mut commands = Commands::from_stdin()?;
        while let Some(publish) = commands.next().await? {
            for _ in 0..publish.count {
                let _ = route.publish(&Message::new(event::text(publish.payload)));
            }
        }
        Ok(())
    })
}
