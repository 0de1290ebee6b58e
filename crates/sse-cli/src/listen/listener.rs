//! Passes events from the client to the output, or to commands.

use std::future::poll_fn;
use std::io::{BufWriter, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream as _;
use jiff::ZonedDateTime;
use sse_client::{Error, Event, EventSource};
use tokio::sync::oneshot;

use super::goal::Goal;
use super::output::{self, Form};
use super::state::StateFile;
use super::watch::{Facts, Watch};
use super::{exec, failure, notices};
use crate::failure::Failure;

/// How long to wait for a signal that has already ended a command.
const LATE: Duration = Duration::from_millis(100);

/// Where events go.
pub(crate) enum Sink {
    Print(Form),
    /// A command is run for each.
    Execute(String),
}

/// Passes events on.
pub(crate) struct Listener {
    pub(super) source: EventSource,
    pub(super) watch: Arc<Mutex<Watch>>,
    /// Only these, or all if there are none.
    pub(super) types: Vec<String>,
    pub(super) sink: Sink,
    pub(super) out: BufWriter<Box<dyn Write>>,
    pub(super) state: Option<StateFile>,
    pub(super) goal: Goal,
}

impl Listener {
    /// Returns the exit code for the end of the time, if nobody reads the output.
    pub(crate) fn code_without_reader(&self) -> u8 {
        self.goal.code_without_reader()
    }

    /// Passes events on until there are no more, the time is up, or a signal comes.
    pub(crate) async fn listen(
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
        // However the listening ends, everything that has come is printed and its id is saved: the loop waits only
        // after that.
        tokio::select! {
            Ok(signal) = &mut signal => Err(Failure::signal(signal)),
            result = self.run() => match result {
                // A signal may go to the command, too, whose end may be noticed before the signal.
                Err(failure) if runs_commands => {
                    let signal = tokio::time::timeout(LATE, signal).await;
                    Err(if let Ok(Ok(signal)) = signal { Failure::signal(signal) } else { failure })
                }
                result => result,
            },
            () = time_is_up => self.goal.time_is_up(),
        }
    }

    /// Passes events on until there are no more. It waits only when everything that came has been passed on, and its
    /// id is saved, or while a command runs.
    async fn run(&mut self) -> Result<(), Failure> {
        while !self.goal.is_reached() {
            let Some(event) = poll_fn(|cx| self.poll_next(cx)).await? else { return self.over() };
            self.print_asides()?;
            let facts = self.watch().event_passed();
            match event {
                Ok(event) => self.pass_on(&event, facts).await?,
                Err(error) => notices::warn(&format!("{error:#}")),
            }
        }
        self.save_place()?;
        self.goal.reached()
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

    /// Prints an event, or runs the command for it, if it is of a type that is wanted.
    async fn pass_on(&mut self, event: &Event, facts: Facts) -> Result<(), Failure> {
        if self.types.is_empty() || self.types.iter().any(|wanted| wanted == event.event_type()) {
            match &self.sink {
                Sink::Print(form) => {
                    let written = match form {
                        Form::Readable => output::readable(&mut self.out, event, &time_of_day()),
                        Form::Json => output::json(&mut self.out, event, facts),
                        Form::Data => output::data(&mut self.out, event),
                    };
                    written.map_err(|error| Failure::output(&error))?;
                }
                Sink::Execute(command) => {
                    exec::run(command, event).await?;
                    // Saved now, because the next command may fail.
                    save(&mut self.state, event.last_event_id())?;
                }
            }
            self.goal.passed_on();
        }
        self.goal.came(event);
        Ok(())
    }

    /// Prints what comes before the next event: heads of responses, and comments.
    fn print_asides(&mut self) -> Result<(), Failure> {
        let Sink::Print(form) = self.sink else { return Ok(()) };
        let heads = self.watch().take_heads();
        if let Some(heads) = heads {
            self.out.write_all(heads.as_bytes()).map_err(|error| Failure::output(&error))?;
        }
        loop {
            let comment = self.watch().next_comment();
            let Some(comment) = comment else { return Ok(()) };
            output::comment(&mut self.out, form, &comment).map_err(|error| Failure::output(&error))?;
        }
    }

    /// Flushes the output, and then saves the id of the last event.
    fn settle(&mut self) -> Result<(), Failure> {
        self.print_asides()?;
        self.save_place()
    }

    fn save_place(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::output(&error))?;
        save(&mut self.state, self.source.last_event_id())
    }

    /// The server has ended the stream, or no more events are wanted.
    fn over(&mut self) -> Result<(), Failure> {
        self.settle()?;
        self.goal.stream_is_over()?;
        self.watch().say("the stream is over");
        Ok(())
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn save(state: &mut Option<StateFile>, id: &str) -> Result<(), Failure> {
    state.as_mut().map_or(Ok(()), |state| state.save(id))
}

/// Returns the time in the user's time zone.
fn time_of_day() -> String {
    ZonedDateTime::now().strftime("%H:%M:%S").to_string()
}
