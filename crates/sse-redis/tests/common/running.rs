//! A process of a test.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::SOON;

/// A process that is killed when the test ends.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Kills the process at once.
    pub fn kill(&mut self) {
        self.0.kill().expect("the process can be killed");
        self.0.wait().expect("the process ends");
    }

    /// Launches the process again with the same port, which may not be free at once.
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
        // The process may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
