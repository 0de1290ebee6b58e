//! A headless Chromium for tests: what a real browser's `EventSource` makes of a stream.
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
//! The browser is driven by its `DevTools` protocol over pipes: no port is opened, so any number of tests can run at
//! once, and a browser whose test is killed reads the end of its pipe and ends, too.
//!
//! # What it never does
//!
//! - It never skips: where there is no browser, [`Browser::launch`] is an error that says how to get one.
//! - It never waits without a bound, and never sleeps.
//! - It leaves nothing behind: processes and profile are gone when the [`Browser`] and its last [`Page`] are dropped.

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
