//! The tasks of this workspace. `cargo xtask` lists them.

mod bench;
mod ci;
mod conformance;
mod cryptography;
mod deny;
mod features;
mod frameworks;
mod fuzz;
mod guide;
mod interleavings;
mod layout;
mod manual;
mod miri;
mod msrv;
mod pages;
mod readme;
mod setup;
mod shell;
mod test;
mod tidy;
mod times;

use std::process::ExitCode;

use shell::Failure;

const USAGE: &str = "\
usage: cargo xtask TASK

  test                  all tests: unit, integration, browser, documentation, examples, README
  tidy                  format, lints, documentation, directions of dependencies and imports
  guide [--write]       whether the pages of docs/guide show code that is tested (a part of tidy); writes it there
  layout                which file imports which, and what is pure (a part of tidy)
  readme                what READMEs and the pages of docs/ show, name and link to (a part of tidy)
  conformance           the codec against the standard's cases, and a real browser against the same
  fuzz [--time SECONDS] each fuzz target for this long (30 s by default)
  interleavings [--iterations NUMBER]
                        the server's locks and wakers in so many orders of its threads (5,000 by default)
  miri                  the codec's unit tests, watched for undefined behaviour (minutes)
  msrv                  the libraries and the program with the oldest Rust that they promise
  deny                  licences, sources and duplicates of dependencies
  frameworks            the server under poem, warp, salvo and actix-web, as docs/frameworks.md shows it; the examples of
                        MCP with its Rust SDK as the peer
  ci [--no-test]        all of these, but for miri where the toolchain lacks it
  bench codec [decode [STREAM] | encode]
                        the codec beside its published peers, in one run
  bench fanout [memory | instructions] [SERVER…] [--quick]
                        one event to many subscribers: the server beside its peers, and beside bare epoll (minutes)
  bench client [read | hold] [CONTENDER…] [STREAM…] [--quick]
                        the client beside reqwest alone and its peers: time per event, memory per source (minutes)
  bench stores [--quick]
                        embedded stores on the work of sse-disk, beside plain appending to a file (minutes)
  bench log [append [CONTENDER…] [PUBLISHERS…] | http | resume [CLIENTS…] | scale [--messages NUMBER]] [--quick]
                        sse-disk beside a plain file, Redis and durable-streams; resumes and large logs (minutes)
  manual                the manual pages of sse, and its completions for shells
  setup                 installs what the tests need and the machine lacks
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = run(&arguments);
    times::print();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        ["test"] => test::run(),
        ["tidy"] => tidy::run(),
        ["layout"] => layout::run(),
        ["readme"] => pages::run(),
        ["guide"] => guide::run(),
        ["guide", "--write"] => guide::write(),
        ["conformance"] => conformance::run(),
        ["fuzz"] => fuzz::run(fuzz::DEFAULT_SECONDS),
        ["fuzz", "--time", seconds] => fuzz::run(
            seconds.parse().map_err(|_| Failure::new(format!("`{seconds}` is not a number of seconds")))?,
        ),
        ["interleavings"] => interleavings::run(interleavings::DEFAULT_ITERATIONS),
        ["interleavings", "--iterations", number] => interleavings::run(
            number.parse().map_err(|_| Failure::new(format!("`{number}` is not a number of iterations")))?,
        ),
        ["miri"] => miri::run(),
        ["msrv"] => msrv::run(),
        ["deny"] => deny::run(),
        ["frameworks"] => frameworks::run(),
        ["ci"] => test::run().and_then(|()| ci::run_the_rest()),
        ["ci", "--no-test"] => ci::run_the_rest(),
        ["bench", "codec", arguments @ ..] => bench::codec(arguments),
        ["bench", "fanout", arguments @ ..] => bench::fanout(arguments),
        ["bench", "client", arguments @ ..] => bench::client(arguments),
        ["bench", "stores", arguments @ ..] => bench::stores(arguments),
        ["bench", "log", arguments @ ..] => bench::log(arguments),
        ["manual"] => manual::run(),
        ["setup"] => setup::browser(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(Failure::new(format!("there is no task `{}`\n{USAGE}", other.join(" ")))),
    }
}
