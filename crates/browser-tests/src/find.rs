//! Finds the browser.

use std::env;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// The names under which browsers of the Chromium family are installed, the free one first.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// The paths of browsers on macOS, where applications aren't in `PATH`.
const MACOS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The paths of browsers on Windows: a variable that names a folder, and the rest of the path.
const WINDOWS: [(&str, &str); 4] = [
    ("LOCALAPPDATA", r"Chromium\Application\chrome.exe"),
    ("PROGRAMFILES", r"Google\Chrome\Application\chrome.exe"),
    ("PROGRAMFILES(X86)", r"Google\Chrome\Application\chrome.exe"),
    ("LOCALAPPDATA", r"Google\Chrome\Application\chrome.exe"),
];

/// Returns the program that `CHROMIUM` names or, if that isn't set, the first one found.
pub(crate) fn find() -> Result<PathBuf, NotFound> {
    if let Some(named) = env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { Err(NotFound { named: Some(named) }) };
    }
    in_path()
        .into_iter()
        .chain(in_usual_places())
        .find(|program| program.is_file())
        .ok_or(NotFound { named: None })
}

fn in_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let programs = NAMES.map(|name| format!("{name}{}", env::consts::EXE_SUFFIX));
    programs.iter().flat_map(|program| folders.iter().map(move |folder| folder.join(program))).collect()
}

fn in_usual_places() -> Vec<PathBuf> {
    if cfg!(target_os = "macos") {
        return MACOS.map(PathBuf::from).to_vec();
    }
    if cfg!(windows) {
        let place = |(variable, rest): (&str, &str)| Some(Path::new(&env::var_os(variable)?).join(rest));
        return WINDOWS.into_iter().filter_map(place).collect();
    }
    Vec::new()
}

/// Neither Chromium nor Chrome was found.
///
/// The text says how to get one. `Debug` gives the same text, because a test's `unwrap` shows that text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotFound {
    /// The path in the environment variable `CHROMIUM`, if it is set. No other path is tried then.
    pub named: Option<PathBuf>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.named {
            Some(named) => {
                write!(
                    f,
                    "the variable CHROMIUM names {}, which is not a file; correct or unset it",
                    named.display()
                )
            }
            None => write!(
                f,
                "found no browser ({}); install one by `apt-get install -y chromium` or `cargo xtask setup`, \
                 or set the variable CHROMIUM to its path",
                NAMES.join(", ")
            ),
        }
    }
}

impl fmt::Debug for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NotFound {}
