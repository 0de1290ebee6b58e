//! Latencies as people read them: numbers with units, and a histogram in text.

use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::HumanCount;

/// The longest time that is counted as it is; what is longer counts as this.
const LONGEST: Duration = Duration::from_secs(3600);

const ROWS: u32 = 12;

/// How wide the longest bar is.
const BAR: u64 = 40;

/// Counts of times, each to three digits.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

/// A part of the times, and how many there are in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// In nanoseconds.
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: u64,
}

impl Times {
    pub(super) fn new() -> Self {
        let longest = nanoseconds(LONGEST);
        Self(
            Histogram::new_with_bounds(1, longest, 3)
                .expect("an hour in nanoseconds to three digits can be had"),
        )
    }

    pub(super) fn record(&mut self, time: Duration) {
        self.0.saturating_record(nanoseconds(time));
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that so many percent don't exceed.
    pub(super) fn percentile(&self, percent: f64) -> Duration {
        // Not more than the greatest that came, though what is counted is rounded up.
        Duration::from_nanos(self.0.value_at_percentile(percent).min(self.0.max()))
    }

    pub(super) fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The times from the shortest to the longest in parts: of one length if they are near each other, else each longer
    /// than the one before by the same factor.
    #[expect(clippy::cast_precision_loss, reason = "a bound of a row needs no more than 52 bits")]
    pub(super) fn rows(&self) -> Vec<Row> {
        if self.is_empty() {
            return Vec::new();
        }
        let (least, most) = (self.0.min().max(1) as f64, self.0.max().max(1) as f64);
        let part = |row: u32| f64::from(row) / f64::from(ROWS);
        let bound = |row| {
            if most < 4.0 * least {
                least + (most - least) * part(row)
            } else {
                least * (most / least).powf(part(row))
            }
        };
        let mut rows: Vec<_> =
            (0..ROWS).map(|row| Row { from: bound(row), to: bound(row + 1), count: 0 }).collect();
        // All are the same, as far as they are known.
        if most - least <= least / 1000.0 {
            rows = vec![Row { from: least, to: most, count: 0 }];
        }
        for value in self.0.iter_recorded() {
            let at = value.value_iterated_to() as f64;
            let row = rows.iter().position(|row| at < row.to).unwrap_or(rows.len() - 1);
            rows[row].count += value.count_since_last_iteration();
        }
        rows
    }

    /// A line per part: from when to when, a bar, how many, and how many of hundred.
    pub(super) fn lines(&self) -> Vec<String> {
        let rows = self.rows();
        let greatest = rows.iter().map(|row| row.count).max().unwrap_or(0);
        let counts: Vec<_> = rows.iter().map(|row| HumanCount(row.count).to_string()).collect();
        let width = counts.iter().map(String::len).max().unwrap_or(0);
        let line = |(row, count): (&Row, &String)| {
            let (from, to) = (time(row.from), time(row.to));
            let bar = bar(row.count, greatest);
            let percent = percent(row.count, self.0.len());
            let space = " ".repeat(usize::try_from(BAR).unwrap_or(0).saturating_sub(bar.chars().count()));
            format!("{from:>8} – {to:<8} {bar}{space} {count:>width$} {percent:>7}")
        };
        rows.iter().zip(&counts).map(line).collect()
    }
}

/// A time to three digits, as `1.25 ms`.
pub(super) fn duration(time_span: Duration) -> String {
    time(time_span.as_secs_f64() * 1e9)
}

/// Nanoseconds to three digits, as `1.25 ms`.
fn time(nanoseconds: f64) -> String {
    let units = [(1e3, 1.0, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")];
    // From here on three digits would round up to the next unit.
    let unit = units.into_iter().find(|(end, _, _)| nanoseconds < end * 0.9995);
    let (_, divisor, unit) = unit.unwrap_or((0.0, 1e9, "s"));
    format!("{} {unit}", three_digits(nanoseconds / divisor))
}

/// A number to three digits; one of more digits without a fraction, and with commas.
pub(super) fn three_digits(value: f64) -> String {
    match value {
        _ if value < 9.995 => format!("{value:.2}"),
        _ if value < 99.95 => format!("{value:.1}"),
        _ => whole(value),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it saturates, and is not negative"
)]
fn whole(value: f64) -> String {
    HumanCount(value.round() as u64).to_string()
}

/// A bar of eighths of a character.
fn bar(count: u64, greatest: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

    if count == 0 {
        return String::new();
    }
    let eighths = u128::from(count) * u128::from(BAR) * 8 / u128::from(greatest.max(1));
    // What is there is seen.
    let eighths = usize::try_from(eighths).unwrap_or(0).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn percent(count: u64, of: u64) -> String {
    format!("{:.2} %", 100.0 * count as f64 / of.max(1) as f64)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(microseconds: &[u64]) -> Times {
        let mut times = Times::new();
        for time in microseconds {
            times.record(Duration::from_micros(*time));
        }
        times
    }

    #[track_caller]
    fn check_rows(microseconds: &[u64], expected: &[u64]) {
        let rows = times(microseconds).rows();
        let counts: Vec<_> = rows.iter().map(|row| row.count).collect();
        assert_eq!(counts, expected, "{rows:?}");
    }

    #[test]
    fn each_time_is_in_one_row_near_ones_in_rows_of_one_length_and_far_ones_by_factors() {
        check_rows(&[], &[]);
        check_rows(&[5], &[1]);
        check_rows(&[5, 5, 5], &[3]);
        check_rows(&[12, 13, 24], &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        check_rows(&[1, 5, 7, 4096], &[1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        check_rows(&[10, u64::MAX], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn percentiles_are_those_of_all_that_was_added() {
        let mut all = times(&(1..=50).collect::<Vec<_>>());
        all.add(&times(&(51..=100).collect::<Vec<_>>()));
        let found = [50.0, 99.0, 100.0].map(|percent| all.percentile(percent));
        let expected = [50, 99, 100].map(Duration::from_micros);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(found.abs_diff(expected) < expected / 1000, "{found:?} {expected:?}");
        }
        assert!(all.max().abs_diff(Duration::from_micros(100)) < Duration::from_nanos(100));
    }

    #[test]
    fn a_histogram_has_bars_counts_and_percents() {
        let lines = times(&[12, 13, 13, 24]).lines();
        let full = "█".repeat(40);
        let half = format!("{}{}", "█".repeat(20), " ".repeat(20));
        assert_eq!(lines[0], format!(" 12.0 µs – 13.0 µs  {half} 1 25.00 %"));
        assert_eq!(lines[1], format!(" 13.0 µs – 14.0 µs  {full} 2 50.00 %"));
        assert_eq!(lines[2], format!(" 14.0 µs – 15.0 µs  {} 0  0.00 %", " ".repeat(40)));
        assert_eq!(lines.len(), 12);
    }

    #[test]
    fn a_bar_shows_that_there_is_something() {
        for (count, expected) in
            [(0, ""), (1, "▏"), (500, "████████████████████"), (513, "████████████████████▌")]
        {
            assert_eq!(bar(count, 1000), expected, "{count}");
        }
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (nanoseconds, expected) in [
            (0.0, "0.00 ns"),
            (12.0, "12.0 ns"),
            (999.6, "1.00 µs"),
            (1_234.0, "1.23 µs"),
            (12_345.0, "12.3 µs"),
            (999_400.0, "999 µs"),
            (1_000_000.0, "1.00 ms"),
            (123_456_789.0, "123 ms"),
            (1e9, "1.00 s"),
            (1234e9, "1,234 s"),
        ] {
            assert_eq!(time(nanoseconds), expected);
        }
    }
}
