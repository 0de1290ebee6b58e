//! A progress bar.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that ends sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the input is published, on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    view: View,
    start: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// The user does not want it, or standard error is not a terminal.
    Never,
    /// It has not taken long yet.
    Later,
    Now,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        // A bar would run into what is typed.
        let is_seen = !is_quiet && io::stderr().is_terminal() && !io::stdin().is_terminal();
        let view = if is_seen { View::Later } else { View::Never };
        Self { bar: ProgressBar::hidden(), view, start: Instant::now() }
    }

    /// So many bytes of the input are read, and so many events published.
    pub(super) fn update(&mut self, bytes: u64, events: u64) {
        if self.view == View::Never {
            return;
        }
        let events_per_second = rate(events, self.start.elapsed());
        let message = format!("{} events, {} per second", HumanCount(events), HumanCount(events_per_second));
        self.bar.set_message(message);
        self.bar.set_position(bytes);
        if self.view == View::Later && self.start.elapsed() >= PATIENCE {
            self.view = View::Now;
            let length = input_length();
            let template = match length {
                Some(_) => "[{bar:30}] {bytes} of {total_bytes}, {msg}",
                None => "{bytes}, {msg}",
            };
            let style = ProgressStyle::with_template(template).expect("the template is right");
            self.bar.set_style(style.progress_chars("=> "));
            if let Some(length) = length {
                self.bar.set_length(length);
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Takes the bar away while `tell` writes.
    pub(super) fn suspend(&self, tell: impl FnOnce()) {
        self.bar.suspend(tell);
    }

    /// Removes the bar.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Events per second.
fn rate(events: u64, time: Duration) -> u64 {
    let rate = u128::from(events) * 1000 / time.as_millis().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// How large the file is that is standard input, if it is one.
#[cfg(unix)]
fn input_length() -> Option<u64> {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    let input = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let metadata = input.metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}

#[cfg(not(unix))]
fn input_length() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_seconds() {
        assert_eq!(rate(0, Duration::ZERO), 0);
        assert_eq!(rate(10, Duration::ZERO), 10_000);
        assert_eq!(rate(3_000, Duration::from_secs(2)), 1_500);
        assert_eq!(rate(u64::MAX, Duration::from_millis(1)), u64::MAX);
    }
}
