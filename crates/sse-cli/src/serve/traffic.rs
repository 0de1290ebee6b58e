//! The connections of the hub, by how they come.

use prometheus::{IntCounterVec, Opts};
use sse_server::ConnectionCounts;

/// The counts of all connections.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) tcp: ConnectionCounts,
    pub(crate) tls: ConnectionCounts,
    pub(crate) unix: ConnectionCounts,
    pub(crate) handshakes: Handshakes,
}

/// The handshakes of TLS that did not become connections.
#[derive(Clone, Debug)]
pub(crate) struct Handshakes(IntCounterVec);

/// Why a handshake did not become a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unsecured {
    /// The client left, or the two could not agree.
    Failed,
    Slow,
    /// There were too many handshakes, and this one was the oldest.
    Replaced,
    /// The client speaks plain http.
    PlainHttp,
}

impl Unsecured {
    const ALL: [Self; 4] = [Self::Failed, Self::Slow, Self::Replaced, Self::PlainHttp];

    fn label(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::Replaced => "replaced",
            Self::PlainHttp => "plain_http",
        }
    }
}

impl Traffic {
    pub(crate) fn new() -> Self {
        let [tcp, tls, unix] = std::array::from_fn(|_| ConnectionCounts::new());
        Self { tcp, tls, unix, handshakes: Handshakes::new() }
    }

    /// The counts, each with the name of its transport.
    pub(crate) fn by_transport(&self) -> [(&'static str, &ConnectionCounts); 3] {
        [("tcp", &self.tcp), ("tls", &self.tls), ("unix", &self.unix)]
    }
}

impl Handshakes {
    fn new() -> Self {
        let opts =
            Opts::new("sse_failed_handshakes_total", "Handshakes of TLS that did not become connections.");
        let failed = IntCounterVec::new(opts, &["reason"]).expect("the name and the label are valid");
        for reason in Unsecured::ALL {
            failed.with_label_values(&[reason.label()]);
        }
        Self(failed)
    }

    pub(crate) fn count(&self, reason: Unsecured) {
        self.0.with_label_values(&[reason.label()]).inc();
    }

    pub(crate) fn collector(&self) -> IntCounterVec {
        self.0.clone()
    }
}
