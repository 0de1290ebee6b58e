//! The pages that people read in the repository and in the registry: READMEs and `docs/`.
//!
//! Such a page shows its text as it stands. So it has no lines that rustdoc would hide, and no links that only rustdoc
//! resolves. The README of a library says how to depend on it, what its features are, and which examples it has; its first
//! example is the one of the library's front page.

mod links;
mod markdown;
mod package;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use self::links::Repository;
use self::package::Package;
use crate::shell::{self, Failure};

/// Pages outside of the crates and of `docs/`.
const TOP: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// Checks all pages.
///
/// # Errors
///
/// All faults that were found, one in a line.
pub(crate) fn run() -> Result<(), Failure> {
    let repository = Repository::read(paths()?)?;
    let mut faults = Vec::new();
    for (path, page) in repository.pages() {
        faults.extend(page.faults().map(|fault| format!("{path}:{fault}")));
        faults.extend(repository.broken_links(path, page).map(|fault| format!("{path}:{fault}")));
    }
    let packages = Package::all()?;
    for (path, page) in repository.pages() {
        faults.extend(package::wrong_dependencies(page, &packages).map(|fault| format!("{path}:{fault}")));
    }
    for package in packages.iter().filter(|package| package.is_published()) {
        let path = package.readme();
        let Some(page) = repository.page(&path) else {
            faults.push(format!("{path} is missing"));
            continue;
        };
        if let Some(source) = package.source() {
            let source = fs::read_to_string(source)?;
            faults.extend(package.faults(page, &source).into_iter().map(|fault| format!("{path}{fault}")));
        }
    }
    if faults.is_empty() {
        println!("\nThe READMEs and the pages of docs/ show and link to what is there.");
        return Ok(());
    }
    Err(Failure::new(faults.join("\n")))
}

/// The paths of all pages, from the root.
fn paths() -> Result<Vec<String>, Failure> {
    let mut paths: Vec<String> = TOP.iter().map(|path| (*path).to_owned()).collect();
    for folder in fs::read_dir(shell::root().join("crates"))? {
        let readme = format!("crates/{}/README.md", folder?.file_name().display());
        if shell::root().join(&readme).exists() {
            paths.push(readme);
        }
    }
    add_pages("docs", &mut paths)?;
    paths.sort();
    Ok(paths)
}

/// Adds the pages of a folder and of the folders in it.
fn add_pages(folder: &str, paths: &mut Vec<String>) -> Result<(), Failure> {
    for entry in fs::read_dir(shell::root().join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().display());
        if entry.file_type()?.is_dir() {
            add_pages(&path, paths)?;
        } else if Path::new(&path).extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    Ok(())
}
