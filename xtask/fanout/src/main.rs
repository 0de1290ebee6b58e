//! `sse-server` beside its peers: one event to many subscribers, in one run. Linux only.
//!
//! Each server is a process of its own, alone on one CPU. Most of them are this program, started again. All subscribers are
//! in this process, on another CPU. The servers take turns in rounds, and the medians are printed as tables.

mod contenders;
mod event;
#[path = "../../figures.rs"]
mod figures;
mod instructions;
mod measures;
mod memory;
#[path = "../../process.rs"]
mod process;
mod report;
mod server;
mod subscribers;
mod system;

use std::error::Error;
use std::process::ExitCode;

use contenders::Contender;
use report::Report;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
usage: sse-fanout [SERVER…] [--quick]         time
       sse-fanout memory [SERVER…] [--quick]  memory of subscribers that only wait
       sse-fanout instructions [SERVER…]      instructions of a delivery, counted by valgrind
of the servers epoll, ours, axum, actix, hyper, hub, redis, one, two";

/// The servers of each table, unless others are named.
const COMPARED: [&str; 4] = ["epoll", "ours", "axum", "actix"];
const WAITING: [&str; 6] = ["epoll", "ours", "hub", "hyper", "axum", "actix"];
const COUNTED: [&str; 2] = ["ours", "hyper"];

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
    let arguments: Vec<_> = arguments.iter().copied().filter(|argument| *argument != "--quick").collect();
    process::pin(&[system::LOAD_CPU])?;
    match &arguments[..] {
        ["memory", names @ ..] => {
            let rounds = if quick { 1 } else { 3 };
            compare(&all_named(names, &WAITING)?, rounds, &memory::SUBSCRIBERS, memory::take)
        }
        ["instructions", names @ ..] => instructions::print(&all_named(names, &COUNTED)?),
        names => {
            let effort = if quick { &measures::QUICK } else { &measures::FULL };
            let take = |contender: &_, subscribers, report: &mut _| {
                measures::take(contender, subscribers, effort, report)
            };
            compare(&all_named(names, &COMPARED)?, effort.rounds, &measures::SUBSCRIBERS, take)
        }
    }
}

fn named(name: &str) -> Result<&'static Contender> {
    let found = contenders::ALL.iter().find(|contender| contender.name == name);
    found.ok_or_else(|| format!("there is no server `{name}`\n{USAGE}").into())
}

fn all_named(names: &[&str], usual: &[&str]) -> Result<Vec<&'static Contender>> {
    let names = if names.is_empty() { usual } else { names };
    names.iter().map(|name| named(name)).collect()
}

/// Measures servers in rounds, and prints the medians.
fn compare(
    contenders: &[&'static Contender],
    rounds: usize,
    subscribers: &[usize],
    take: impl Fn(&Contender, usize, &mut Report) -> Result<()>,
) -> Result<()> {
    process::allow_files(system::files(subscribers.iter().copied().max().unwrap_or_default()))?;
    let mut report = Report::new(contenders);
    for round in 0..rounds {
        for &subscribers in subscribers {
            // Each round begins with another server, so that no server is always the first.
            for place in 0..contenders.len() {
                let contender = contenders[(round + place) % contenders.len()];
                eprintln!("round {} of {rounds}: {} × {subscribers}", round + 1, contender.name);
                take(contender, subscribers, &mut report)
                    .map_err(|error| format!("{} with {subscribers} subscribers: {error}", contender.name))?;
            }
        }
    }
    report.print();
    Ok(())
}
