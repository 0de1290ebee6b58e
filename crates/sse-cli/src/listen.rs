//! `sse listen`: prints events as they come.

mod exec;
mod notices;
mod output;
mod request;
mod rereader;
mod state;

use std::future::poll_fn;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{process, thread};

use clap::{Args, ValueEnum};
use futures_core::Stream as _;
use jiff::ZonedDateTime;
use sse_client::reqwest::{Method, Url};
use sse_client::{Ending, Error, Event, EventId, EventSource, Notice, Reconnect};
use tokio::sync::oneshot;

use self::notices::Notices;
use self::output::Form;
use self::rereader::Rereader;
use self::state::StateFile;
use crate::failure::{Exit, Failure};
use crate::target::{self, Credentials};
use crate::{runtime, signals, units};

/// Print events as they come: a curl for event streams
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
pub(crate) struct Options {
    /// The URL of the event stream
    #[arg(value_parser = target::url)]
    url: Url,
    /// One object of JSON per event and line, as `sse publish --json` reads them
    #[arg(long, conflicts_with = "data_only")]
    json: bool,
    /// The data of the events only
    #[arg(long = "data", id = "data_only")]
    data_only: bool,
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Print comments too
    #[arg(long)]
    comments: bool,
    /// End after this many events
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    timeout: Option<Duration>,
    /// How many attempts may fail in a row [default: any number for GET, none for other methods]; a request of another
    /// method is not made again once it is being answered
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Begin behind the event with this id
    #[arg(long, value_name = "ID")]
    last_event_id: Option<String>,
    /// Keep the last event's id in this file, and begin behind it the next time
    #[arg(long, value_name = "FILE", conflicts_with = "last_event_id")]
    state: Option<PathBuf>,
    /// Run this in a shell for each event, with the data as its input, and `SSE_TYPE` and `SSE_ID` set
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["json", "data_only", "comments"])]
    exec: Option<String>,
    /// The method of the request [default: GET, or POST with -d]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,
    /// The body of the request; @FILE reads it from a file, @- from standard input
    #[arg(short = 'd', long = "body", value_name = "BODY")]
    body: Option<String>,
    /// End where an answer of this API ends; the code is 5 if it was cut off
    #[arg(long, value_name = "API")]
    answer_of: Option<Api>,
    /// Read a response of any content type, as `curl -N` does
    #[arg(long)]
    any_type: bool,
    #[command(flatten)]
    credentials: Credentials,
    /// No status lines
    #[arg(short, long)]
    quiet: bool,
}

/// An API whose answers end with an event.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Api {
    #[value(name = "openai-chat")]
    OpenAiChat,
    #[value(name = "openai-responses")]
    OpenAiResponses,
    Anthropic,
    Gemini,
    A2a,
}

impl Api {
    fn ending(self) -> Ending {
        match self {
            Self::OpenAiChat => Ending::openai_chat(),
            Self::OpenAiResponses => Ending::openai_responses(),
            Self::Anthropic => Ending::anthropic(),
            Self::Gemini => Ending::gemini(),
            Self::A2a => Ending::a2a(),
        }
    }
}

const AFTER_HELP: &str = "\
Status lines go to standard error. The code is 0 at the end of the stream, after --count events, and after --timeout; 4 \
if --count events have not come by then; 128 and its number after a signal.";

/// How long output may take that is under way when a signal comes, or the time is up.
const GRACE: Duration = Duration::from_secs(1);

/// How long a signal may take that has ended a command already.
const LATE: Duration = Duration::from_millis(100);

impl Options {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (timeout, count) = (self.timeout, self.count);
        // Ahead of the signals: standard input may be waited for.
        let listener = self.listener()?;
        let signal = signals::watch(GRACE)?;
        if let Some(timeout) = timeout {
            end_after(timeout.saturating_add(GRACE), count)?;
        }
        runtime::of_one_thread()?.block_on(listener.listen(timeout, signal))
    }

    /// Where events come from, and where they go.
    fn listener(self) -> Result<Listener, Failure> {
        let id = self.last_event_id.as_deref().map(EventId::new).transpose();
        let id = id.map_err(|error| Failure::usage(format!("--last-event-id: {error}")))?;
        let state = self.state.map(StateFile::open).transpose()?;
        let id = id.map(EventId::into_owned).or_else(|| state.as_ref().map(StateFile::last_event_id));

        // A method that is not named is POST, if there is a body.
        let is_safe = self.method.as_ref().map_or(self.body.is_none(), Method::is_safe);
        let mut source =
            request::source(self.url, self.method, self.credentials.headers(), self.body.as_deref())?;
        if let Some(retries) = self.retries {
            source = source.reconnect(match retries {
                0 => Reconnect::never(),
                _ if is_safe => Reconnect::new().max_retries(retries),
                _ => Reconnect::new().max_retries(retries).until_response(),
            });
        }
        if let Some(api) = self.answer_of {
            source = source.end_at(api.ending());
        }
        if self.any_type {
            source = source.any_content_type();
        }
        let watch = Watch {
            notices: Notices::new(self.quiet, id.as_ref().map_or("", |id| id.as_str())),
            rereader: (self.comments || self.json).then(|| Rereader::new(self.comments)),
        };
        let watch = Arc::new(Mutex::new(watch));
        let observed = watch.clone();
        let source = source
            .last_event_id(id.filter(|id| !id.as_str().is_empty()))
            .on_notice(move |notice| observed.lock().unwrap_or_else(PoisonError::into_inner).notice(notice))
            .build()
            .map_err(|error| failure(&error))?;

        let form = match (self.json, self.data_only) {
            (true, _) => Form::Json,
            (_, true) => Form::Data,
            _ => Form::Readable,
        };
        let out: Box<dyn Write> = match form {
            Form::Readable => Box::new(anstream::AutoStream::auto(io::stdout())),
            Form::Json | Form::Data => Box::new(io::stdout()),
        };
        Ok(Listener {
            source,
            watch,
            types: self.types,
            sink: self.exec.map_or(Sink::Print(form), Sink::Execute),
            out: BufWriter::new(out),
            state,
            count: self.count,
            printed: 0,
        })
    }
}

/// What the client's observer writes down.
struct Watch {
    notices: Notices,
    /// If comments are to be printed, or ids where they belong.
    rereader: Option<Rereader>,
}

impl Watch {
    fn notice(&mut self, notice: Notice<'_>) {
        if let Some(rereader) = &mut self.rereader {
            match notice {
                Notice::Opened { .. } => rereader.reset(),
                Notice::Received(bytes) => rereader.read(bytes),
                _ => {}
            }
        }
        self.notices.notice(notice);
    }
}

/// Where events go.
enum Sink {
    Print(Form),
    /// A command is run for each.
    Execute(String),
}

struct Listener {
    source: EventSource,
    watch: Arc<Mutex<Watch>>,
    /// Only these, or all if there are none.
    types: Vec<String>,
    sink: Sink,
    out: BufWriter<Box<dyn Write>>,
    state: Option<StateFile>,
    count: Option<u64>,
    /// Events that went out.
    printed: u64,
}

impl Listener {
    /// Passes events on until there are no more, the time is up, or a signal comes.
    async fn listen(
        mut self,
        timeout: Option<Duration>,
        mut signal: oneshot::Receiver<u8>,
    ) -> Result<(), Failure> {
        let time_is_up = async move {
            match timeout {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let runs_commands = matches!(self.sink, Sink::Execute(_));
        // Whatever ends the listening, everything that has come is printed, and its id is saved: it only waits then.
        tokio::select! {
            Ok(signal) = &mut signal => Err(Failure::signal(signal)),
            result = self.run() => match result {
                // Ctrl-C goes to a command too, and its end may be seen first.
                Err(failure) if runs_commands => {
                    let signal = tokio::time::timeout(LATE, signal).await;
                    Err(if let Ok(Ok(signal)) = signal { Failure::signal(signal) } else { failure })
                }
                result => result,
            },
            () = time_is_up => match self.count {
                None => Ok(()),
                Some(count) => {
                    let printed = self.printed;
                    Err(Failure::new(Exit::TimedOut, format!("the time is up after {printed} of {count} events")))
                }
            },
        }
    }

    /// Passes events on until there are no more. It waits only when everything that came has been passed on, and its
    /// id is saved, or while a command runs.
    async fn run(&mut self) -> Result<(), Failure> {
        while self.count != Some(self.printed) {
            let Some(event) = poll_fn(|cx| self.poll_next(cx)).await? else { return self.over() };
            self.print_comments()?;
            let has_id = self.watch().rereader.as_mut().is_some_and(Rereader::event_passed);
            match event {
                Ok(event) => self.pass_on(&event, has_id).await?,
                Err(error) => notices::warn(&format!("{error:#}")),
            }
        }
        self.save_place()
    }

    /// The next event, or one that was skipped because it is too large.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Result<Event, Error>>, Failure>> {
        match Pin::new(&mut self.source).poll_next(cx) {
            Poll::Ready(Some(Err(error))) if error.is_final() => {
                Poll::Ready(self.settle().and(Err(failure(&error))))
            }
            Poll::Ready(event) => Poll::Ready(Ok(event)),
            Poll::Pending => match self.settle() {
                Ok(()) => Poll::Pending,
                Err(failure) => Poll::Ready(Err(failure)),
            },
        }
    }

    /// Prints an event, or runs the command for it. `has_id` says whether it has an id of its own, where that is known.
    async fn pass_on(&mut self, event: &Event, has_id: bool) -> Result<(), Failure> {
        if !self.types.is_empty() && !self.types.iter().any(|wanted| wanted == event.event_type()) {
            return Ok(());
        }
        match &self.sink {
            Sink::Print(form) => {
                let written = match form {
                    Form::Readable => output::readable(&mut self.out, event, &time_of_day()),
                    Form::Json => output::json(&mut self.out, event, has_id),
                    Form::Data => output::data(&mut self.out, event),
                };
                written.map_err(|error| Failure::output(&error))?;
            }
            Sink::Execute(command) => {
                exec::run(command, event).await?;
                // What has been done is done, whatever the next one does.
                save(&mut self.state, event.last_event_id())?;
            }
        }
        self.printed += 1;
        Ok(())
    }

    /// Prints the comments that stand before the next event.
    fn print_comments(&mut self) -> Result<(), Failure> {
        let Sink::Print(form) = self.sink else { return Ok(()) };
        loop {
            let comment = self.watch().rereader.as_mut().and_then(Rereader::next_comment);
            let Some(comment) = comment else { return Ok(()) };
            output::comment(&mut self.out, form, &comment).map_err(|error| Failure::output(&error))?;
        }
    }

    /// Lets the reader see what was printed, and then saves where the stream is.
    fn settle(&mut self) -> Result<(), Failure> {
        self.print_comments()?;
        self.save_place()
    }

    fn save_place(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::output(&error))?;
        save(&mut self.state, self.source.last_event_id())
    }

    /// The server has said that there is no more, or is not asked for more.
    fn over(&mut self) -> Result<(), Failure> {
        self.settle()?;
        match self.count {
            None => {
                self.watch().notices.say("the stream is over");
                Ok(())
            }
            Some(count) => {
                Err(Failure::failed(format!("the stream is over after {} of {count} events", self.printed)))
            }
        }
    }

    fn watch(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn save(state: &mut Option<StateFile>, id: &str) -> Result<(), Failure> {
    state.as_mut().map_or(Ok(()), |state| state.save(id))
}

/// Ends the program then, if it has not ended: it may wait for someone who reads its output, and does not.
fn end_after(time: Duration, count: Option<u64>) -> Result<(), Failure> {
    let thread = thread::Builder::new().name("timeout".to_owned()).spawn(move || {
        thread::sleep(time);
        notices::warn("the time is up, and nobody takes the output");
        process::exit(count.map_or(0, |_| i32::from(Exit::TimedOut as u8)));
    });
    thread.map(drop).map_err(|error| Failure::failed(format!("the system gives no thread: {error}")))
}

/// The time, where the user is.
fn time_of_day() -> String {
    ZonedDateTime::now().strftime("%H:%M:%S").to_string()
}

/// What an error of the client's means for scripts.
fn failure(error: &Error) -> Failure {
    let exit = match error {
        Error::Request(_) | Error::BodyNotRepeatable => Exit::Usage,
        Error::Incomplete => Exit::Incomplete,
        _ if error.refusal().is_some() => Exit::Refused,
        _ => Exit::Failed,
    };
    Failure::new(exit, format!("{error:#}"))
}
