//! The figures of all rounds, and their tables.

use std::collections::BTreeMap;

use crate::contenders::{ALL, Contender};
use crate::figures::{median, thousands};

/// The name of the contender that the others are compared with.
const FLOOR: &str = ALL[0].name;

/// The subject of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    Speed,
    Time,
    Cpu,
    Busy,
    Memory,
}

impl Figure {
    fn title(self) -> &'static str {
        match self {
            Self::Speed => "A body, from the request to its end, in MB/s.",
            Self::Time => "The same, in ns per event.",
            Self::Cpu => "CPU time of the client, in ns per event.",
            Self::Busy => {
                "How much of the time the client had its CPU, in %: the rest it waited for the server."
            }
            Self::Memory => {
                "Resident memory of the client, in KiB per source that waits for its second event."
            }
        }
    }

    /// The kind of the rows.
    fn heading(self) -> &'static str {
        if self == Self::Memory { "sources" } else { "stream | an event" }
    }

    fn decimals(self) -> usize {
        usize::from(self == Self::Memory)
    }
}

#[derive(Default)]
pub(crate) struct Report {
    tables: BTreeMap<Figure, Vec<Row>>,
}

struct Row {
    /// The length of an event, or the number of sources.
    number: usize,
    /// The stream, if it is one.
    stream: &'static str,
    /// The values of all rounds, by the name of the contender.
    values: BTreeMap<&'static str, Vec<f64>>,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        figure: Figure,
        number: usize,
        stream: &'static str,
        contender: &Contender,
        value: f64,
    ) {
        let rows = self.tables.entry(figure).or_default();
        let place = rows.iter().position(|row| (row.number, row.stream) == (number, stream));
        let place = place.unwrap_or_else(|| {
            rows.push(Row { number, stream, values: BTreeMap::new() });
            rows.len() - 1
        });
        rows[place].values.entry(contender.name).or_default().push(value);
    }

    pub(crate) fn print(&self) {
        println!("In brackets: how many times the value of reqwest alone in the same run.");
        for contender in ALL.iter().filter(|contender| contender.part > 1) {
            println!("{} reads 1/{} of each body, because it is slow.", contender.title, contender.part);
        }
        for (figure, rows) in &self.tables {
            print_table(*figure, rows);
        }
    }
}

fn print_table(figure: Figure, rows: &[Row]) {
    let measured = |contender: &&Contender| rows.iter().any(|row| row.values.contains_key(contender.name));
    let columns: Vec<_> = ALL.iter().filter(measured).collect();
    let titles: Vec<_> = columns.iter().map(|contender| contender.title).collect();
    println!("\n{}\n", figure.title());
    let heading = format!("| {} | {} |", figure.heading(), titles.join(" | "));
    println!("{heading}\n|{}", "---|".repeat(heading.matches('|').count() - 1));
    for row in rows {
        let cells: Vec<_> = columns.iter().map(|contender| row.cell(contender.name, figure)).collect();
        println!("| {} | {} |", row.label(), cells.join(" | "));
    }
}

impl Row {
    fn label(&self) -> String {
        match self.stream {
            "" => thousands(self.number),
            stream => format!("{stream} | {} B", thousands(self.number)),
        }
    }

    /// The median of a contender's values, with its ratio to the lower bound if this was measured too.
    fn cell(&self, name: &str, figure: Figure) -> String {
        let Some(own) = self.values.get(name).map(|values| median(values.iter().copied())) else {
            return "–".into();
        };
        let shown = format!("{own:.*}", figure.decimals());
        match self.values.get(FLOOR) {
            Some(floor) if name != FLOOR && figure != Figure::Busy => {
                format!("{shown} ({:.2}×)", own / median(floor.iter().copied()))
            }
            _ => shown,
        }
    }
}
