//! The example `replica` as a process.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::running::Running;
use super::{Redis, free_port, host};

/// Where the example is, once it is built.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    // The features of the test, so that nothing is built twice.
    let features = [
        ("cluster", cfg!(feature = "cluster")),
        ("sentinel", cfg!(feature = "sentinel")),
        ("tls", cfg!(feature = "tls")),
        ("tracing", cfg!(feature = "tracing")),
    ];
    let features =
        features.iter().filter(|(_, is_on)| *is_on).flat_map(|(feature, _)| ["--features", feature]);
    let arguments: Vec<&str> = ["--example", "replica"].into_iter().chain(features).collect();
    test_support::programs::build("sse-redis", &arguments).join("examples/replica")
});

/// A running replica, which is killed when the test ends.
pub struct Replica {
    process: Running,
    address: String,
    redis: String,
}

impl Replica {
    pub fn start(redis: &Redis) -> Self {
        let redis = redis.url();
        // Another process may take the port between the search for a free port and the start.
        for _ in 0..10 {
            let address = format!("{}:{}", host(), free_port());
            if let Some(process) = launch(&address, &redis) {
                return Self { process, address, redis };
            }
        }
        panic!("no replica could be started");
    }

    pub fn url(&self, topics: &str) -> String {
        format!("http://{}/topics/{topics}", self.address)
    }

    /// Kills the process at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the replica again with the same address.
    pub fn start_again(&mut self) {
        let Self { process, address, redis } = self;
        process.launch_again(|| launch(address, redis));
    }
}

/// Starts a replica; `None` if it ends before it listens.
fn launch(address: &str, redis: &str) -> Option<Running> {
    let mut command = Command::new(&*PROGRAM);
    let mut process = command.args([address, redis]).stdout(Stdio::piped()).spawn().expect("the example");
    let mut output = BufReader::new(process.stdout.take().expect("its output is a pipe")).lines();
    match output.next() {
        Some(Ok(line)) if line.starts_with("listening on ") => Some(Running(process)),
        _ => {
            process.wait().expect("the process ends");
            None
        }
    }
}
