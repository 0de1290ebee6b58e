//! The example `replica` as a process.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::running::Running;
use super::{Redis, free_port, host};

/// The path of the built example. cargo does not build it for every way to run a test.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "-p", "sse-redis", "--example", "replica", "--profile", profile]);
    // cargo sets these variables for a test. With them, `ring` would be built anew each time.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|it| name.starts_with(it)))
        {
            command.env_remove(name);
        }
    }
    // The features of this test, so that nothing is built twice.
    let features = [
        ("cluster", cfg!(feature = "cluster")),
        ("sentinel", cfg!(feature = "sentinel")),
        ("tls", cfg!(feature = "tls")),
        ("tracing", cfg!(feature = "tracing")),
    ];
    for (feature, _) in features.iter().filter(|(_, is_on)| *is_on) {
        command.args(["--features", feature]);
    }
    assert!(command.status().expect("cargo can be started").success(), "the example can't be built");
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("the folder of the profile").join("examples/replica")
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
