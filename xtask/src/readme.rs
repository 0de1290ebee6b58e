//! The commands of the README, run for real.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use crate::shell::{self, Failure};

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the first command on a free port and looks at its page and its stream. The second command is the caller.
pub(crate) fn run() -> Result<(), Failure> {
    let readme = std::fs::read_to_string(shell::root().join("README.md"))?;
    let commands: Vec<&str> = commands(&readme).collect();
    let [first, second, ..] = commands[..] else {
        return Err(Failure::new("the README's two commands are gone"));
    };
    if second != "cargo xtask test" {
        return Err(Failure::new(format!(
            "the README's second command is `{second}`, not `cargo xtask test`"
        )));
    }
    println!("\n$ {first}");
    let mut server = Server::start(&format!("{first} --listen 127.0.0.1:0"))?;
    let address = server.address()?;
    expect(&address, "/", &["HTTP/1.1 200 OK", "src=\"page.js\""])?;
    expect(&address, "/page.js", &["HTTP/1.1 200 OK", "\"status\""])?;
    expect(
        &address,
        "/status",
        &["HTTP/1.1 200 OK", "content-type: text/event-stream", "\nretry: ", "event: status\ndata: {"],
    )?;
    println!("The README's first command serves its page and its stream.");
    // As `cargo install --path crates/sse-cli`, with what is built already.
    shell::run(
        "cargo install --locked --debug --path crates/sse-cli --target-dir target --root target/installed",
    )?;
    shell::run("target/installed/bin/sse --version")
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
    fn start(line: &str) -> Result<Self, Failure> {
        let mut child = shell::command(line).stdout(Stdio::piped()).spawn()?;
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
        // `cargo run` has become the program by now: it is the same process.
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
