//! What an operator relies on: how clients are told apart, and that no client takes the share of others.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/nginx.rs"]
#[allow(unreachable_pub, reason = "another crate includes it too")]
mod nginx;

mod access_log;
mod clients;
mod health;
mod http;
mod metrics;
mod proxy;

use common::Hub;

/// A hub whose token file lets everybody publish and subscribe, as a hub behind a proxy needs.
struct HubForAll {
    hub: Hub,
    _folder: tempfile::TempDir,
}

impl HubForAll {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = common::write(&folder, "tokens", "publish *\nsubscribe *\n");
        let arguments = [&["--token-file", &*file], arguments].concat();
        Self { hub: Hub::start(&arguments), _folder: folder }
    }
}

impl std::ops::Deref for HubForAll {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl std::ops::DerefMut for HubForAll {
    fn deref_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }
}
