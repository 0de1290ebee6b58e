//! `sse-client` beside reqwest alone and beside its peers, in one run. Linux only.
//!
//! The program starts itself again as the server, which runs alone on one CPU. The clients run on another, in one thread.
//! The contenders take turns in rounds, and the medians are printed as tables. Each number of idle sources has a process of
//! its own, so that no process reuses the memory that another one has freed.
//!
//! `perf` shows where the time of one contender goes; `-i` leaves the server out:
//!
//! ```text
//! cargo build --release --manifest-path xtask/client-bench/Cargo.toml
//! perf record -i -g -e cpu-clock xtask/client-bench/target/release/sse-client-bench read events openai
//! perf report --no-children
//! ```

mod contenders;
#[path = "../../figures.rs"]
mod figures;
mod hold;
#[path = "../../process.rs"]
mod process;
mod read;
mod report;
mod server;
mod streams;
mod system;

use std::error::Error;
use std::process::ExitCode;

use contenders::Contender;
use report::Report;
use streams::Sample;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
usage: sse-client-bench [read | hold] [CONTENDER…] [STREAM…] [--quick]
  contenders: reqwest, events, source, own, eventsource-stream, eventsource-client
  streams: openai, anthropic, 4k, 64k";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sse-client-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["serve"] => server::serve(),
        ["holder", name, count, port] => hold::hold(named(name)?, count.parse()?, port.parse()?),
        ["read", choice @ ..] => Choice::of(choice)?.compare(true, false),
        ["hold", choice @ ..] => Choice::of(choice)?.compare(false, true),
        choice => Choice::of(choice)?.compare(true, true),
    }
}

fn named(name: &str) -> Result<&'static Contender> {
    let found = contenders::ALL.iter().find(|contender| contender.name == name);
    found.ok_or_else(|| format!("there is no `{name}`\n{USAGE}").into())
}

/// The measurement.
struct Choice {
    contenders: Vec<&'static Contender>,
    samples: Vec<Sample>,
    quick: bool,
}

impl Choice {
    /// The named contenders, or all of a kind if none is named.
    fn of(names: &[&str]) -> Result<Self> {
        let mut choice = Self { contenders: Vec::new(), samples: streams::all(), quick: false };
        if names.iter().any(|name| streams::NAMES.contains(name)) {
            choice.samples.retain(|sample| names.contains(&sample.name));
        }
        for name in names {
            if *name == "--quick" {
                choice.quick = true;
            } else if !streams::NAMES.contains(name) {
                choice.contenders.push(named(name)?);
            }
        }
        if choice.contenders.is_empty() {
            choice.contenders.extend(&contenders::ALL);
        }
        Ok(choice)
    }

    fn compare(&self, read: bool, hold: bool) -> Result<()> {
        process::allow_files(system::FILES)?;
        process::pin(&[system::CLIENT_CPU])?;
        let mut report = Report::default();
        if read {
            let effort = if self.quick { &read::QUICK } else { &read::FULL };
            read::compare(&self.contenders, &self.samples, effort, &mut report)?;
        }
        if hold {
            let rounds = if self.quick { hold::QUICK } else { hold::FULL };
            hold::compare(&self.contenders, rounds, &mut report)?;
        }
        report.print();
        Ok(())
    }
}
