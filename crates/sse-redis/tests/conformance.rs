//! Checks that the log does what replicas rely on.

mod common;

use common::Redis;
use sse_redis::RedisLog;
use sse_testing::log;

#[tokio::test]
async fn the_log_does_what_replicas_rely_on() {
    let redis = Redis::start();
    log::check(async |name: &str| RedisLog::connect(&redis.url(), name).await.unwrap()).await;
}

#[tokio::test]
async fn trimmed_entries_are_known_to_be_trimmed() {
    let redis = Redis::start();
    let open = async |name: &str| RedisLog::connect(&redis.url(), name).await.unwrap();
    log::check_trimming(open, async |name: &str, entries: usize| {
        let _: u64 = redis.ask(&["XTRIM", name, "MAXLEN", &entries.to_string()]);
    })
    .await;
}
