//! How long the parts of a task take.

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One part that has been measured.
struct Part {
    name: String,
    elapsed: Duration,
    /// What its programs had of the processors, if that is known.
    cpu: Option<Duration>,
    /// Whether it is within another part, which counts.
    is_within: bool,
}

static PARTS: Mutex<Vec<Part>> = Mutex::new(Vec::new());

/// Measures a part, also if it fails.
pub(crate) fn measure<T>(name: &str, part: impl FnOnce() -> T) -> T {
    let (start, cpu) = (Instant::now(), cpu_of_programs());
    let result = part();
    let cpu = cpu_of_programs().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    add(Part { name: name.to_owned(), elapsed: start.elapsed(), cpu, is_within: false });
    result
}

/// Measures a part that runs beside others, within a larger one that is measured too.
pub(crate) fn measure_beside<T>(name: &str, part: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = part();
    // Whose programs had the processors is not known.
    add(Part { name: name.to_owned(), elapsed: start.elapsed(), cpu: None, is_within: true });
    result
}

fn add(part: Part) {
    PARTS.lock().expect("nothing panics under the lock").push(part);
}

/// Prints a table of all parts that have been measured, if there are any.
pub(crate) fn print() {
    let parts = PARTS.lock().expect("nothing panics under the lock");
    if !parts.is_empty() {
        print!("\n{}", table(&parts));
    }
}

fn table(parts: &[Part]) -> String {
    let width = parts.iter().map(|part| part.name.chars().count()).max().unwrap_or_default();
    let row = |name: &str, elapsed: Duration, cpu: Option<Duration>| {
        let cpu = cpu.map_or("-".to_owned(), |cpu| format!("{:.0} s", cpu.as_secs_f64()));
        format!("{name:width$}  {:>6.0} s  {cpu:>8}\n", elapsed.as_secs_f64())
    };
    let rows = parts.iter().map(|part| row(&part.name, part.elapsed, part.cpu));
    let counted = || parts.iter().filter(|part| !part.is_within);
    let sum = row("sum", counted().map(|part| part.elapsed).sum(), counted().map(|part| part.cpu).sum());
    format!("{:width$}  {:>8}  {:>8}\n{}{sum}", "part", "time", "CPU", rows.collect::<String>())
}

/// The time that the programs which this one has started, and which have ended, had of the processors. Linux only.
fn cpu_of_programs() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may have spaces, and ends with the last `)`.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // The fields 16 and 17, in hundredths of a second on every system that Linux runs on.
    let (user, system) = (fields.nth(13)?, fields.next()?);
    Some(Duration::from_millis(10 * (user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_part() {
        let part = |name: &str, seconds, cpu: Option<u64>| Part {
            name: name.to_owned(),
            elapsed: Duration::from_secs(seconds),
            cpu: cpu.map(Duration::from_secs),
            is_within: name.starts_with(' '),
        };
        assert_eq!(
            table(&[part("a", 1, Some(2)), part("  b", 60, None), part("longer", 100, Some(150))]),
            "\
part        time       CPU
a            1 s       2 s
  b         60 s         -
longer     100 s     150 s
sum        101 s     152 s
"
        );
        assert!(table(&[part("a", 1, None)]).ends_with("sum       1 s         -\n"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_time_of_programs_is_counted() {
        let before = cpu_of_programs().unwrap();
        let status = std::process::Command::new("sh")
            .args(["-c", "while [ $((i += 1)) -lt 300000 ]; do :; done"])
            .status();
        assert!(status.unwrap().success());
        assert!(cpu_of_programs().unwrap() > before);
    }
}
