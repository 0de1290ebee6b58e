//! The layout of the crates.
//!
//! - The folders of a crate are layers: a file imports only from its own folder and from folders to its right.
//! - No files import each other, except a builder and what it builds.
//! - Folders that decide something are pure: they take time and random numbers as arguments.
//!
//! Code that is compiled only for tests is free.

mod cycles;
mod paths;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::cycles::{Edge, components};
use self::source::{Files, Mention, Source};
use crate::shell::{self, Failure};

/// The layers of one crate, and its exceptions.
struct Layout {
    /// The folder below `crates`.
    name: &'static str,
    /// Each layer is a folder of `src` with the file of the same name, or only one of them. A file imports from its own
    /// layer and from layers to the right of it. Layers with a comma between them do not import each other. `lib.rs` is
    /// to the left of all.
    layers: &'static str,
    /// A builder and what it builds, which may import each other.
    pairs: &'static [(&'static str, &'static str)],
    /// Layers that name nothing of [`IMPURE`].
    pure: &'static [&'static str],
}

const LAYOUTS: [Layout; 3] = [
    Layout { name: "sse-codec", layers: "stream, json -> decode, encode -> event", pairs: &[], pure: &[] },
    Layout {
        name: "sse-server",
        layers: "topics -> route -> serve -> subscribe -> hub -> log -> history -> message -> sync",
        pairs: &[],
        pure: &["history"],
    },
    Layout {
        name: "sse-client",
        layers: "adapters -> source -> read -> connect -> reconnect -> platform -> error",
        pairs: &[("source/builder.rs", "source/event_source.rs")],
        pure: &["reconnect"],
    },
];

/// A pure file in a folder of others.
const PURE_FILE: (&str, &str) = ("crates/sse-server/src", "log/timed.rs");

/// Crates and modules that wait, do I/O, or read a clock or a generator. A name also stands for the crates whose names
/// begin with it: `hyper` for `hyper_util`.
const IMPURE: [&str; 9] = [
    "tokio",
    "hyper",
    "reqwest",
    "fastrand",
    "SystemTime::now",
    "Instant::now",
    ".elapsed",
    // The clock of sse-client.
    "platform::now",
    "platform::unix_time",
];

/// Checks the layout of all crates that have one.
///
/// # Errors
///
/// All faults that were found, one in a line.
pub(crate) fn run() -> Result<(), Failure> {
    let mut faults = Vec::new();
    for layout in &LAYOUTS {
        faults.extend(layout.faults(&read(&layout.folder())?));
    }
    let (folder, file) = PURE_FILE;
    match Source::read(file, &read(folder)?) {
        Ok(source) => faults.extend(impure(folder, &source, |_| Some(file))),
        Err(error) => faults.push(format!("{folder}/{error}")),
    }
    if faults.is_empty() {
        println!("\nThe files of the crates import each other only as designed.");
        return Ok(());
    }
    Err(Failure::new(faults.join("\n")))
}

impl Layout {
    fn folder(&self) -> String {
        format!("crates/{}/src", self.name)
    }

    /// The layers at each level, from left to right.
    fn levels(&self) -> Vec<Vec<&'static str>> {
        self.layers.split("->").map(|level| level.split(',').map(str::trim).collect()).collect()
    }

    /// Returns the faults of the crate's files.
    fn faults(&self, files: &Files) -> Vec<String> {
        let folder = self.folder();
        let missing = self.levels().concat();
        let missing = missing.iter().filter(|layer| files.keys().all(|file| layer_of(file) != **layer));
        let missing: Vec<String> = missing.map(|layer| format!("`{layer}`")).collect();
        if !missing.is_empty() {
            return vec![format!(
                "{folder} has no folder and no file for {}, which xtask/src/layout.rs lists as layers of {}: move the \
                 files there, or change the list",
                missing.join(", "),
                self.name
            )];
        }
        let source = match Source::read("lib.rs", files) {
            Ok(source) => source,
            Err(error) => return vec![format!("{folder}/{error}")],
        };
        let imports = imports(&source);
        let mut faults = self.without_layer(&source);
        faults.extend(self.backward(&imports));
        faults.extend(self.cycles(&imports));
        faults.extend(impure(&folder, &source, |file| {
            self.pure.iter().copied().find(|layer| layer_of(file) == *layer)
        }));
        faults
    }

    fn without_layer(&self, source: &Source) -> Vec<String> {
        let layers = self.levels().concat();
        let known = |file: &str| file == "lib.rs" || layers.contains(&layer_of(file));
        let unknown = source.files.iter().filter(|file| !known(file));
        let fault = |file: &String| {
            format!(
                "{}/{file} belongs to no layer: move it into a folder, or list `{}` as a layer of {} in \
                 xtask/src/layout.rs",
                self.folder(),
                layer_of(file),
                self.name
            )
        };
        unknown.map(fault).collect()
    }

    fn backward(&self, imports: &[Import<'_>]) -> Vec<String> {
        let levels = self.levels();
        let level = |file: &str| levels.iter().position(|level| level.contains(&layer_of(file)));
        let mut faults = Vec::new();
        for import in imports {
            let [from, to] = [import.mention.file.as_str(), import.to].map(layer_of);
            let (Some(at), target) = (level(&import.mention.file), level(import.to)) else { continue };
            // `lib.rs` is to the left of all levels. A file that belongs to no layer is a fault already.
            let is_left = import.to == "lib.rs" || target.is_some_and(|target| target < at);
            if from == to || (!is_left && target != Some(at)) {
                continue;
            }
            let relation = if is_left { "is to the left of" } else { "stands beside" };
            faults.push(format!(
                "{} imports `{}` from {}: `{to}` {relation} `{from}` in the layers of {} ({}), and a file imports only \
                 from its own folder and from folders to its right; move what both need further to the right, or pass \
                 it as an argument",
                import.place(&self.folder()),
                import.mention.path.names.join("::"),
                import.to,
                self.name,
                self.layers
            ));
        }
        faults
    }

    /// Files of one layer that import each other. A cycle through several layers has an import to the left.
    fn cycles(&self, imports: &[Import<'_>]) -> Vec<String> {
        let folder = self.folder();
        // A pair counts as one file, so that a cycle through one of them and a third file is still found.
        let node = |file| self.pairs.iter().find(|(_, other)| *other == file).map_or(file, |(one, _)| *one);
        let within = imports.iter().filter(|import| layer_of(&import.mention.file) == layer_of(import.to));
        let edges: Vec<_> = within
            .map(|import| Edge { from: node(&import.mention.file), to: node(import.to), label: import })
            .collect();
        let cycles = components(&edges).into_iter().map(|component| {
            let steps = component.cycle.iter().map(|edge| edge.label);
            let steps: Vec<String> =
                steps.map(|import| format!("{} imports {}", import.place(&folder), import.to)).collect();
            let others = match &component.others[..] {
                [] => String::new(),
                others => format!(" (these files are in a cycle with them: {})", others.join(", ")),
            };
            format!(
                "files import each other in a cycle: {}{others}; move what they share into a file that imports none \
                 of them, or list a builder and what it builds as a pair in xtask/src/layout.rs",
                steps.join(", ")
            )
        });
        let imports = |from: &str, to: &str| {
            imports.iter().any(|import| import.mention.file == from && import.to == to)
        };
        let no_pairs = self.pairs.iter().filter(|(one, other)| !imports(one, other) || !imports(other, one));
        let no_pairs = no_pairs.map(|(one, other)| {
            format!(
                "{one} and {other} of {folder} do not import each other any more: remove the pair from \
                 xtask/src/layout.rs"
            )
        });
        cycles.chain(no_pairs).collect()
    }
}

/// A path that leads to another file.
struct Import<'s> {
    mention: &'s Mention,
    to: &'s str,
}

impl Import<'_> {
    fn place(&self, folder: &str) -> String {
        place(folder, self.mention)
    }
}

/// The imports of a crate: for each file and what it imports, the first path.
///
/// A re-export within a layer is no import: it says where something is found and does not use it.
fn imports(source: &Source) -> Vec<Import<'_>> {
    let mut imports: BTreeMap<(&str, &str), &Mention> = BTreeMap::new();
    for mention in &source.mentions {
        for to in mention.targets.iter().filter(|target| **target != mention.file) {
            if mention.is_reexport && layer_of(&mention.file) == layer_of(to) {
                continue;
            }
            let first = imports.entry((&mention.file, to)).or_insert(mention);
            if mention.path.line < first.path.line {
                *first = mention;
            }
        }
    }
    imports.into_iter().map(|((_, to), mention)| Import { mention, to }).collect()
}

/// Where pure code names something impure. `pure` says by which name a file is pure.
fn impure<'n>(folder: &str, source: &Source, pure: impl Fn(&str) -> Option<&'n str>) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for mention in &source.mentions {
        let Some(pure) = pure(&mention.file) else { continue };
        for word in IMPURE.iter().filter(|word| contains(&mention.path.names, word)) {
            faults.insert(format!(
                "{} names `{word}`, but `{pure}` is pure: it does not wait, does no I/O, and takes time and random \
                 numbers as arguments; take what it gives as an argument, or move the code elsewhere",
                place(folder, mention)
            ));
        }
    }
    Vec::from_iter(faults)
}

/// Returns whether a path contains the names of `word`, one after the other.
fn contains(path: &[String], word: &str) -> bool {
    let word: Vec<&str> = word.split("::").collect();
    let is_word = |(name, word): (&String, &&str)| {
        name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    path.windows(word.len()).any(|names| names.iter().zip(&word).all(is_word))
}

fn place(folder: &str, mention: &Mention) -> String {
    format!("{folder}/{}:{}", mention.file, mention.path.line)
}

/// The layer of a file: the first folder of its path, or its own name.
fn layer_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The Rust files below a folder of the workspace.
fn read(folder: &str) -> Result<Files, Failure> {
    fn add(folder: &Path, before: &str, files: &mut Files) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{before}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                add(&entry.path(), &format!("{name}/"), files)?;
            } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
                files.insert(name, std::fs::read_to_string(entry.path())?);
            }
        }
        Ok(())
    }

    let mut files = Files::new();
    match add(&shell::root().join(folder), "", &mut files) {
        Ok(()) => Ok(files),
        Err(error) => Err(Failure::new(format!("{folder} can't be read: {error}"))),
    }
}
