//! How many instructions a server executes for a delivery, outside of the kernel.
//!
//! valgrind counts them over the whole life of the server. So there are two runs, one with twice as many events as the
//! other. The difference of the two counts is that of the events alone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::contenders::Contender;
use crate::server::Server;
use crate::{Result, measures};

const SUBSCRIBERS: usize = 1_000;

/// The number of events in the first run. Each is published when all subscribers have got the one before.
const EVENTS: usize = 100;

const PAYLOAD: usize = 256;

/// Prints the figures of these servers.
pub(crate) fn print(contenders: &[&Contender]) -> Result<()> {
    println!(
        "Instructions of the server outside of the kernel, per delivery: {SUBSCRIBERS} subscribers, {PAYLOAD} B, one \
         event at a time.\n"
    );
    println!("| server | instructions | what callgrind counted |");
    println!("|---|---|---|");
    for contender in contenders {
        let once = count(contender, EVENTS)?;
        let twice = count(contender, 2 * EVENTS)?;
        let each = (twice.instructions - once.instructions) / (EVENTS * SUBSCRIBERS) as f64;
        println!(
            "| {} | {each:.0} | `{}`, `{}` |",
            contender.title,
            once.file.display(),
            twice.file.display()
        );
    }
    Ok(())
}

/// The count of one run.
struct Run {
    instructions: f64,
    /// The file for `callgrind_annotate`.
    file: PathBuf,
}

fn count(contender: &Contender, events: usize) -> Result<Run> {
    eprintln!("{} with {events} events", contender.name);
    let program = std::env::current_exe()?;
    let file = program.with_file_name(format!("callgrind.{}.{events}", contender.name));
    let mut server = Server::start_counted(contender, &file)?;
    let mut subscribers = server.subscribers(SUBSCRIBERS)?;
    for _ in 0..events {
        measures::publish(&mut server, &mut subscribers, 1, PAYLOAD)?;
    }
    subscribers.check()?;
    server.end()?;
    Ok(Run { instructions: total(&file)?, file })
}

/// The sum in a file of callgrind's.
fn total(file: &Path) -> Result<f64> {
    let text = fs::read_to_string(file)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind has written no sum")?.trim().parse()?)
}
