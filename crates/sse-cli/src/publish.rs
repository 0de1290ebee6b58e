//! `sse publish`: one event, or lines as events.
//!
//! What has come is sent in one request, and what comes meanwhile in the next one: a line is never held back to wait for
//! others, and long input goes in large batches. There is one request at a time, so events are published in order, and
//! no request is sent twice, because the first may have been heard.

mod form;
mod input;
mod poster;
mod progress;
mod queue;

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use indicatif::HumanCount;
use sse_client::reqwest::Url;

use self::form::Form;
use self::input::{Input, Rest};
use self::poster::{PostError, Poster};
use self::progress::Progress;
use self::queue::{Event, Place, Queue};
use crate::failure::{self, Exit, Failure};
use crate::runtime;
use crate::signals::Signals;
use crate::target::{self, Credentials};
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
    /// The data, or each line, is an object of JSON with data, type and id, as `sse listen --json` prints them
    #[arg(long, conflicts_with_all = ["event_type", "id"])]
    json: bool,
    #[command(flatten)]
    credentials: Credentials,
    /// No progress, and no summary
    #[arg(short, long)]
    quiet: bool,
}

const AFTER_HELP: &str = "\
Of one event, the id is printed. Lines are UTF-8 and end with LF or CRLF; they are published in order, each at once, and
an empty line is an event with empty data (with --json, it is nothing). What fails is not tried again, as it may have been
published: the message says how much was, and which lines are next.";

impl Options {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = runtime::of_one_thread()?;
        let result = runtime.block_on(self.publish());
        // A read from a terminal or a pipe can't be called off.
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
            poster: Poster::new(self.url, self.credentials.headers())?,
            progress: Progress::new(self.quiet),
            queue: Queue::new(),
            published: 0,
            last_id: None,
            sent: None,
        };
        let form =
            if self.json { Form::Json } else { Form::Data { event_type: self.event_type, id: self.id } };
        let work = async {
            match &data {
                Some(data) => run.publish_one(&form, data).await,
                None => run.publish_lines(form, self.quiet).await,
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            signal = signals.received() => Err(run.interrupted(signal)),
        };
        run.progress.clear();
        outcome?;
        match data {
            Some(_) => run.print_id(),
            None if self.quiet => Ok(()),
            None => {
                failure::tell(&run.summary());
                Ok(())
            }
        }
    }
}

/// What is done, and how far it has come.
#[derive(Debug)]
struct Run {
    poster: Poster,
    progress: Progress,
    /// What was read and is not published.
    queue: Queue,
    published: u64,
    last_id: Option<String>,
    /// What waits for its answer.
    sent: Option<Place>,
}

impl Run {
    async fn publish_one(&mut self, form: &Form, data: &str) -> Result<(), Failure> {
        let json =
            form.json(data).map_err(|error| Failure::usage(format!("the data is not an event: {error}")))?;
        self.queue.push(Event { place: Place::Argument, json });
        self.send().await
    }

    async fn publish_lines(&mut self, form: Form, is_quiet: bool) -> Result<(), Failure> {
        if io::stdin().is_terminal() && !is_quiet {
            failure::tell("Each line is published as an event; Ctrl-D ends.");
        }
        let mut input = Input::new(tokio::io::stdin(), form);
        loop {
            let rest = input.fill(&mut self.queue).await;
            self.send().await?;
            self.progress.update(input.bytes(), self.published);
            match rest {
                Rest::More => {}
                Rest::None => return Ok(()),
                Rest::Wrong(exit, text) => return Err(Failure::new(exit, text + &self.before())),
            }
        }
    }

    /// Publishes all that was read.
    async fn send(&mut self) -> Result<(), Failure> {
        while let Some(batch) = self.queue.batch() {
            self.sent = Some(batch.place);
            let size = batch.body.len();
            let posted = self.poster.post(batch.body, batch.events).await;
            self.sent = None;
            match posted {
                Ok(last_id) => {
                    self.queue.remove(batch.events);
                    self.published += batch.events as u64;
                    self.last_id = last_id;
                }
                // Nothing was published.
                Err(PostError::TooLarge) if batch.events > 1 => self.queue.shrink(size),
                Err(error) => return Err(self.failure(&error, batch.place, size)),
            }
        }
        Ok(())
    }
}

/// What there is to say.
impl Run {
    fn print_id(&self) -> Result<(), Failure> {
        let Some(id) = &self.last_id else { return Ok(()) };
        let mut output = io::stdout().lock();
        let written = writeln!(output, "{}", Visible(id)).and_then(|()| output.flush());
        written.map_err(|error| Failure::output(&error))
    }

    fn summary(&self) -> String {
        let last = if self.published == 1 { "its id" } else { "the id of the last" };
        let id = self.last_id.as_ref().map(|id| format!("; {last} is {}", Visible(id))).unwrap_or_default();
        format!("published {}{id}", events(self.published))
    }

    fn failure(&self, error: &PostError, place: Place, size: usize) -> Failure {
        let server = self.poster.server();
        let text = match error {
            PostError::Unreachable(cause) => format!("{server} can't be reached for {place}: {cause}"),
            // Who takes no more than a part may hang up without a word that comes through.
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
            PostError::Refused(text) => format!("{server} refused {place}: {text}"),
            PostError::Strange(text) => format!(
                "{server} gave an answer for {place} that is not a hub's ({text}); \
                 is this the URL of a topic of sse serve?"
            ),
        };
        let before = if place == Place::Argument { String::new() } else { self.before() };
        Failure::new(error.exit(), text + &before)
    }

    /// What is sure, whatever came then.
    fn before(&self) -> String {
        match self.published {
            0 => "; nothing was published before".to_owned(),
            1 => "; 1 event was published before".to_owned(),
            published => format!("; {} were published before", events(published)),
        }
    }

    fn interrupted(&self, signal: u8) -> Failure {
        let sent =
            self.sent.map(|place| format!(", and {place} may be published or not")).unwrap_or_default();
        Failure::new(
            Exit::of_signal(signal),
            format!("interrupted; published {}{sent}", events(self.published)),
        )
    }
}

/// So many events.
fn events(number: u64) -> String {
    let noun = if number == 1 { "event" } else { "events" };
    format!("{} {noun}", HumanCount(number))
}
