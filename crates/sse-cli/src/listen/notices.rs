//! What the user is told of the connection, on standard error.

use std::time::Duration;

use anstyle::Style;
use sse_client::Notice;

use crate::failure::tell;
use crate::visible::Visible;

/// Tells of connections that come and go.
#[derive(Debug)]
pub(crate) struct Notices {
    is_quiet: bool,
    last_event_id: String,
}

impl Notices {
    pub(crate) fn new(is_quiet: bool, last_event_id: &str) -> Self {
        Self { is_quiet, last_event_id: last_event_id.to_owned() }
    }

    /// Tells what the client does.
    pub(crate) fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Opened { .. } if self.last_event_id.is_empty() => self.say("connected"),
            Notice::Opened { .. } => {
                self.say(&format!("connected, behind the event {:?}", self.last_event_id));
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

    /// Says something, unless the user wants it quiet.
    pub(crate) fn say(&self, text: &str) {
        if !self.is_quiet {
            const DIMMED: Style = Style::new().dimmed();
            line(DIMMED, text);
        }
    }
}

/// Says that events are missing, or may be; also to a user who wants it quiet.
pub(crate) fn warn(text: &str) {
    line(Style::new(), text);
}

fn line(style: Style, text: &str) {
    tell(&format!("{style}sse: {}{style:#}", Visible(text)));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
