//! The program `sse`: a hub for event streams (`sse serve`), and a subscriber, a publisher and a load tester for them.
//!
//! The crate is used as a program: `cargo install sse-cli`. Its README shows what each command does. The library has what
//! `main` and the example `manual` need: [`run`] runs the program, and [`command`] describes its command line.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bench;
mod envelope;
mod failure;
mod listen;
mod log;
mod publish;
mod refusal;
mod runtime;
mod serve;
mod signals;
mod since;
mod system;
mod target;
mod tls;
mod transport;
mod units;
mod visible;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::failure::Failure;

/// Event streams from the command line: a hub to publish through, a curl for them, and a load tester
#[derive(Debug, Parser)]
#[command(name = "sse", version, propagate_version = true, disable_help_subcommand = true, after_help = EXITS)]
struct Sse {
    #[command(subcommand)]
    task: Task,
}

const EXITS: &str = "\
Exit codes: 0 done; 1 the network, the system or a program failed; 2 wrong arguments; 3 refused by the server; \
4 the time is up; 5 events were lost or doubled, an answer was cut off, or a directory is damaged.";

#[derive(Debug, Subcommand)]
enum Task {
    Serve(serve::Options),
    Listen(listen::Options),
    Publish(publish::Options),
    Log(log::Options),
    Bench(bench::Options),
}

/// The command line, for manuals and completions.
pub fn command() -> clap::Command {
    serve::with_environment(Sse::command())
}

/// Runs the program with these arguments, the first of which is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    match parse(&arguments) {
        Ok(sse) => match sse.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        },
        Err(Unparsed::Help(help)) => {
            // A reader that closes the pipe early has read enough.
            let _ = help.print();
            // It is not 0 if no task was named.
            u8::try_from(help.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(Unparsed::Failure(failure)) => failure.report(),
    }
}

/// Why there is nothing to run.
enum Unparsed {
    /// Help or the version were asked for.
    Help(clap::Error),
    Failure(Failure),
}

fn parse(arguments: &[OsString]) -> Result<Sse, Unparsed> {
    let matches = command().try_get_matches_from(arguments).map_err(unparsed)?;
    let Some(file) = serve::settings_file(&matches) else {
        return Sse::from_arg_matches(&matches).map_err(unparsed);
    };
    // Now that the file is known, its settings are the defaults, and the arguments are read again.
    let command = serve::with_settings(command(), &file).map_err(Unparsed::Failure)?;
    let matches = command.try_get_matches_from(arguments);
    matches.and_then(|matches| Sse::from_arg_matches(&matches)).map_err(|error| {
        // They were fine without the file.
        Unparsed::Failure(Failure::usage(format!("--config {}: {}", file.display(), one_line(&error))))
    })
}

fn unparsed(error: clap::Error) -> Unparsed {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Unparsed::Help(error),
        _ => Unparsed::Failure(Failure::usage(one_line(&error))),
    }
}

/// Makes one line of an error of clap, which has several paragraphs. The last ones, on usage and help, are left out.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let paragraphs = text.split("\n\n").take_while(|paragraph| !paragraph.starts_with("Usage:"));
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let said: Vec<String> = paragraphs.map(words).filter(|words| !words.starts_with("For more")).collect();
    format!("{} (see --help)", said.join("; "))
}

impl Sse {
    fn run(self) -> Result<(), Failure> {
        match self.task {
            Task::Serve(options) => options.run(),
            Task::Listen(options) => options.run(),
            Task::Publish(options) => options.run(),
            Task::Log(options) => options.run(),
            Task::Bench(options) => options.run(),
        }
    }
}
