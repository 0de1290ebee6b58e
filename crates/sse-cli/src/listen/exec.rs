//! A program that is run for each event.

use std::io;
use std::process::{ExitStatus, Stdio};

use sse_client::Event;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::output::Visible;
use crate::failure::Failure;

/// Runs a command in a shell, with the data and a line ending on its standard input, and waits for its end.
///
/// It is killed when the future is dropped.
pub(crate) async fn run(command: &str, event: &Event) -> Result<(), Failure> {
    let status = execute(command, event).await;
    let status =
        status.map_err(|error| Failure::failed(format!("--exec: `{command}` can't be run: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let id = match event.last_event_id() {
        "" => String::new(),
        id => format!(" with the id {}", Visible(id)),
    };
    Err(Failure::failed(format!("--exec: `{command}` failed with {status} at the event{id}")))
}

async fn execute(command: &str, event: &Event) -> io::Result<ExitStatus> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("SSE_TYPE", variable(event.event_type()))
        .env("SSE_ID", variable(event.last_event_id()))
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let input = child.stdin.take();
    let write = async {
        let Some(mut input) = input else { return };
        // A program need not read it.
        if input.write_all(event.data().as_bytes()).await.is_ok() {
            let _ = input.write_all(b"\n").await;
        }
    };
    // What it leaves behind may hold its input open, and is not waited for.
    tokio::select! {
        status = child.wait() => status,
        () = write => child.wait().await,
    }
}

/// What a variable can hold: no NUL.
fn variable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
