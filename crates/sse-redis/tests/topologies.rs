//! More than one server: a cluster, and a master with a replica that Sentinels watch.

#![cfg(all(feature = "cluster", feature = "sentinel"))]

mod common;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use common::running::Running;
use common::subscriber::Subscriber;
use common::{Redis, free_port, host, until};
use sse_redis::RedisLog;
use sse_server::log::PublisherBuilder;
use sse_server::{Message, Topics};
use tempfile::TempDir;

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

async fn publish(topics: &Topics, topic: &str, range: std::ops::Range<u32>) {
    let route = topics.route(topic).unwrap();
    for number in range {
        route.publish(&Message::new(number.to_string())).unwrap().stored().await.unwrap();
    }
}

#[tokio::test]
async fn each_namespace_of_a_cluster_is_on_one_of_its_shards() {
    let settings = ["--cluster-enabled", "yes", "--cluster-announce-ip", host()];
    let shards = [Redis::start_with(&settings), Redis::start_with(&settings)];
    for (shard, slots) in shards.iter().zip([["0", "8191"], ["8192", "16383"]]) {
        let _: String = shard.ask(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
    }
    let _: String = shards[0].ask(&["CLUSTER", "MEET", host(), &shards[1].port.to_string()]);
    until("the cluster is whole", || {
        let known = |shard: &Redis| shard.ask::<String>(&["CLUSTER", "INFO"]);
        shards.iter().all(|shard| {
            let info = known(shard);
            info.contains("cluster_state:ok") && info.contains("cluster_size:2")
        })
    })
    .await;

    // Each publisher connects to a node that need not have its shard.
    for name in ["a", "b", "c", "d", "e", "f"] {
        let log = RedisLog::builder(name).connect_cluster([shards[0].url()]).await.unwrap();
        let topics = Topics::builder().build_on(log).await.unwrap();
        let mut subscriber = Subscriber::new(&topics, "t").await;
        publish(&topics, "t", 0..5).await;
        assert_eq!(subscriber.read_to("4").await, numbers(0..5));
    }
    let keys = shards.each_ref().map(|shard| shard.ask::<u64>(&["DBSIZE"]));
    assert!(keys.iter().all(|&keys| keys > 0), "both shards have some: {keys:?}");
    assert_eq!(keys.iter().sum::<u64>(), 12, "six streams, and six publishers beside them");
}

/// A Sentinel that reports a failure after half a second without a response.
struct Sentinel {
    _process: Running,
    url: String,
    _folder: TempDir,
}

impl Sentinel {
    fn of(master: &Redis, password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (host, port) = (host(), free_port());
        let settings: PathBuf = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind {host}\nsentinel monitor shop-master {host} {} 1\n\
             sentinel auth-pass shop-master {password}\n\
             sentinel down-after-milliseconds shop-master 500\nsentinel failover-timeout shop-master 3000\n",
            master.port
        );
        fs::write(&settings, text).unwrap();
        let program = env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let process =
            Command::new(program).arg(&settings).arg("--sentinel").stdout(Stdio::null()).spawn().unwrap();
        Self { _process: Running(process), url: format!("redis://{host}:{port}/"), _folder: folder }
    }

    /// Returns the response of the Sentinel; `None` if it does not run yet.
    fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> Option<T> {
        let mut connection = redis::Client::open(self.url.as_str()).unwrap().get_connection().ok()?;
        redis::cmd("SENTINEL").arg(command).query(&mut connection).ok()
    }
}

/// Returns how many entries a server has.
fn length(server: &Redis) -> u64 {
    let url = server.url().replace("//", "//:secret@");
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd("XLEN").arg("shop").query(&mut connection).unwrap()
}

#[tokio::test]
async fn a_failover_to_a_complete_replica_is_not_noticed() {
    let settings = ["--requirepass", "secret", "--masterauth", "secret", "--replica-announce-ip", host()];
    let mut master = Redis::start_with(&settings);
    let port = master.port.to_string();
    let replica = Redis::start_with(&[&settings[..], &["--replicaof", host(), &port]].concat());
    let sentinel = Sentinel::of(&master, "secret");
    until("the Sentinel knows the replica", || {
        let replicas = sentinel.ask::<Vec<redis::Value>>(&["REPLICAS", "shop-master"]);
        replicas.is_some_and(|replicas| replicas.len() == 1)
    })
    .await;

    let log = RedisLog::builder("shop")
        .timeout(Duration::from_secs(2))
        .connect_sentinel([&sentinel.url], "redis://:secret@shop-master")
        .await
        .unwrap();
    let patient = PublisherBuilder::default().patience(Duration::from_secs(60));
    let topics = Topics::builder().publisher(patient).build_on(log).await.unwrap();
    let mut subscriber = Subscriber::new(&topics, "t").await;
    publish(&topics, "t", 0..20).await;
    until("the replica has everything", || length(&replica) == 20).await;
    master.kill();
    publish(&topics, "t", 20..40).await;
    assert_eq!(subscriber.read_to("39").await, numbers(0..40));
    assert_eq!(length(&replica), 40, "the replica is now the master");
}
