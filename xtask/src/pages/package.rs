//! What the README of a published package says, beside its manifest.

use std::path::PathBuf;

use serde_json::Value;

use super::markdown::{Block, Page};
use crate::shell::{self, Failure};

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    name: String,
    version: String,
    features: Vec<String>,
    examples: Vec<String>,
    is_published: bool,
    /// Its front page, if it is a library.
    source: Option<PathBuf>,
}

impl Package {
    /// Every package of the workspace.
    pub(super) fn all() -> Result<Vec<Self>, Failure> {
        let metadata = shell::metadata()?;
        Ok(metadata["packages"].as_array().into_iter().flatten().map(Self::new).collect())
    }

    /// A package, from the output of `cargo metadata`.
    pub(super) fn new(metadata: &Value) -> Self {
        let targets = || metadata["targets"].as_array().into_iter().flatten();
        let of_kind = |kind| targets().filter(move |target| target["kind"][0] == kind);
        let examples = of_kind("example").map(|target| text(&target["name"]));
        let features =
            metadata["features"].as_object().into_iter().flat_map(|features| features.keys().cloned());
        // The library of a program is nobody's dependency.
        let is_program = of_kind("bin").next().is_some();
        let source =
            of_kind("lib").find(|_| !is_program).map(|target| PathBuf::from(text(&target["src_path"])));
        Self {
            name: text(&metadata["name"]),
            version: text(&metadata["version"]),
            features: features.collect(),
            examples: examples.collect(),
            is_published: metadata["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
            source,
        }
    }

    pub(super) fn is_published(&self) -> bool {
        self.is_published
    }

    /// The path of its README, from the root.
    pub(super) fn readme(&self) -> String {
        format!("crates/{}/README.md", self.name)
    }

    /// The file with the front page of a library.
    pub(super) fn source(&self) -> Option<&PathBuf> {
        self.source.as_ref()
    }

    /// What the README of a library lacks, beside its manifest and the file with its front page.
    pub(super) fn faults(&self, readme: &Page, source: &str) -> Vec<String> {
        let missing = self.missing_dependency(readme).into_iter().chain(self.missing_examples(readme));
        missing.chain(self.wrong_features(readme)).chain(front_page(readme, source)).collect()
    }

    fn missing_dependency(&self, readme: &Page) -> Option<String> {
        let mut lines = dependencies(readme);
        let found = lines.any(|line| line.name == self.name);
        (!found).then(|| format!(" has no toml block with the line `{} = …` to copy", self.name))
    }

    /// Features that the table lacks, and rows of it that are no features.
    fn wrong_features(&self, readme: &Page) -> Vec<String> {
        let rows = readme.rows("feature").unwrap_or_default();
        let features = self.features.iter().filter(|feature| *feature != "default");
        let missing = features.filter(|feature| !rows.contains(feature));
        let missing =
            missing.map(|feature| format!(" has no row for `{feature}` in a table with the head `feature`"));
        let unknown = rows.iter().filter(|row| !self.features.contains(row));
        let unknown =
            unknown.map(|row| format!(" has a row for `{row}`, which is no feature of {}", self.name));
        missing.chain(unknown).collect()
    }

    fn missing_examples(&self, readme: &Page) -> Vec<String> {
        let rows = readme.rows("example").unwrap_or_default();
        let named = |example: &String| {
            rows.contains(example) || readme.has_item(example) || rows.iter().any(|row| runs(row, example))
        };
        let missing = self.examples.iter().filter(|example| !named(example));
        let advice = "in a list, or in a table with the head `example`";
        missing.map(|example| format!(" does not name the example `{example}` {advice}")).collect()
    }
}

/// Returns whether a command runs this example.
fn runs(command: &str, example: &str) -> bool {
    command.split_once("--example ").is_some_and(|(_, rest)| rest.split(' ').next() == Some(example))
}

/// Returns the faults of the front page, and of the first examples of README and front page.
fn front_page(readme: &Page, source: &str) -> Option<String> {
    if !source.contains("#[doc = include_str!(\"../README.md\")]") {
        return Some(
            " is compiled by nothing: write `#[cfg(doctest)] #[doc = include_str!(\"../README.md\")] struct Readme;` in \
             lib.rs, and a front page of its own as `//!`"
                .to_owned(),
        );
    }
    let documentation = source.lines().filter_map(|line| line.strip_prefix("//!"));
    let documentation: String = documentation
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let front = Page::parse(&documentation);
    let (Some(readme), Some(front)) = (readme.blocks("rust").next(), front.blocks("rust").next()) else {
        return Some(" or the front page in lib.rs has no example".to_owned());
    };
    let (shown, front) = (readme.shown(), front.shown());
    if shown == front {
        return None;
    }
    let same = shown.iter().zip(&front).take_while(|(readme, front)| readme == front).count();
    let line =
        |lines: &[&str]| lines.get(same).map_or("its end".to_owned(), |line| format!("`{}`", line.trim()));
    Some(format!(
        ":{} the first example is not that of the front page in lib.rs: line {} of it is {} here, and {} there",
        readme.line,
        same + 1,
        line(&shown),
        line(&front)
    ))
}

/// A line of a page that depends on a package.
struct Dependency<'p> {
    line: usize,
    name: &'p str,
    version: &'p str,
    features: Vec<&'p str>,
}

/// The lines of a page's toml blocks that could be those of dependencies.
fn dependencies(page: &Page) -> impl Iterator<Item = Dependency<'_>> {
    page.blocks("toml").flat_map(dependencies_of)
}

fn dependencies_of(block: &Block) -> impl Iterator<Item = Dependency<'_>> {
    block.text.lines().enumerate().filter_map(|(index, line)| {
        let (name, value) = line.split_once('=')?;
        let version = quoted(value).or_else(|| quoted(value_of(value, "version")?));
        let features = value_of(value, "features")
            .and_then(|list| list.trim_start().strip_prefix('[')?.split(']').next());
        Some(Dependency {
            line: block.line + 1 + index,
            name: name.trim(),
            version: version.unwrap_or_default(),
            features: features.into_iter().flat_map(|list| list.split(',')).filter_map(quoted).collect(),
        })
    })
}

/// The value of a key in an inline table, and all that follows it.
fn value_of<'t>(table: &'t str, key: &str) -> Option<&'t str> {
    table.split_once(key)?.1.trim_start().strip_prefix('=')
}

/// The text in quotation marks that this begins with.
fn quoted(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split('"').next()
}

/// The dependency lines of a page that would not build: lines and faults.
pub(super) fn wrong_dependencies<'p>(
    page: &'p Page,
    packages: &'p [Package],
) -> impl Iterator<Item = String> {
    dependencies(page).filter_map(|dependency| {
        let package = packages.iter().find(|package| package.name == dependency.name)?;
        let Dependency { line, name, version, features } = dependency;
        if !fits(version, &package.version) {
            return Some(format!("{line} `{version}` does not fit {name} {}", package.version));
        }
        let unknown =
            features.into_iter().find(|feature| package.features.iter().all(|known| known != feature))?;
        Some(format!("{line} `{unknown}` is no feature of {name}"))
    })
}

/// Returns whether a version is the one that is asked for: `0.1` fits 0.1.7.
fn fits(wanted: &str, version: &str) -> bool {
    version == wanted || (!wanted.is_empty() && version.starts_with(&format!("{wanted}.")))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
