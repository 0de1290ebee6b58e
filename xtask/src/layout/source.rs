//! Which paths the files of a crate name, and which files these paths lead to.
//!
//! - Code that is compiled only for tests is left out.
//! - A path is followed through `mod` and `use` items, re-exports and globs among them. What is called without being
//!   named, such as a method, is not seen, and neither is a `use` item among the tokens of a macro.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, ItemMod};

use super::paths::{self, Path, Use};

/// A path is followed through so many `use` items.
const MAX_USES: usize = 8;

/// The text of each file, by its path below `src`.
pub(super) type Files = BTreeMap<String, String>;

/// What a crate consists of outside of its tests.
#[derive(Debug)]
pub(super) struct Source {
    /// The files that `mod` items lead to.
    pub(super) files: BTreeSet<String>,
    pub(super) mentions: Vec<Mention>,
}

/// A path in a file.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) file: String,
    pub(super) path: Path,
    /// The path is in a `use` item with a visibility.
    pub(super) is_reexport: bool,
    /// Returns the files that the path leads to: several if that depends on features, none if they are in another crate.
    pub(super) targets: BTreeSet<String>,
}

impl Source {
    /// Reads the crate whose root is the file `root`.
    ///
    /// # Errors
    ///
    /// A file can't be parsed, or a `mod` item has no file.
    pub(super) fn read(root: &str, files: &Files) -> Result<Self, String> {
        let mut tree = Tree { files, modules: Vec::new() };
        tree.add_file("crate", root, None)?;
        let mentions = (0..tree.modules.len()).flat_map(|module| tree.mentions(module)).collect();
        Ok(Self { files: tree.modules.into_iter().map(|module| module.file).collect(), mentions })
    }
}

/// The modules of a crate; the first one is its root.
struct Tree<'f> {
    files: &'f Files,
    modules: Vec<Module>,
}

struct Module {
    name: String,
    file: String,
    parent: Option<usize>,
    /// Two of them have the same name if features decide which one is compiled.
    children: Vec<usize>,
    uses: Vec<Use>,
    /// The names of the other items.
    names: BTreeSet<String>,
    /// The other items.
    code: Vec<Item>,
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Found {
    Module(usize),
    /// An item of this module.
    Item(usize),
}

impl Tree<'_> {
    fn add_file(&mut self, name: &str, file: &str, parent: Option<usize>) -> Result<usize, String> {
        let text = self.files.get(file).ok_or_else(|| format!("{file} does not exist"))?;
        let parsed = syn::parse_file(text)
            .map_err(|error| format!("{file}:{} can't be parsed: {error}", error.span().start().line))?;
        let stem = file.strip_suffix(".rs").unwrap_or(file);
        let has_own_folder = parent.is_some() && !stem.ends_with("/mod");
        let folder = if has_own_folder { stem } else { folder_of(file) };
        self.add(name, file, parent, parsed.items, folder)
    }

    /// Adds a module, whose children have their files in `folder`.
    fn add(
        &mut self,
        name: &str,
        file: &str,
        parent: Option<usize>,
        items: Vec<Item>,
        folder: &str,
    ) -> Result<usize, String> {
        let module = self.modules.len();
        self.modules.push(Module {
            name: name.to_owned(),
            file: file.to_owned(),
            parent,
            children: Vec::new(),
            uses: Vec::new(),
            names: BTreeSet::new(),
            code: Vec::new(),
        });
        for item in items {
            match item {
                Item::Mod(item) => {
                    if !paths::is_for_tests(&item.attrs) {
                        let child = self.add_child(item, module, file, folder)?;
                        self.modules[module].children.push(child);
                    }
                }
                Item::Use(item) => self.modules[module].uses.extend(paths::uses(&item)),
                item => {
                    self.modules[module].names.extend(paths::name_of(&item));
                    self.modules[module].code.push(item);
                }
            }
        }
        Ok(module)
    }

    fn add_child(&mut self, item: ItemMod, parent: usize, file: &str, folder: &str) -> Result<usize, String> {
        let name = item.ident.to_string();
        if let Some((_, items)) = item.content {
            return self.add(&name, file, Some(parent), items, &join(folder, &name));
        }
        let candidates = match paths::path_attribute(&item.attrs) {
            Some(path) => vec![join(folder_of(file), &path)],
            None => vec![join(folder, &format!("{name}.rs")), join(folder, &format!("{name}/mod.rs"))],
        };
        match candidates.iter().find(|candidate| self.files.contains_key(*candidate)) {
            Some(child) => self.add_file(&name, child, Some(parent)),
            None => {
                Err(format!("{file} has the module `{name}`, but there is no {}", candidates.join(" or ")))
            }
        }
    }

    /// The paths in a module, without those in its children.
    fn mentions(&self, module: usize) -> impl Iterator<Item = Mention> {
        let uses = &self.modules[module].uses;
        let of_uses = uses.iter().map(move |item| self.mention(module, item.path.clone(), item.is_reexport));
        let of_code = paths::of(&self.modules[module].code)
            .into_iter()
            .map(move |path| self.mention(module, path, false));
        of_uses.chain(of_code)
    }

    fn mention(&self, module: usize, path: Path, is_reexport: bool) -> Mention {
        let mut found = self.find(module, &path.names, false, 0);
        if path.may_be_variable() {
            // A variable may have the name of a module.
            found.retain(|found| matches!(found, Found::Item(_)));
        }
        let targets =
            found.into_iter().map(|(Found::Module(at) | Found::Item(at))| self.modules[at].file.clone());
        Mention { targets: targets.collect(), file: self.modules[module].file.clone(), path, is_reexport }
    }

    /// What a path in `module` leads to.
    ///
    /// `is_inside` says that the path before `path` has led to the module. A name that is not known there belongs to its
    /// file, for example because a macro defines it; at the beginning of a path it is a crate or a variable. The path has been
    /// followed through `followed` items before.
    fn find(&self, module: usize, path: &[String], is_inside: bool, followed: usize) -> Vec<Found> {
        let [name, rest @ ..] = path else { return vec![Found::Module(module)] };
        let Module { parent, children, uses, names, .. } = &self.modules[module];
        match name.as_str() {
            "crate" => return self.find(0, rest, true, followed),
            "self" => return self.find(module, rest, true, followed),
            "super" => return self.find(parent.unwrap_or(0), rest, true, followed),
            _ => {}
        }
        let children = children.iter().filter(|child| self.modules[**child].name == *name);
        let mut found: Vec<Found> =
            children.flat_map(|child| self.find(*child, rest, true, followed)).collect();
        if names.contains(name) {
            found.push(Found::Item(module));
        }
        if followed < MAX_USES {
            let bound = uses.iter().filter(|item| item.name.as_ref() == Some(name));
            let bound = bound.flat_map(|item| self.find(module, &item.path.names, false, followed + 1));
            found.extend(bound.flat_map(|found| match found {
                Found::Module(module) => self.find(module, rest, true, followed + 1),
                Found::Item(_) => vec![found],
            }));
        }
        if found.is_empty() && followed < MAX_USES {
            let globs = uses.iter().filter(|item| item.name.is_none());
            let globs = globs.flat_map(|item| self.find(module, &item.path.names, false, followed + 1));
            found.extend(globs.flat_map(|found| match found {
                Found::Module(module) => self.find(module, path, false, followed + 1),
                Found::Item(_) => Vec::new(),
            }));
        }
        if found.is_empty() && is_inside {
            found.push(Found::Item(module));
        }
        found
    }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
