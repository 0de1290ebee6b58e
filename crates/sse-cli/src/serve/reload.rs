//! What the hub reads again while it runs.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio_rustls::rustls::ServerConfig;

use super::rights::{Authority, Sources};
use super::tls::Certificate;

/// The files that may be replaced while the hub runs, and the parts of the hub that use them.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) sources: Sources,
    pub(crate) authority: Authority,
    pub(crate) certificate: Option<(Certificate, watch::Sender<Arc<ServerConfig>>)>,
}

impl Files {
    /// Reads them again on each SIGHUP. A fault is logged, and the hub keeps what it had.
    pub(crate) async fn follow(self, reload: Arc<Notify>) {
        loop {
            reload.notified().await;
            // Both are read, even if one of them is wrong.
            let results = [self.reload_rules().await, self.reload_certificate().await];
            match results.into_iter().collect::<Result<(), String>>() {
                Ok(()) => tracing::info!("tokens, keys and certificates were read again"),
                Err(error) => tracing::error!("the hub keeps what it had: {error}"),
            }
        }
    }

    async fn reload_rules(&self) -> Result<(), String> {
        let sources = self.sources.clone();
        self.authority.replace(on_a_thread(move || sources.read()).await?);
        Ok(())
    }

    async fn reload_certificate(&self) -> Result<(), String> {
        let Some((certificate, used)) = &self.certificate else { return Ok(()) };
        let certificate = certificate.clone();
        used.send_replace(on_a_thread(move || certificate.read()).await?);
        Ok(())
    }
}

/// Reads on a thread, because reading a file may take long: it may be a pipe.
async fn on_a_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(read).await.unwrap_or_else(|error| Err(error.to_string()))
}
