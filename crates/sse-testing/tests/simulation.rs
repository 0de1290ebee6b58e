//! The runs and seeds of a simulation.

use std::env;
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::Duration;

use sse_testing::simulation::{Simulation, Tally};
use tokio::time::{Instant, sleep};

/// Runs one test of this file in a process of its own, with these variables.
fn run(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env_remove("SSE_SIMULATION_RUNS").env_remove("SSE_SIMULATION_SEED").env("IN_A_PROCESS", "1");
    command.envs(variables.iter().copied()).output().unwrap()
}

#[track_caller]
fn check(test: &str, variables: &[(&str, &str)], is_success: bool, says: &str) {
    let output = run(test, variables);
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() == is_success && printed.contains(says), "{says:?} is not in\n{printed}");
}

/// Another test runs this one. The run with the seed 3 fails.
#[test]
fn the_environment_chooses_the_runs_and_a_failure_tells_its_seed() {
    const NAME: &str = "the_environment_chooses_the_runs_and_a_failure_tells_its_seed";
    if env::var_os("IN_A_PROCESS").is_some() {
        let sum = Simulation::new().runs(3).run(async |seed| {
            assert_ne!(seed, 3, "a fault");
            seed
        });
        eprintln!("returned {sum:?}");
        return;
    }
    check(NAME, &[], true, "3 runs: 3\nreturned Some(3)\n");
    check(NAME, &[("SSE_SIMULATION_RUNS", "2")], true, "2 runs: 1\nreturned Some(1)\n");
    check(NAME, &[("SSE_SIMULATION_RUNS", "0")], true, "returned None\n");
    check(NAME, &[("SSE_SIMULATION_SEED", "7")], true, "SSE_SIMULATION_SEED=7: 7\nreturned None\n");
    check(NAME, &[("SSE_SIMULATION_RUNS", "5")], false, "SSE_SIMULATION_SEED=3 gives this run again\n");
    check(
        NAME,
        &[("SSE_SIMULATION_SEED", "x")],
        false,
        "SSE_SIMULATION_SEED is \"x\", which is not a number",
    );
}

#[test]
fn a_seed_gives_the_same_run() {
    let story = async |_| {
        let start = Instant::now();
        sleep(Duration::from_millis(fastrand::u64(..1_000_000))).await;
        (start.elapsed(), fastrand::u64(..))
    };
    let simulation = Simulation::new();
    assert_eq!(simulation.run_seed(7, story), simulation.run_seed(7, story));
    assert_ne!(simulation.run_seed(7, story), simulation.run_seed(8, story));
}

#[test]
#[should_panic = "the run has not ended within 60s of its own time"]
fn a_run_that_waits_without_end_fails() {
    Simulation::new()
        .limit(Duration::from_secs(60))
        .run_seed(0, async |_| std::future::pending::<()>().await);
}

#[test]
fn a_run_may_have_tasks_that_stay_on_its_thread() {
    let seen = Simulation::new().run_seed(1, async |seed| {
        let shared = Rc::new(seed);
        tokio::task::spawn_local(async move { *shared }).await.unwrap()
    });
    assert_eq!(seen, 1);
}

#[test]
fn tallies_add_up() {
    let mut sum = Tally::new();
    sum.count("a");
    sum.count("b");
    let mut more = Tally::new();
    more.count("b");
    sum += more;
    assert_eq!((sum.get("a"), sum.get("b"), sum.get("c")), (1, 2, 0));
    assert!(sum.seen().eq(&["a", "b"]));
}
