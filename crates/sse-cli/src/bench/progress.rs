//! A progress bar.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::bench::histogram::three_digits;

/// Over which time a rate is taken.
const RATE_SPAN: Duration = Duration::from_millis(500);

/// Whether and how far it has come, on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the rate was taken, how many events there were, and what it was.
    rate: (Instant, u64, f64),
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        let is_shown = !is_quiet && io::stderr().is_terminal();
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style =
            ProgressStyle::with_template("{prefix:12} [{bar:20}] {wide_msg}").expect("the template is right");
        bar.set_style(style.progress_chars("=> "));
        Self { bar, rate: (Instant::now(), 0, 0.0) }
    }

    /// So many of all have connected, or been refused.
    pub(super) fn connecting(&mut self, connected: u64, refused: u64, all: u64) {
        let refused = if refused > 0 { format!(", {} refused", HumanCount(refused)) } else { String::new() };
        let message = format!("{} of {}{refused}", HumanCount(connected), HumanCount(all));
        self.show("connecting", connected, all, message);
    }

    /// So much of the time has passed, and so many events have come.
    pub(super) fn measuring(&mut self, passed: Duration, all: Duration, events: u64) {
        let rate = self.rate_of(events);
        let seconds = format!("{} of {} s", passed.min(all).as_secs(), three_digits(all.as_secs_f64()));
        let message = format!("{seconds}, {} events, {} per second", HumanCount(events), three_digits(rate));
        self.show("measuring", millis(passed.min(all)), millis(all), message);
    }

    /// So many of all events have come, and the rest is waited for.
    pub(super) fn waiting(&mut self, received: u64, all: u64) {
        let message = format!("{} of {} events", HumanCount(received), HumanCount(all));
        self.show("waiting", received, all, message);
    }

    /// Removes the bar.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, task: &'static str, position: u64, all: u64, message: impl Into<Cow<'static, str>>) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_prefix(task);
        self.bar.set_length(all);
        self.bar.set_position(position);
        self.bar.set_message(message);
    }

    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn rate_of(&mut self, events: u64) -> f64 {
        let (at, before, _) = self.rate;
        let passed = at.elapsed();
        if passed >= RATE_SPAN {
            self.rate = (Instant::now(), events, events.saturating_sub(before) as f64 / passed.as_secs_f64());
        }
        self.rate.2
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
