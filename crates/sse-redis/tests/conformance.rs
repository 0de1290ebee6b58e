//! Whether the log does what replicas rely on.

mod common;

use common::Redis;
use sse_redis::RedisLog;
use sse_testing::log;

#[tokio::test]
async fn the_log_is_as_replicas_need_it() {
    let redis = Redis::start();
    log::check(async |name: &str| RedisLog::connect(&redis.url(), name).await.unwrap()).await;
}

#[tokio::test]
async fn what_is_let_go_of_is_known_to_be_gone() {
    let redis = Redis::start();
    let open = async |name: &str| RedisLog::connect(&redis.url(), name).await.unwrap();
    log::check_trimming(open, async |name: &str, entries: usize| {
        let _: u64 = redis.ask(&["XTRIM", name, "MAXLEN", &entries.to_string()]);
    })
    .await;
}
