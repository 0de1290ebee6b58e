//! Durable POSTs: `sse serve --data` beside the server of Durable Streams in Rust, with the same load generator.

mod load;
mod server;

use std::time::Duration;

use self::load::Load;
use self::server::{DURABLE_STREAMS, SSE, Server};
use crate::figures::thousands;
use crate::report::Table;
use crate::{Result, directory};

/// How many bytes of data a POST has.
const PAYLOAD: usize = 256;

/// The connections of a measurement, and whether each of them has a topic of its own.
const LOADS: [(usize, bool); 5] = [(1, false), (100, false), (1_000, false), (100, true), (1_000, true)];

/// Measures both servers, or ours alone if the other is not installed.
pub(crate) fn compare(quick: bool) -> Result<()> {
    let mut programs = vec![DURABLE_STREAMS, SSE];
    if !DURABLE_STREAMS.is_installed() {
        eprintln!(
            "durable-streams-server is left out, because it is not installed: cargo install durable-streams"
        );
        programs.remove(0);
    }
    let (time, rounds) = if quick { (Duration::from_secs(1), 3) } else { (Duration::from_secs(3), 7) };
    let columns = || programs.iter().map(|program| program.name);
    let mut posts = Table::new("Durable POSTs a second.", "connections", 0, true, columns());
    let mut half = Table::new("Until the answer, the median in ms.", "connections", 2, false, columns());
    let mut most = Table::new("The same, the 99th percentile in ms.", "connections", 2, false, columns());
    for round in 0..rounds {
        for (connections, is_apart) in LOADS {
            let label = thousands(connections) + if is_apart { ", a topic each" } else { "" };
            for program in &programs {
                eprintln!("round {} of {rounds}: {}, {label}", round + 1, program.name);
                let directory = directory()?;
                let server = Server::start(program, directory.path())?;
                let load = Load { server: &server, connections, is_apart, payload: PAYLOAD };
                let figures = load.run(time).map_err(|error| format!("{}: {error}", program.name))?;
                posts.add(&label, program.name, figures.per_second);
                half.add(&label, program.name, figures.percentile(50));
                most.add(&label, program.name, figures.percentile(99));
            }
        }
    }
    println!("A POST has {PAYLOAD} bytes. In brackets: how many times the value of the first column.");
    [posts, half, most].iter().for_each(Table::print);
    Ok(())
}
