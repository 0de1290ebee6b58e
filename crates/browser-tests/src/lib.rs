//! A headless Chromium for tests, to see how a real browser's `EventSource` reads a stream.
//!
//! ```no_run
//! use browser_tests::Browser;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), browser_tests::Error> {
//! let browser = Browser::launch()?;
//! let page = browser.open("http://127.0.0.1:3000/")?;
//! page.wait_for("document.querySelector('li')", Duration::from_secs(10))?;
//!
//! let message = page.next_message(Duration::from_secs(10))?.expect("the server sends one at once");
//! assert_eq!(message.event_name, "message");
//! assert_eq!(page.evaluate("document.title")?, "Clock");
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!            JSON ending in NUL, by fd 3              one flat session per page
//!  DevTools ----------------------------> Chromium -----------------------------> Page
//!           <----------------------------          <-----------------------------
//!            replies and events, by fd 4                recorded from the start
//! ```
//!
//! The browser is driven by its `DevTools` protocol over pipes. No port is opened, so any number of tests can run at
//! once. If a test is killed, its browser reads the end of its pipe, and ends, too.
//!
//! # What it never does
//!
//! - It never skips a test. If no browser is found, [`Browser::launch`] returns an error that says how to get one.
//! - It never waits without a limit, and never sleeps.
//! - It leaves no process and no profile when the [`Browser`] and its last [`Page`] are dropped.

mod browser;
mod devtools;
mod error;
mod find;
mod keyboard;
mod page;
mod process;
mod record;

pub use browser::Browser;
pub use error::Error;
pub use find::NotFound;
pub use page::{ColorScheme, Page};
pub use record::{EventSourceMessage, Request};

// Every example of the workspace's front page and guides is compiled and run.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/architecture.md")]
    mod architecture {}
    #[doc = include_str!("../../../docs/standard.md")]
    mod standard {}
}
