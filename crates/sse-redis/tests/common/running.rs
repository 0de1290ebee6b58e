//! A process of a test's own.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::SOON;

/// A process that is killed with the test.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Kills it at once, with whatever it is doing.
    pub fn kill(&mut self) {
        self.0.kill().expect("it is our process");
        self.0.wait().expect("it ends");
    }

    /// Launches it again where it was, which may not be free at once.
    pub fn launch_again(&mut self, mut launch: impl FnMut() -> Option<Self>) {
        let begun = Instant::now();
        *self = loop {
            if let Some(process) = launch() {
                break process;
            }
            assert!(begun.elapsed() < SOON, "its port is not free again");
            thread::sleep(Duration::from_millis(50));
        };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
