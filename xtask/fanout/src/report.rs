//! The figures of all rounds, and their tables.

use std::collections::BTreeMap;

use crate::contenders::{ALL, Contender};
use crate::figures::{median, thousands};
use crate::measures::{BURST, RATE, STOPPED_PAYLOAD, STOPPED_RATE, WITH_STOPPED};

/// The name of the server that the others are compared with.
const FLOOR: &str = ALL[0].name;

/// The subject of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    Cpu,
    Bursts,
    BurstCpu,
    Median,
    P99,
    Connects,
    Memory,
    Kernel,
}

impl Figure {
    fn title(self) -> String {
        let text = match self {
            Self::Cpu => {
                "CPU time of the server, in µs per delivery. One event at a time: the next one when all have got it."
            }
            Self::Bursts => return format!("Bursts of {BURST} events, in thousand deliveries a second."),
            Self::BurstCpu => "The same, in µs of the server's CPU time per delivery.",
            Self::Median => {
                let rate = thousands(RATE);
                return format!("From publish to receipt, the median in µs, at {rate} deliveries a second.");
            }
            Self::P99 => "The same times, the 99th percentile in µs.",
            Self::Connects => "Connections a second, from the TCP handshake to the head of the response.",
            Self::Memory => {
                "Resident memory of the server, in bytes per subscriber that has got nothing yet."
            }
            Self::Kernel => {
                "The kernel's objects, in bytes per connection, of which both ends are on this machine."
            }
        };
        text.to_owned()
    }

    /// Returns whether the table shows the ratio to the lower bound. There is none for memory, of which the bare loop
    /// needs almost none.
    fn has_ratio(self) -> bool {
        !matches!(self, Self::Memory | Self::Kernel)
    }

    fn decimals(self) -> usize {
        match self {
            Self::Cpu | Self::BurstCpu => 2,
            _ => 0,
        }
    }
}

/// The result of the round in which one subscriber stops reading.
pub(crate) struct Stopped {
    /// The 99th percentile in µs of all subscribers when all read, and of the others when one has stopped; `None` if the
    /// others got nothing then.
    pub(crate) without: f64,
    pub(crate) with: Option<f64>,
    pub(crate) fate: String,
}

pub(crate) struct Report {
    /// The servers, in the order of their columns.
    contenders: Vec<&'static Contender>,
    /// The figures of all rounds: by subscribers and payload, then by name.
    tables: BTreeMap<Figure, BTreeMap<(usize, usize), Values>>,
    stopped: BTreeMap<&'static str, Vec<Stopped>>,
    /// In bursts, the smallest share of time in which a server was busy, and the largest of the load generator.
    least_server: f64,
    greatest_load: f64,
}

/// The values of all rounds, by the name of the server.
type Values = BTreeMap<&'static str, Vec<f64>>;

impl Report {
    pub(crate) fn new(contenders: &[&'static Contender]) -> Self {
        Self {
            contenders: contenders.to_vec(),
            tables: BTreeMap::new(),
            stopped: BTreeMap::new(),
            least_server: f64::INFINITY,
            greatest_load: 0.0,
        }
    }

    pub(crate) fn add(
        &mut self,
        contender: &Contender,
        figure: Figure,
        subscribers: usize,
        payload: usize,
        value: f64,
    ) {
        let rows = self.tables.entry(figure).or_default();
        rows.entry((subscribers, payload)).or_default().entry(contender.name).or_default().push(value);
    }

    pub(crate) fn stopped(&mut self, contender: &Contender, stopped: Stopped) {
        self.stopped.entry(contender.name).or_default().push(stopped);
    }

    /// Records the shares of a time in which the server and the load generator used their CPUs.
    pub(crate) fn busy(&mut self, server: f64, load: f64) {
        self.least_server = self.least_server.min(server);
        self.greatest_load = self.greatest_load.max(load);
    }

    pub(crate) fn print(&self) {
        let has_floor = self.contenders.iter().any(|contender| contender.name == FLOOR);
        if has_floor && self.tables.keys().any(|figure| figure.has_ratio()) {
            println!("In brackets: how many times the value of bare epoll in the same run.");
        }
        for (figure, rows) in &self.tables {
            self.print_table(*figure, rows);
        }
        if self.greatest_load > 0.0 {
            self.print_busy();
        }
        if !self.stopped.is_empty() {
            self.print_stopped();
        }
    }

    fn print_busy(&self) {
        println!(
            "\nIn bursts, the servers had their CPU at least {:.0} % of the time, the load generator had its own at \
            most {:.0} %.",
            100.0 * self.least_server,
            100.0 * self.greatest_load
        );
    }

    fn print_table(&self, figure: Figure, rows: &BTreeMap<(usize, usize), Values>) {
        let titles: Vec<_> = self.contenders.iter().map(|contender| contender.title).collect();
        println!("\n{}\n", figure.title());
        println!("| subscribers | payload | {} |", titles.join(" | "));
        println!("|---|---|{}", "---|".repeat(titles.len()));
        for ((subscribers, payload), values) in rows {
            let cells: Vec<_> =
                self.contenders.iter().map(|contender| cell(contender.name, values, figure)).collect();
            let payload = if *payload == 0 { "–".into() } else { format!("{} B", thousands(*payload)) };
            println!("| {} | {payload} | {} |", thousands(*subscribers), cells.join(" | "));
        }
    }

    fn print_stopped(&self) {
        println!(
            "\nOne of {WITH_STOPPED} subscribers stops to read. From publish to receipt, the 99th percentile in µs, at \
            {STOPPED_RATE} events of {} B a second.\n",
            thousands(STOPPED_PAYLOAD)
        );
        println!("| server | all read | the others, when one has stopped | the one that has stopped |");
        println!("|---|---|---|---|");
        for contender in &self.contenders {
            let Some(rounds) = self.stopped.get(contender.name) else { continue };
            let without = median(rounds.iter().map(|round| round.without));
            let with = median(rounds.iter().map(|round| round.with.unwrap_or(f64::INFINITY)));
            let with = if with.is_finite() { format!("{with:.0}") } else { "–".into() };
            let mut fates: Vec<_> = rounds.iter().map(|round| round.fate.as_str()).collect();
            fates.sort_unstable();
            fates.dedup();
            println!("| {} | {without:.0} | {with} | {} |", contender.title, fates.join("; "));
        }
    }
}

/// The median of a server's values, with its ratio to the lower bound if this was measured too.
fn cell(name: &str, values: &Values, figure: Figure) -> String {
    let Some(own) = values.get(name) else { return "–".into() };
    let own = median(own.iter().copied());
    let shown = format!("{own:.*}", figure.decimals());
    match values.get(FLOOR) {
        Some(floor) if name != FLOOR && figure.has_ratio() => {
            format!("{shown} ({:.2}×)", own / median(floor.iter().copied()))
        }
        _ => shown,
    }
}
