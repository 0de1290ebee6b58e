//! Where the links of pages go to.

use std::collections::BTreeMap;
use std::fs;

use super::markdown::{Link, Page};
use crate::shell::{self, Failure};

/// All pages, and whether other files are there.
pub(super) struct Repository {
    pages: BTreeMap<String, Page>,
    exists: fn(&str) -> bool,
}

impl Repository {
    /// Reads these pages from the disk.
    pub(super) fn read(paths: Vec<String>) -> Result<Self, Failure> {
        let mut texts = BTreeMap::new();
        for path in paths {
            let text = fs::read_to_string(shell::root().join(&path))
                .map_err(|error| Failure::new(format!("{path}: {error}")))?;
            texts.insert(path, text);
        }
        Ok(Self::new(&texts, |path| shell::root().join(path).exists()))
    }

    pub(super) fn new(texts: &BTreeMap<String, String>, exists: fn(&str) -> bool) -> Self {
        let pages = texts.iter().map(|(path, text)| (path.clone(), Page::parse(text))).collect();
        Self { pages, exists }
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = (&str, &Page)> {
        self.pages.iter().map(|(path, page)| (path.as_str(), page))
    }

    pub(super) fn page(&self, path: &str) -> Option<&Page> {
        self.pages.get(path)
    }

    /// The links of a page that go nowhere: lines and faults.
    pub(super) fn broken_links(&self, path: &str, page: &Page) -> impl Iterator<Item = String> {
        let broken = page.links().iter().filter_map(move |link| Some((link, self.fault(path, link)?)));
        broken.map(|(link, fault)| format!("{} {fault}", link.line))
    }

    fn fault(&self, path: &str, link: &Link) -> Option<String> {
        let target = &link.target;
        if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
            return None;
        }
        let (file, anchor) =
            target.split_once('#').map_or((target.as_str(), None), |(file, anchor)| (file, Some(anchor)));
        let Some(file) = resolve(path, file) else {
            return Some(format!("the link to `{target}` leaves the repository"));
        };
        if !self.pages.contains_key(&file) && !(self.exists)(&file) {
            let only = if is_name(target) { "; only rustdoc finds names of items" } else { "" };
            return Some(format!("the link to `{target}` goes to no file{only}"));
        }
        // Anchors of other files are numbers of lines, or GitHub's own.
        let (anchor, page) = (anchor?, self.pages.get(&file)?);
        (!page.has_anchor(anchor)).then(|| format!("the link to `{target}` names no heading of {file}"))
    }
}

/// Returns the path, from the root, of a link's target; `None` if the target is outside of the repository.
fn resolve(page: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            // A path from the root of a site.
            "" if link.starts_with('/') => return None,
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Returns whether a target looks like the name of an item: `Decoder::next_event`, `struct@Event`.
fn is_name(target: &str) -> bool {
    !target.is_empty() && target.chars().all(|c| c.is_alphanumeric() || "_:@()!".contains(c))
}
