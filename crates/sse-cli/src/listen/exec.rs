//! A program that is run for each event.

use std::io::{self, Seek as _, Write as _};
use std::process::ExitStatus;

use sse_client::Event;
use tokio::process::Command;

use crate::failure::Failure;
use crate::system::Descendants;

/// Runs a command in a shell, with the data and a line ending on its standard input, and waits for its end.
///
/// When the future is dropped, the command ends with all that it has started.
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
    // The exit codes by which shells report their own errors.
    let hint = match status.code() {
        Some(126) => " (it names what is no program)",
        Some(127) => " (it names what is not found)",
        _ => "",
    };
    Err(Failure::failed(format!("--exec: `{command}` failed with {status}{hint} at the event{id}")))
}

async fn execute(command: &str, event: &Event) -> io::Result<ExitStatus> {
    // A file and not a pipe: if this program is killed, the command still reads the whole data. The file has no name,
    // and disappears with the command.
    let mut input = tempfile::tempfile()?;
    input.write_all(event.data().as_bytes())?;
    input.write_all(b"\n")?;
    input.rewind()?;
    let mut shell = shell(command);
    shell
        .env("SSE_TYPE", variable(event.event_type()))
        .env("SSE_ID", variable(event.last_event_id()))
        .stdin(input)
        .kill_on_drop(true);
    // So that a signal reaches all that the command has started.
    #[cfg(unix)]
    shell.process_group(0);
    let mut child = shell.spawn()?;
    let descendants = Descendants::of(child.id());
    let status = child.wait().await?;
    // Programs that the command has left running are meant to stay.
    descendants.leave();
    Ok(status)
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
    // With /s, cmd.exe removes the outer quotes, and runs the text between them as it stands.
    shell.raw_arg(format!("/d /s /c \"{command}\""));
    shell
}

/// Returns the text as an environment variable can hold it: without NUL.
fn variable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
