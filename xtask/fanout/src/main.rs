//! `sse-server` beside its peers: one event to many subscribers, in one run. Linux only.
//!
//! The program starts itself anew for each server, which runs alone on one CPU; the subscribers are all in this
//! process, on another CPU. Rounds are interleaved over the servers, and the medians are printed as tables.

mod contenders;
mod event;
#[path = "../../figures.rs"]
mod figures;
mod measures;
#[path = "../../process.rs"]
mod process;
mod report;
mod server;
mod subscribers;
mod system;

use std::error::Error;
use std::process::ExitCode;

use contenders::Contender;
use measures::Effort;
use report::Report;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: sse-fanout [SERVER…] [--quick], of the servers epoll, ours, axum, actix, redis";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sse-fanout: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    if let ["server", name] = arguments {
        return contenders::serve(named(name)?);
    }
    let quick = arguments.contains(&"--quick");
    let names = arguments.iter().filter(|argument| **argument != "--quick");
    let mut contenders = names.map(|name| named(name)).collect::<Result<Vec<_>>>()?;
    if contenders.is_empty() {
        contenders.extend(contenders::ALL.iter().filter(|contender| !contender.needs_redis));
    }
    compare(&contenders, if quick { &measures::QUICK } else { &measures::FULL })
}

fn named(name: &str) -> Result<&'static Contender> {
    let found = contenders::ALL.iter().find(|contender| contender.name == name);
    found.ok_or_else(|| format!("there is no server `{name}`\n{USAGE}").into())
}

fn compare(contenders: &[&'static Contender], effort: &Effort) -> Result<()> {
    process::allow_files(system::FILES)?;
    process::pin(system::LOAD_CPU)?;
    let mut report = Report::new(contenders);
    for round in 0..effort.rounds {
        for subscribers in measures::SUBSCRIBERS {
            // Each round begins with another one, so that none is always the first.
            for place in 0..contenders.len() {
                let contender = contenders[(round + place) % contenders.len()];
                eprintln!("round {} of {}: {} × {subscribers}", round + 1, effort.rounds, contender.name);
                measures::take(contender, subscribers, effort, &mut report)
                    .map_err(|error| format!("{} with {subscribers} subscribers: {error}", contender.name))?;
            }
        }
    }
    report.print();
    Ok(())
}
