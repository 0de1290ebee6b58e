//! The figures of all rounds, and their tables.

use crate::figures::median;

/// A table: a row for each load, a column for each contender.
pub(crate) struct Table {
    title: &'static str,
    heading: &'static str,
    decimals: usize,
    /// Whether each value is compared with that of the first column.
    has_ratios: bool,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

struct Row {
    label: String,
    /// The values of all rounds, for each column.
    values: Vec<Vec<f64>>,
}

impl Table {
    pub(crate) fn new(
        title: &'static str,
        heading: &'static str,
        decimals: usize,
        has_ratios: bool,
        columns: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let columns = columns.into_iter().collect();
        Self { title, heading, decimals, has_ratios, columns, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, label: &str, column: &str, value: f64) {
        let place = self.rows.iter().position(|row| row.label == label);
        let place = place.unwrap_or_else(|| {
            self.rows.push(Row { label: label.into(), values: vec![Vec::new(); self.columns.len()] });
            self.rows.len() - 1
        });
        if let Some(column) = self.columns.iter().position(|name| *name == column) {
            self.rows[place].values[column].push(value);
        }
    }

    /// Prints the medians.
    pub(crate) fn print(&self) {
        let heading = format!("| {} | {} |", self.heading, self.columns.join(" | "));
        println!("\n{}\n\n{heading}\n|{}", self.title, "---|".repeat(heading.matches('|').count() - 1));
        for row in &self.rows {
            let medians: Vec<_> = row.values.iter().map(|values| middle(values)).collect();
            let cells = medians.iter().enumerate().map(|(column, own)| match (own, medians[0]) {
                (None, _) => "–".into(),
                (Some(own), Some(first)) if self.has_ratios && column > 0 => {
                    format!("{own:.*} ({:.2}×)", self.decimals, own / first)
                }
                (Some(own), _) => format!("{own:.*}", self.decimals),
            });
            println!("| {} | {} |", row.label, cells.collect::<Vec<_>>().join(" | "));
        }
    }
}

fn middle(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| median(values.iter().copied()))
}
