//! `sse listen`: prints events as they come.

mod exec;
mod goal;
mod head;
mod listener;
mod notices;
pub(crate) mod output;
mod request;
mod rereader;
mod state;
mod watch;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{process, thread};

use clap::{Args, ValueEnum};
use sse_client::reqwest::header::HeaderValue;
use sse_client::reqwest::{Method, Url};
use sse_client::{Ending, Error, EventId, EventType, Reconnect};

use self::goal::{Goal, Until};
use self::listener::{Listener, Sink};
use self::notices::Notices;
use self::output::Form;
use self::state::StateFile;
use self::watch::{Wanted, Watch};
use crate::failure::{Exit, Failure};
use crate::target::{self, Credentials};
use crate::transport::Transport;
use crate::{envelope, runtime, signals, tls, units};

/// Print events as they come: a curl for event streams
#[derive(Args, Debug)]
#[command(after_help = "Status lines go to standard error. The exit codes are in --help.", after_long_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
pub(crate) struct Options {
    /// The URL of the event stream
    #[arg(value_parser = target::url)]
    url: Url,
    /// Print each event as a line of JSON, as `sse publish --json` reads it
    #[arg(long, conflicts_with = "data_only")]
    json: bool,
    /// Print only the data of the events
    #[arg(long = "data", id = "data_only")]
    data_only: bool,
    /// Print only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Print the head of each response, as curl does
    #[arg(short, long, conflicts_with = "json")]
    include: bool,
    /// Print comments too
    #[arg(long)]
    comments: bool,
    /// End after this many events
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// End after an event of this type; may be repeated
    #[arg(long, value_name = "TYPE", value_parser = event_type, conflicts_with = "answer_of")]
    until_type: Vec<String>,
    /// End after an event with this data; may be repeated
    #[arg(long, value_name = "DATA", conflicts_with = "answer_of")]
    until_data: Vec<String>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    timeout: Option<Duration>,
    /// How many attempts may fail in a row, also before the first connection
    ///
    /// Without this flag, the first attempt must succeed, and any number may fail later. A request that is not safe to
    /// repeat is made once. With this flag, it is made again until it is answered.
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Try again even if the first attempt fails, for as long as it takes
    #[arg(long, conflicts_with = "retries")]
    retry_first: bool,
    /// Skip events that are larger [default: 16MiB]
    #[arg(long, value_name = "BYTES", value_parser = units::bytes_at_least_one)]
    max_event: Option<usize>,
    /// Begin after the event with this id
    #[arg(long, value_name = "ID")]
    last_event_id: Option<String>,
    /// Keep the last event's id in this file, and resume after it next time
    ///
    /// Only one listener can use the file: it locks FILE.lock, which stays there.
    #[arg(long, value_name = "FILE", conflicts_with = "last_event_id")]
    state: Option<PathBuf>,
    /// Run this in a shell for each event, with its data as the input
    ///
    /// `SSE_TYPE` and `SSE_ID` are set. If the command fails, the listening ends before its event. If the listening
    /// ends, the command and all that it has started get SIGTERM, and SIGKILL half a second later.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["json", "data_only", "include", "comments"])]
    exec: Option<String>,
    /// The method of the request [default: GET, or POST with -d]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,
    /// The body of the request; @FILE takes it from a file, @- from the input
    #[arg(short = 'd', long = "body", value_name = "BODY")]
    body: Option<String>,
    /// End where an answer of this API ends
    #[arg(long, value_name = "API")]
    answer_of: Option<Api>,
    /// Read a response of any content type, as `curl -N` does
    #[arg(long)]
    any_type: bool,
    #[command(flatten)]
    transport: Transport,
    #[command(flatten)]
    credentials: Credentials,
    /// Print no status lines
    #[arg(short, long)]
    quiet: bool,
}

/// A type that an event can have.
fn event_type(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("an event without a type is of the type message; write that".to_owned());
    }
    EventType::new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
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
Status lines go to standard error. The exit code is 0 at the end of the stream, after --count events, and after --timeout. \
With --count, --until-type, --until-data or --answer-of, it is 4 if the awaited events have not come in time, and 5 if the \
stream ended without its last event. After a signal, it is 128 and the number of the signal.";

/// How long output that has begun may take after a signal, or when the time is up.
const GRACE: Duration = Duration::from_secs(1);

impl Options {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let timeout = self.timeout;
        // Before the signals are handled: it may wait for standard input.
        let listener = self.listener()?;
        let signal = signals::watch(GRACE)?;
        if let Some(timeout) = timeout {
            end_after(timeout.saturating_add(GRACE), listener.code_without_reader())?;
        }
        runtime::of_one_thread()?.block_on(listener.listen(timeout, signal))
    }

    /// Builds the listener: the source of events, and their destination.
    fn listener(self) -> Result<Listener, Failure> {
        let id = self.last_event_id.as_deref().map(EventId::new).transpose();
        let id = id.map_err(|error| Failure::usage(format!("--last-event-id: {error}")))?;
        let reconnect = self.reconnect();
        let mut headers = self.credentials.headers();
        if self.json {
            headers.entry(envelope::HEADER).or_insert(HeaderValue::from_static("json"));
        }
        let body = self.body.as_deref();
        let mut source = request::source(&self.transport, self.url, self.method, headers, body)?;
        if let Some(reconnect) = reconnect {
            source = source.reconnect(reconnect);
        }
        if let Some(bytes) = self.max_event {
            source = source.max_event_bytes(bytes);
        }
        if let Some(api) = self.answer_of {
            source = source.end_at(api.ending());
        }
        if self.any_type {
            source = source.any_content_type();
        }
        let state = self.state.map(StateFile::open).transpose()?;
        let id = id.map(EventId::into_owned).or_else(|| state.as_ref().map(StateFile::last_event_id));
        let wanted = Wanted { heads: self.include, comments: self.comments, own_ids: self.json };
        let notices = Notices::new(self.quiet, id.as_ref().map_or("", |id| id.as_str()));
        let watch = Arc::new(Mutex::new(Watch::new(notices, wanted)));
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
        let until = Until {
            types: self.until_type,
            data: self.until_data,
            is_known_to_client: self.answer_of.is_some(),
        };
        Ok(Listener {
            source,
            watch,
            types: self.types,
            sink: self.exec.map_or(Sink::Print(form), Sink::Execute),
            out: BufWriter::new(out),
            state,
            goal: Goal::new(self.count, until),
        })
    }

    /// Returns when another attempt is made. `None` leaves it to the client, which makes no other attempt for a method
    /// that is not safe.
    fn reconnect(&self) -> Option<Reconnect> {
        // A method that is not named is POST, if there is a body.
        let is_safe = self.method.as_ref().map_or(self.body.is_none(), Method::is_safe);
        match (self.retries, self.retry_first) {
            (Some(0), _) => Some(Reconnect::never()),
            (Some(retries), _) if is_safe => Some(Reconnect::new().max_retries(retries)),
            (Some(retries), _) => Some(Reconnect::new().max_retries(retries).until_response()),
            (None, true) if is_safe => Some(Reconnect::new()),
            (None, true) => Some(Reconnect::new().until_response()),
            // So a wrong URL is reported at once.
            (None, false) => is_safe.then(|| Reconnect::new().after_response()),
        }
    }
}

/// Ends the program after this time. It may wait for a reader that does not read its output.
fn end_after(time: Duration, code: u8) -> Result<(), Failure> {
    let thread = thread::Builder::new().name("timeout".to_owned()).spawn(move || {
        thread::sleep(time);
        notices::warn("the time is up, and nobody reads the output");
        process::exit(i32::from(code));
    });
    thread.map(drop).map_err(|error| Failure::failed(format!("the system has no thread left: {error}")))
}

/// Returns the failure, with its exit code, for an error of the client.
fn failure(error: &Error) -> Failure {
    let exit = match error {
        Error::Request(_) | Error::BodyNotRepeatable => Exit::Usage,
        Error::Incomplete => Exit::Incomplete,
        _ if error.refusal().is_some() => Exit::Refused,
        _ => Exit::Failed,
    };
    let text = format!("{error:#}");
    let hint = tls::hint(&text);
    Failure::new(exit, text + hint)
}
