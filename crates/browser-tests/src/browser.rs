//! A browser, from which pages are opened.

use crate::process::Process;
use crate::{Error, NotFound, Page, find};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A headless Chromium with an empty profile of its own.
///
/// Its pages share cookies, cache and the limit of six HTTP/1.1 connections for each origin. The browser ends when it
/// and its last [`Page`] are dropped. The drop waits for its processes, and removes its profile.
#[derive(Debug)]
pub struct Browser {
    process: Arc<Process>,
}

impl Browser {
    /// Returns the program that [`launch`](Self::launch) starts.
    ///
    /// This is the program that the environment variable `CHROMIUM` names. If the variable isn't set, `find` looks for
    /// `chromium`, `chromium-browser`, `google-chrome`, `google-chrome-stable` and `chrome` in `PATH`, and then for
    /// Chromium and Chrome in the usual folders of macOS and Windows.
    ///
    /// # Errors
    ///
    /// If no browser is found; the text of the error says how to get one.
    pub fn find() -> Result<PathBuf, NotFound> {
        find::find()
    }

    /// Finds a browser, starts it, and returns it when it answers.
    ///
    /// # Errors
    ///
    /// If no browser is found, or it doesn't start. On Windows, it never starts, because the pipes are passed on in
    /// Unix's way.
    pub fn launch() -> Result<Self, Error> {
        Self::launch_program(&Self::find()?)
    }

    /// Starts this program and returns it when it answers.
    ///
    /// # Errors
    ///
    /// If the program isn't a browser of the Chromium family, or it doesn't start. The error has its output.
    pub fn launch_program(program: &Path) -> Result<Self, Error> {
        Ok(Self { process: Arc::new(Process::start(program)?) })
    }

    /// Returns a new page that shows `about:blank`, in a window of its own.
    ///
    /// # Errors
    ///
    /// If the browser has ended, or doesn't answer.
    pub fn page(&self) -> Result<Page, Error> {
        Page::create(Arc::clone(&self.process))
    }

    /// Returns a new page that shows this address; see [`Page::navigate`].
    ///
    /// # Errors
    ///
    /// If the address can't be opened, or if the browser has ended or doesn't answer.
    pub fn open(&self, url: &str) -> Result<Page, Error> {
        let page = self.page()?;
        page.navigate(url)?;
        Ok(page)
    }
}
