//! A program that is run for each event.

use std::io::{self, Seek as _, Write as _};
use std::process::ExitStatus;

use sse_client::Event;
use tokio::process::Command;

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
        id => format!(" with the id {id}"),
    };
    Err(Failure::failed(format!("--exec: `{command}` failed with {status} at the event{id}")))
}

async fn execute(command: &str, event: &Event) -> io::Result<ExitStatus> {
    // A file, and no pipe: if this program is killed, the command does not take what has come for all there is. It has
    // no name, and is gone with the command.
    let mut input = tempfile::tempfile()?;
    input.write_all(event.data().as_bytes())?;
    input.write_all(b"\n")?;
    input.rewind()?;
    let mut child = shell(command)
        .env("SSE_TYPE", variable(event.event_type()))
        .env("SSE_ID", variable(event.last_event_id()))
        .stdin(input)
        .kill_on_drop(true)
        .spawn()?;
    child.wait().await
}

/// The shell, with this command.
#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd.exe");
    // With /s, the outer quotes are taken off, and what is between them is the command as it was written.
    shell.raw_arg(format!("/d /s /c \"{command}\""));
    shell
}

/// What a variable can hold: no NUL.
fn variable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
