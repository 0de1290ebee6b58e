//! What the hub reads again while it runs.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::{JoinError, spawn_blocking};

use super::rights::{Authority, Sources};

/// The files that may be replaced while the hub runs, and who uses what is in them.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) sources: Sources,
    pub(crate) authority: Authority,
}

impl Files {
    /// Reads them again each time that it is asked for. What can't be read, or is wrong, is logged, and what was read
    /// before stays in force.
    pub(crate) async fn follow(self, reload: Arc<Notify>) {
        loop {
            reload.notified().await;
            let sources = self.sources.clone();
            match unwound(spawn_blocking(move || sources.read()).await) {
                Ok(rules) => {
                    self.authority.replace(rules);
                    tracing::info!("the tokens and keys were read again");
                }
                Err(error) => {
                    tracing::error!("the tokens and keys stay as they were, because of a fault: {error}");
                }
            }
        }
    }
}

/// The result of a task that does not panic.
fn unwound<T>(result: Result<Result<T, String>, JoinError>) -> Result<T, String> {
    result.unwrap_or_else(|error| Err(error.to_string()))
}
