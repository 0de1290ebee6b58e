//! The pages of `docs/guide`: their code is code that is compiled and tested.
//!
//! A block of code stands below a comment that names a file, and a region of it:
//!
//! ````text
//! <!-- code: crates/guide/src/bin/proxy.rs#program -->
//! ```rust
//! …
//! ```
//! ````
//!
//! The region is what stands in the file between a line with `region: program` and the next line with `endregion`,
//! without the indentation that its lines share.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::shell::{self, Failure};

/// Where the pages are.
const PAGES: &str = "docs/guide";

/// The languages of blocks that are not code: commands, what they print, and lines for `Cargo.toml`.
const NO_CODE: [&str; 3] = ["sh", "text", "toml"];

/// How a comment begins that names a region.
const QUOTE: &str = "<!-- code: ";

/// Checks the pages.
///
/// # Errors
///
/// All faults that were found, one in a line.
pub(crate) fn run() -> Result<(), Failure> {
    let pages = pages()?;
    let dependencies = Dependencies::of_the_workspace()?;
    let faults = pages.iter().flat_map(|(path, page)| {
        let faults = check(page, read, &dependencies);
        faults.into_iter().map(move |fault| format!("{}:{fault}", path.display()))
    });
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() {
        println!("\nThe {} pages of {PAGES} show code that is tested.", pages.len());
        return Ok(());
    }
    Err(Failure::new(faults.join("\n")))
}

/// Writes the regions into the blocks that quote them.
///
/// # Errors
///
/// A page can't be read or written.
pub(crate) fn write() -> Result<(), Failure> {
    for (path, page) in pages()? {
        let updated = update(&page, read);
        if updated != page {
            fs::write(shell::root().join(&path), updated)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// The pages, by their paths from the root.
fn pages() -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(shell::root().join(PAGES))? {
        let entry = entry?;
        pages.push((PathBuf::from(PAGES).join(entry.file_name()), fs::read_to_string(entry.path())?));
    }
    pages.sort();
    Ok(pages)
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(shell::root().join(file)).ok()
}

/// Returns the faults of a page's blocks, each with its line.
fn check(page: &str, read: impl Fn(&str) -> Option<String>, dependencies: &Dependencies) -> Vec<String> {
    let blocks = blocks(page);
    let mut faults: Vec<_> =
        blocks.iter().filter_map(|block| Some(format!("{} {}", block.line, block.fault(&read)?))).collect();
    let manifests = || blocks.iter().filter(|block| block.language == "toml");
    let named = || manifests().flat_map(|block| block.text.lines().filter_map(dependency));
    faults.extend(manifests().flat_map(|block| {
        let lines = block.text.lines().filter_map(dependency);
        lines.filter_map(|(name, version)| {
            Some(format!("{} {}", block.line, dependencies.fault(name, version)?))
        })
    }));
    let programs = blocks.iter().filter(|block| block.language == "rust");
    let used: BTreeSet<String> = programs.flat_map(|block| crates_of(&block.text)).collect();
    let missing = used.iter().filter(|used| named().all(|(name, _)| name.replace('-', "_") != **used));
    faults.extend(missing.map(|name| format!("1 no block of toml has the crate `{name}`")));
    faults
}

/// The page, with the regions as they are now.
fn update(page: &str, read: impl Fn(&str) -> Option<String>) -> String {
    let mut updated = page.to_owned();
    for block in blocks(page) {
        let (Some(quoted), fence) = (block.quoted, format!("```{}\n", block.language)) else { continue };
        if let Ok(code) = region(quoted, &read) {
            let head = format!("{QUOTE}{quoted} -->\n{fence}");
            updated = updated.replace(&format!("{head}{}```", block.text), &format!("{head}{code}```"));
        }
    }
    updated
}

/// A block between fences.
struct Block<'p> {
    /// The line of the page at which it begins.
    line: usize,
    language: &'p str,
    text: String,
    /// The file and the region that the comment before it names.
    quoted: Option<&'p str>,
}

impl Block<'_> {
    fn fault(&self, read: impl Fn(&str) -> Option<String>) -> Option<String> {
        let Some(quoted) = self.quoted else {
            let is_code = !NO_CODE.contains(&self.language);
            return is_code.then(|| {
                format!("a block of `{}` has no line `{QUOTE}FILE#REGION -->` before it", self.language)
            });
        };
        match region(quoted, read) {
            Err(fault) => Some(fault),
            Ok(code) => (code != self.text)
                .then(|| format!("the block is not what `{quoted}` has: run `cargo xtask guide --write`")),
        }
    }
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    let mut quoted = None;
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.starts_with("```"));
            let text = text.flat_map(|line| [line, "\n"]).collect();
            blocks.push(Block { line: number + 1, language, text, quoted: quoted.take() });
        } else {
            quoted = line.strip_prefix(QUOTE).and_then(|rest| rest.strip_suffix(" -->"));
        }
    }
    blocks
}

/// Returns the text of a region, for example `crates/guide/src/bin/proxy.rs#program`.
fn region(quoted: &str, read: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (file, name) = quoted.split_once('#').ok_or_else(|| format!("`{quoted}` names no region"))?;
    let text = read(file).ok_or_else(|| format!("there is no file `{file}`"))?;
    let mut lines = text.lines();
    lines
        .by_ref()
        .find(|line| line.split_once("region: ").is_some_and(|(_, found)| words(found).next() == Some(name)))
        .ok_or_else(|| format!("`{file}` has no region `{name}`"))?;
    let mut lines: Vec<&str> = lines.take_while(|line| !line.contains("endregion")).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let indentation = |line: &&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|line| !line.is_empty()).map(indentation).min().unwrap_or_default();
    Ok(lines.into_iter().flat_map(|line| [line.get(shared..).unwrap_or_default(), "\n"]).collect())
}

/// The names of a line, without what ends a comment.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| *word != "-->")
}

/// The crates that a program imports from.
fn crates_of(code: &str) -> impl Iterator<Item = String> {
    /// Names that are not crates, or whose crates come with the compiler.
    const OWN: [&str; 5] = ["crate", "self", "std", "super", "core"];

    let imports = code.lines().filter_map(|line| line.trim_start().strip_prefix("use "));
    let names = imports.filter_map(|import| import.split(|c: char| !c.is_alphanumeric() && c != '_').next());
    let modules: BTreeSet<&str> =
        code.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    names.filter(move |name| !OWN.contains(name) && !modules.contains(name)).map(str::to_owned)
}

/// The name and the version in a line such as `tokio = { version = "1", features = ["macros"] }`.
fn dependency(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(" = ")?;
    Some((name, rest.split('"').nth(1)?))
}

/// What the packages of the workspace depend on: names, and versions that are required.
struct Dependencies(Vec<(String, String)>);

impl Dependencies {
    fn of_the_workspace() -> Result<Self, Failure> {
        let metadata = shell::metadata()?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let needed = packages.flat_map(|package| package["dependencies"].as_array().into_iter().flatten());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self(needed.map(|needed| (text(&needed["name"]), text(&needed["req"]))).collect()))
    }

    /// Returns the fault of a line of `Cargo.toml`, if it has one.
    fn fault(&self, name: &str, version: &str) -> Option<String> {
        let required: Vec<&str> = self
            .0
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, version)| version.trim_start_matches('^'))
            .collect();
        if required.is_empty() {
            return Some(format!("nothing in this workspace depends on `{name}`"));
        }
        let is_same = required.iter().any(|required| {
            // A path alone, without a version, in a package that is published later.
            *required == "*"
                || required.strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        (!is_same).then(|| format!("`{name}` is tested with {}, not with {version}", required[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
mod hidden;
// region: whole
use tokio::net::TcpListener;
use std::io;

fn main() {
    // endregion
    // region: inner
    one();

        two();
    // endregion
}
";

    #[track_caller]
    fn check_page(page: &str, expected: &[&str]) {
        let dependencies = Dependencies(vec![("tokio".into(), "^1.47".into())]);
        let read = |file: &str| (file == "a.rs").then(|| FILE.to_owned());
        assert_eq!(check(page, read, &dependencies), expected);
    }

    #[test]
    fn a_block_is_its_region() {
        let tokio = "```toml\n[dependencies]\ntokio = \"1\"\n```\n";
        let whole = "<!-- code: a.rs#whole -->\n```rust\nuse tokio::net::TcpListener;\nuse std::io;\n\nfn main() {\n```\n";
        check_page(&format!("{tokio}{whole}"), &[]);
        check_page(whole, &["1 no block of toml has the crate `tokio`"]);
        check_page("<!-- code: a.rs#inner -->\n```rust\none();\n\n    two();\n```\n", &[]);
        check_page(
            "<!-- code: a.rs#inner -->\n```rust\none();\n```\n",
            &["2 the block is not what `a.rs#inner` has: run `cargo xtask guide --write`"],
        );
        check_page("<!-- code: a.rs#none -->\n```js\n```\n", &["2 `a.rs` has no region `none`"]);
        check_page("<!-- code: b.rs#whole -->\n```js\n```\n", &["2 there is no file `b.rs`"]);
        check_page("<!-- code: a.rs -->\n```js\n```\n", &["2 `a.rs` names no region"]);
    }

    #[test]
    fn code_without_a_region_is_a_fault() {
        let fault =
            |language| format!("2 a block of `{language}` has no line `{QUOTE}FILE#REGION -->` before it");
        for language in ["rust", "js", "rust,no_run", ""] {
            check_page(&format!("\n```{language}\n```\n"), &[&fault(language)]);
        }
        // A comment belongs to the block that follows it at once.
        check_page(
            "<!-- code: a.rs#inner -->\ntext\n```rust\n```\n",
            &[&fault("rust").replacen('2', "3", 1)],
        );
        check_page("```sh\nls\n```\n```text\nls\n```\n", &[]);
    }

    #[test]
    fn a_page_is_updated_with_its_regions() {
        let read = |file: &str| (file == "a.rs").then(|| FILE.to_owned());
        let page =
            |code| format!("a\n\n<!-- code: a.rs#inner -->\n```rust\n{code}```\n\n```sh\nls\n```\n\nb\n");
        for old in ["", "old();\n"] {
            assert_eq!(update(&page(old), read), page("one();\n\n    two();\n"));
        }
        let unknown = "<!-- code: b.rs#inner -->\n```rust\n```\n";
        assert_eq!(update(unknown, read), unknown);
    }

    #[test]
    fn versions_are_those_that_are_tested() {
        #[track_caller]
        fn check_line(line: &str, expected: &[&str]) {
            check_page(&format!("```toml\n[dependencies]\n{line}\n```\n"), expected);
        }

        check_line("tokio = { version = \"1\", features = [\"macros\"] }", &[]);
        check_line("tokio = \"1.4\"", &["1 `tokio` is tested with 1.47, not with 1.4"]);
        check_line("tokio = \"2\"", &["1 `tokio` is tested with 1.47, not with 2"]);
        check_line("axum = \"0.8\"", &["1 nothing in this workspace depends on `axum`"]);
    }
}
