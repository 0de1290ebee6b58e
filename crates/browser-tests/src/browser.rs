//! A browser, from which pages are opened.

use crate::process::Process;
use crate::{Error, NotFound, Page, find};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A headless Chromium with an empty profile of its own.
///
/// Its pages share cookies, cache and the limit of six HTTP/1.1 connections per origin. It ends when it and its last
/// [`Page`] are dropped; its processes are waited for and its profile is removed.
#[derive(Debug)]
pub struct Browser {
    process: Arc<Process>,
}

impl Browser {
    /// Returns the program that [`launch`](Self::launch) starts.
    ///
    /// That is the one that the environment variable `CHROMIUM` names. If it isn't set, `chromium`, `chromium-browser`,
    /// `google-chrome`, `google-chrome-stable` and `chrome` are looked for in `PATH`, then Chromium and Chrome where
    /// macOS and Windows install them.
    ///
    /// # Errors
    ///
    /// There is none; the error's text says how to get one.
    pub fn find() -> Result<PathBuf, NotFound> {
        find::find()
    }

    /// Finds a browser, starts it, and returns it when it answers.
    ///
    /// # Errors
    ///
    /// There is none, or it doesn't start. On Windows it never does: the pipes are handed over in Unix's way.
    pub fn launch() -> Result<Self, Error> {
        Self::launch_program(&Self::find()?)
    }

    /// Starts this program and returns it when it answers.
    ///
    /// # Errors
    ///
    /// It isn't a browser of the Chromium family, or it doesn't start; the error holds what it said.
    pub fn launch_program(program: &Path) -> Result<Self, Error> {
        Ok(Self { process: Arc::new(Process::start(program)?) })
    }

    /// Returns a new page that shows `about:blank`, in a window of its own.
    ///
    /// # Errors
    ///
    /// The browser has ended, or doesn't answer.
    pub fn page(&self) -> Result<Page, Error> {
        Page::create(Arc::clone(&self.process))
    }

    /// Returns a new page that shows this address; see [`Page::navigate`].
    ///
    /// # Errors
    ///
    /// The address can't be opened, the browser has ended, or it doesn't answer.
    pub fn open(&self, url: &str) -> Result<Page, Error> {
        let page = self.page()?;
        page.navigate(url)?;
        Ok(page)
    }
}
