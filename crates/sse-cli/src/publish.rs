//! `sse publish`: one event, or lines as events.
//!
//! The lines that have come are sent in one request, and those that come meanwhile in the next one. So a line never
//! waits for others, and long input goes in large batches. There is one request at a time, so events are published in
//! order. A request without an answer is not sent again, because the server may have published its events. A request
//! that the hub refused is sent again in smaller parts, or without ids, if that can help: the hub has published nothing
//! of it.

mod form;
mod hub_ids;
mod input;
mod poster;
mod progress;
mod queue;

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use indicatif::HumanCount;
use sse_client::reqwest::Url;

use self::form::{Form, Ids};
use self::input::{Input, Rest};
use self::poster::{PostError, Poster, Receipt};
use self::progress::Progress;
use self::queue::{Event, Place, Queue};
use crate::failure::{self, Exit, Failure};
use crate::runtime;
use crate::signals::Signals;
use crate::target::{self, Credentials};
use crate::transport::Transport;
use crate::visible::Visible;

/// Publish one event, or the lines of standard input as events, to a hub (sse serve)
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The URL of a topic
    #[arg(value_parser = target::url)]
    url: Url,
    /// The data of the event; `-`, or nothing, for the lines of standard input, each of them an event
    data: Option<String>,
    /// The type of the events
    #[arg(long = "type", value_name = "TYPE", value_parser = form::event_type)]
    event_type: Option<String>,
    /// The id of the event; without it, the hub gives one
    #[arg(long, value_name = "ID", requires = "data", value_parser = form::event_id)]
    id: Option<String>,
    /// Read the data, or each line, as JSON with data, type and id, as `sse listen --json` prints it
    #[arg(long, conflicts_with_all = ["event_type", "id"])]
    json: bool,
    #[command(flatten)]
    transport: Transport,
    #[command(flatten)]
    credentials: Credentials,
    /// Print no progress, no notes and no summary
    #[arg(short, long)]
    quiet: bool,
}

/// How long to wait in all for a server that may accept the same events later.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for a server that gives no time.
const LEAST_WAIT: Duration = Duration::from_millis(100);

const AFTER_HELP: &str = "\
The id of a single event is printed. Lines are UTF-8 and end with LF or CRLF. They are published in order, without waiting \
for each other. An empty line is an event with empty data; with --json, it is nothing.

With --json, ids that a hub gave are left out, as are all ids at a hub with a log in Redis (--redis). After a 429, and when \
the queue of the hub is full, the events are sent again for up to a minute. After another failure they are not, because \
they may have been published: the message says how many were, and which lines are next.";

impl Options {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = runtime::of_one_thread()?;
        let result = runtime.block_on(self.publish());
        // A read from a terminal or a pipe can't be cancelled.
        runtime.shutdown_background();
        result
    }

    async fn publish(self) -> Result<(), Failure> {
        let mut signals = Signals::listen()?;
        let data = self.data.filter(|data| data != "-");
        if data.is_none() && self.id.is_some() {
            return Err(Failure::usage(
                "--id is for one event; for lines with ids, write them as --json reads them",
            ));
        }
        let mut run = Run {
            form: if self.json {
                Form::Json { ids: Ids::OfPublishers }
            } else {
                Form::Data { event_type: self.event_type, id: self.id }
            },
            poster: Poster::new(&self.transport, self.url, self.credentials.headers())?,
            progress: Progress::new(self.quiet),
            is_quiet: self.quiet,
            queue: Queue::new(),
            published: 0,
            repeated: 0,
            without_receipt: 0,
            last_id: None,
            sent: None,
        };
        let work = async {
            match &data {
                Some(data) => run.publish_one(data).await,
                None => run.publish_lines().await,
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            signal = signals.received() => Err(run.interrupted(signal)),
        };
        run.progress.clear();
        outcome?;
        if data.is_none() {
            run.note(&run.summary());
            return Ok(());
        }
        if run.without_receipt > 0 {
            run.note("the server has taken the event, and gave no receipt with an id");
        }
        if run.repeated > 0 {
            run.note("the event was published before with this id, and was not published again");
        }
        run.print_id()
    }
}

/// The work, and how far it has come.
#[derive(Debug)]
struct Run {
    form: Form,
    poster: Poster,
    progress: Progress,
    is_quiet: bool,
    /// What was read and is not published yet.
    queue: Queue,
    published: u64,
    /// How many events had been published before.
    repeated: u64,
    /// How many events a server without receipts has accepted.
    without_receipt: u64,
    last_id: Option<String>,
    /// What waits for its answer.
    sent: Option<Place>,
}

impl Run {
    async fn publish_one(&mut self, data: &str) -> Result<(), Failure> {
        let json = self
            .form
            .json(data)
            .map_err(|error| Failure::usage(format!("the data is not an event: {error}")))?;
        self.queue.push(Event { place: Place::Argument, json });
        self.send().await
    }

    async fn publish_lines(&mut self) -> Result<(), Failure> {
        if io::stdin().is_terminal() {
            self.note("Each line is published as an event; Ctrl-D ends.");
        }
        let mut input = Input::new(tokio::io::stdin());
        loop {
            let rest = input.fill(&self.form, &mut self.queue).await;
            self.send().await?;
            self.progress.update(input.bytes(), self.published + self.repeated);
            match rest {
                Rest::More => {}
                Rest::None => return Ok(()),
                Rest::Wrong(exit, text) => return Err(Failure::new(exit, text + &self.before())),
            }
        }
    }

    /// Publishes all that was read.
    async fn send(&mut self) -> Result<(), Failure> {
        let mut waited = Duration::ZERO;
        while let Some(batch) = self.queue.batch() {
            self.sent = Some(batch.place);
            let size = batch.body.len();
            let posted = self.poster.post(batch.body, batch.events).await;
            self.sent = None;
            match posted {
                Ok(Some(Receipt { published, repeated, id })) => {
                    self.queue.remove(batch.events);
                    self.published += published as u64;
                    self.repeated += repeated as u64;
                    self.last_id = id;
                }
                Ok(None) => {
                    self.queue.remove(batch.events);
                    self.published += batch.events as u64;
                    self.without_receipt += batch.events as u64;
                    self.last_id = None;
                }
                // In these cases nothing was published, so the same events may be sent again.
                Err(PostError::TooLarge) if batch.events > 1 => self.queue.shrink(size),
                Err(PostError::WrongId(_)) if batch.events > 1 => self.queue.narrow(batch.events),
                Err(PostError::OwnId(_)) if self.form.leave_out_ids() => {
                    self.queue.leave_out_ids();
                    let server = self.poster.server();
                    self.note(&format!("{server} gives all ids itself, so the events go without theirs"));
                }
                Err(PostError::Later { wait, .. }) if waited + wait <= PATIENCE => {
                    let wait = wait.max(LEAST_WAIT);
                    tokio::time::sleep(wait).await;
                    waited += wait;
                    continue;
                }
                Err(error) => return Err(self.failure(&error, batch.place, size)),
            }
            waited = Duration::ZERO;
        }
        Ok(())
    }
}

/// Returns the summary.
impl Run {
    fn print_id(&self) -> Result<(), Failure> {
        let Some(id) = &self.last_id else { return Ok(()) };
        let mut output = io::stdout().lock();
        let written = writeln!(output, "{}", Visible(id)).and_then(|()| output.flush());
        written.map_err(|error| Failure::output(&error))
    }

    /// Writes a line to standard error, unless the user wants it quiet.
    fn note(&self, line: &str) {
        if !self.is_quiet {
            self.progress.suspend(|| failure::tell(line));
        }
    }

    fn summary(&self) -> String {
        let last = if self.published + self.repeated == 1 { "its id" } else { "the id of the last" };
        let id = self.last_id.as_ref().map(|id| format!("; {last} is {}", Visible(id))).unwrap_or_default();
        let receipt = match self.without_receipt {
            0 => "",
            all if all == self.published => "; the server gives no receipts",
            _ => "; the server gave no receipt for some of them",
        };
        format!("published {}{}{id}{receipt}", events(self.published), self.repeats())
    }

    /// The part of the summary that tells of repeats; it follows the number of published events.
    fn repeats(&self) -> String {
        match self.repeated {
            0 => String::new(),
            1 => ", and left out 1 repeat".to_owned(),
            repeated => format!(", and left out {} repeats", HumanCount(repeated)),
        }
    }

    fn failure(&self, error: &PostError, place: Place, size: usize) -> Failure {
        let server = self.poster.server();
        let text = match error {
            PostError::Unreachable(cause) => format!("{server} can't be reached for {place}: {cause}"),
            // A server that limits the body may close the connection before its answer arrives.
            PostError::NoAnswer(cause) if size > queue::MAX_BYTES => format!(
                "{server} gave no answer for {place}, so it may be published or not: {cause}; \
                 it has {} bytes as JSON: does the server take so much?",
                HumanCount(size as u64)
            ),
            PostError::NoAnswer(cause) => {
                format!("{server} gave no answer for {place}, so it may be published or not: {cause}")
            }
            PostError::TooLarge => format!(
                "{place} has {} bytes as JSON, which is more than {server} takes; raise its --max-body",
                HumanCount(size as u64)
            ),
            PostError::Moved(location) => format!("{server} sends {place} on to {location}; give that URL"),
            PostError::OwnId(text)
            | PostError::WrongId(text)
            | PostError::Later { text, .. }
            | PostError::Refused(text) => {
                format!("{server} refused {place}: {text}")
            }
            PostError::Strange(text) => {
                format!("{server} gave a receipt for {place} that can't be right: {text}")
            }
        };
        let before = if place == Place::Argument { String::new() } else { self.before() };
        Failure::new(error.exit(), text + &before)
    }

    /// Returns what is certain, whatever happened afterwards.
    fn before(&self) -> String {
        match self.published {
            0 if self.repeated == 0 => "; nothing was published before".to_owned(),
            1 => format!("; 1 event was published before{}", self.repeats()),
            published => format!("; {} were published before{}", events(published), self.repeats()),
        }
    }

    fn interrupted(&self, signal: u8) -> Failure {
        let sent =
            self.sent.map(|place| format!(", and {place} may be published or not")).unwrap_or_default();
        Failure::new(
            Exit::of_signal(signal),
            format!("interrupted; published {}{}{sent}", events(self.published), self.repeats()),
        )
    }
}

/// So many events.
fn events(number: u64) -> String {
    let noun = if number == 1 { "event" } else { "events" };
    format!("{} {noun}", HumanCount(number))
}
