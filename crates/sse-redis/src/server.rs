//! Connections: to one server, to a cluster, or to the master that Sentinels name.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, Value,
};

/// The servers that have the log.
#[allow(
    clippy::large_enum_variant,
    reason = "each log has only one, and with all features the lint does not apply"
)]
pub(crate) enum Server {
    Single(Client),
    #[cfg(feature = "cluster")]
    Cluster(Vec<redis::ConnectionInfo>),
    #[cfg(feature = "sentinel")]
    Sentinel {
        client: tokio::sync::Mutex<redis::sentinel::SentinelClient>,
        master: String,
    },
}

/// A connection that several commands may share.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Server {
    pub(crate) fn single(url: impl IntoConnectionInfo) -> RedisResult<Self> {
        let info = url.into_connection_info()?;
        choose_cryptography();
        Client::open(info).map(Self::Single)
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn cluster<U: IntoConnectionInfo>(urls: impl IntoIterator<Item = U>) -> RedisResult<Self> {
        choose_cryptography();
        let nodes: Vec<_> = urls.into_iter().map(U::into_connection_info).collect::<RedisResult<_>>()?;
        // Connecting reports later what is wrong with the URLs, so they are checked now.
        redis::cluster::ClusterClient::new(nodes.clone())?;
        Ok(Self::Cluster(nodes))
    }

    /// Returns a master that Sentinels name. The host of its URL is the name by which they know it.
    #[cfg(feature = "sentinel")]
    pub(crate) fn sentinel<U: IntoConnectionInfo>(
        sentinels: impl IntoIterator<Item = U>,
        master: impl IntoConnectionInfo,
    ) -> RedisResult<Self> {
        use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
        use redis::{ConnectionAddr, ErrorKind, TlsMode};

        choose_cryptography();
        let sentinels: Vec<_> =
            sentinels.into_iter().map(U::into_connection_info).collect::<RedisResult<_>>()?;
        let master = master.into_connection_info()?;
        let node =
            SentinelNodeConnectionInfo::default().set_redis_connection_info(master.redis_settings().clone());
        let (name, node) = match master.addr() {
            ConnectionAddr::Tcp(name, _) => (name, node),
            ConnectionAddr::TcpTls { host, insecure, .. } => {
                (host, node.set_tls_mode(if *insecure { TlsMode::Insecure } else { TlsMode::Secure }))
            }
            _ => {
                return Err((
                    ErrorKind::InvalidClientConfig,
                    "the URL of a master must have its name as the host",
                )
                    .into());
            }
        };
        let master = name.clone();
        let client =
            SentinelClient::build(sentinels, master.clone(), Some(node), SentinelServerType::Master)?;
        Ok(Self::Sentinel { client: client.into(), master })
    }

    /// Returns a new connection, on which a response takes at most `timeout`.
    pub(crate) async fn connect(&self, connecting: Duration, timeout: Duration) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connecting))
            .set_response_timeout(Some(timeout));
        match self {
            Self::Single(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::One)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(nodes) => {
                let client = redis::cluster::ClusterClientBuilder::new(nodes.clone())
                    .connection_timeout(connecting)
                    .response_timeout(timeout)
                    // The callers try again, because they know what they may repeat.
                    .retries(0)
                    .build()?;
                client.get_async_connection().await.map(Connection::Cluster)
            }
            #[cfg(feature = "sentinel")]
            Self::Sentinel { client, .. } => {
                client.lock().await.get_async_connection_with_config(&config).await.map(Connection::One)
            }
        }
    }
}

/// `redis` leaves the choice to the process. If the process has made a choice, that stays.
fn choose_cryptography() {
    #[cfg(feature = "tls")]
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl fmt::Display for Server {
    /// Shows the address, without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(client) => client.get_connection_info().addr().fmt(f),
            #[cfg(feature = "cluster")]
            Self::Cluster(nodes) => {
                let nodes: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
                write!(f, "the cluster of {}", nodes.join(", "))
            }
            #[cfg(feature = "sentinel")]
            Self::Sentinel { master, .. } => write!(f, "the master `{master}` of the Sentinels"),
        }
    }
}
