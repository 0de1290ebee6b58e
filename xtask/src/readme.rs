//! The commands of the README, run for real.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::shell::{self, Failure};

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first command of the README. The tests have built its program.
const FIRST: &str = "cargo run -p sse-cli -- serve";

/// Runs what the first command runs, on a free port, and looks at its page and its stream. The second command is the
/// caller.
///
/// The program is the one of this folder, which the tests have used: cargo would build it and its dependencies again for this command,
/// with the features that `sse-cli` alone needs of them. `cargo xtask tidy` checks it with those.
pub(crate) fn run(programs: &Path) -> Result<(), Failure> {
    let readme = std::fs::read_to_string(shell::root().join("README.md"))?;
    let commands: Vec<&str> = commands(&readme).collect();
    if commands.get(..2) != Some(&[FIRST, "cargo xtask test"]) {
        return Err(Failure::new(format!(
            "the README's commands are {commands:?} and do not begin with `{FIRST}` and `cargo xtask test`"
        )));
    }
    println!("\n$ {FIRST}");
    let arguments = FIRST.split_once(" -- ").map_or("", |(_, arguments)| arguments);
    let mut server = Server::start(&programs.join("sse"), &format!("{arguments} --listen 127.0.0.1:0"))?;
    let address = server.address()?;
    expect(&address, "/", &["HTTP/1.1 200 OK", "src=\"page.js\""])?;
    expect(&address, "/page.js", &["HTTP/1.1 200 OK", "\"status\""])?;
    expect(
        &address,
        "/status",
        &["HTTP/1.1 200 OK", "content-type: text/event-stream", "\nretry: ", "event: status\ndata: {"],
    )?;
    println!("The README's first command serves its page and its stream.");
    Ok(())
}

/// The lines of the README's shell blocks.
fn commands(readme: &str) -> impl Iterator<Item = &str> {
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The running program; it ends with the test.
struct Server {
    child: Child,
    // Kept, because a program whose output nobody reads any more may end.
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(program: &Path, arguments: &str) -> Result<Self, Failure> {
        let mut child =
            Command::new(program).args(arguments.split_whitespace()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("there is no output"))?;
        Ok(Self { child, stdout: BufReader::new(stdout) })
    }

    /// The address that it prints.
    fn address(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split('/').next());
        address.map(str::to_owned).ok_or_else(|| Failure::new(format!("it prints no address, but {line:?}")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gets `path` and reads until all of the `texts` have come.
fn expect(address: &str, path: &str, texts: &[&str]) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).unwrap_or(0);
        seen.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&seen);
        let Some(missing) = texts.iter().find(|expected| !text.contains(**expected)) else { return Ok(()) };
        if length == 0 {
            return Err(Failure::new(format!("{path} does not answer with {missing:?}, but:\n{text}")));
        }
    }
}
