//! The servers. All do the same work: they send each event to every open connection, by HTTP/1.1 in chunks.
//!
//! All send without delay (`TCP_NODELAY`), and send nothing but events. All run on one CPU, except those that show the
//! cost of a second thread.

mod actix;
mod axum;
mod commands;
mod epoll;
mod ours;
mod redis;

use crate::{Result, process, system};

/// A server to be measured.
pub(crate) struct Contender {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The CPUs that it may use.
    pub(crate) cpus: &'static [usize],
    pub(crate) program: Program,
}

/// The program of a server.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    /// This program. It serves until standard input ends.
    Own(fn() -> Result<()>),
    /// The same, beside a Redis server.
    WithRedis(fn() -> Result<()>),
    /// The hub, `sse serve`.
    Hub,
}

/// The lower bound, `sse-server`, the peers, and `sse-server` in other forms.
pub(crate) const ALL: [Contender; 9] = [
    Contender::new("epoll", "bare epoll", Program::Own(epoll::run)),
    Contender::new("ours", "sse-server", Program::Own(ours::run)),
    Contender::new("axum", "axum 0.8", Program::Own(axum::run)),
    Contender::new("actix", "actix-web 4", Program::Own(actix::run)),
    Contender::new("hyper", "sse-server under hyper", Program::Own(ours::run_under_hyper)),
    Contender::new("hub", "sse serve", Program::Hub),
    Contender::new("redis", "sse-server and Redis", Program::WithRedis(redis::run)),
    Contender::on_both_cpus("one", "sse-server, one thread", Program::Own(ours::run_with_one_thread)),
    Contender::on_both_cpus("two", "sse-server, two threads", Program::Own(ours::run_with_two_threads)),
];

/// How many events a server keeps for a lagging subscriber, if the server has this setting.
const HISTORY: usize = 256;

impl Contender {
    const fn new(name: &'static str, title: &'static str, program: Program) -> Self {
        Self { name, title, cpus: &[system::SERVER_CPU], program }
    }

    const fn on_both_cpus(name: &'static str, title: &'static str, program: Program) -> Self {
        Self { name, title, cpus: &[system::SERVER_CPU, system::LOAD_CPU], program }
    }
}

/// Runs the server under test, until standard input ends.
pub(crate) fn serve(contender: &Contender) -> Result<()> {
    process::pin(contender.cpus)?;
    match contender.program {
        Program::Own(run) | Program::WithRedis(run) => run(),
        Program::Hub => Err("the hub is a program of its own".into()),
    }
}
