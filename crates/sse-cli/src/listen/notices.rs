//! Messages about the connection, on standard error.

use std::time::Duration;

use anstyle::Style;
use sse_client::Notice;

use crate::failure::tell;
use crate::visible::Visible;

/// Prints when connections begin and end.
#[derive(Debug)]
pub(crate) struct Notices {
    is_quiet: bool,
    last_event_id: String,
}

impl Notices {
    pub(crate) fn new(is_quiet: bool, last_event_id: &str) -> Self {
        Self { is_quiet, last_event_id: last_event_id.to_owned() }
    }

    /// Prints what the client does.
    pub(crate) fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Opened { .. } if self.last_event_id.is_empty() => self.say("connected"),
            Notice::Opened { .. } => {
                self.say(&format!("connected, after the event {:?}", self.last_event_id));
            }
            Notice::LastEventId(id) => id.clone_into(&mut self.last_event_id),
            Notice::LastEventIdNotSent(id) => {
                warn(&format!("the last event ID {id:?} can't be sent: events may be missing or doubled"));
            }
            Notice::Waiting { delay, cause, .. } => {
                let cause = cause.map_or("the stream ended".to_owned(), |error| format!("{error:#}"));
                self.say(&format!("{cause}; trying again in {}", seconds(delay)));
            }
            _ => {}
        }
    }

    /// Prints a message, unless the user wants none.
    pub(crate) fn say(&self, text: &str) {
        if !self.is_quiet {
            const DIMMED: Style = Style::new().dimmed();
            line(DIMMED, text);
        }
    }
}

/// Prints that events are missing, or may be, even if the user wants no messages.
pub(crate) fn warn(text: &str) {
    line(Style::new(), text);
}

fn line(style: Style, text: &str) {
    tell(&format!("{style}sse: {}{style:#}", Visible(text)));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
