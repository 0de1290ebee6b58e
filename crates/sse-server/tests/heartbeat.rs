//! The heartbeat, with paused time.

use std::time::Duration;

use http_body_util::BodyExt as _;
use sse_server::{Message, Route};
use sse_testing::{Subscriber, subscribe};
use tokio::time::{advance, pause};

const SECOND: Duration = Duration::from_secs(1);
/// The resolution of tokio's timers.
const TICK: Duration = Duration::from_millis(1);

/// Lets the task of the timer run at this moment.
async fn pass(time: Duration) {
    advance(time).await;
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

async fn paused(route: &Route) -> Subscriber {
    pause();
    let reader = subscribe(route, "");
    pass(Duration::ZERO).await;
    reader
}

#[tokio::test]
async fn a_stream_without_events_gets_a_comment() {
    let route = Route::new();
    let mut reader = paused(&route).await;
    for _ in 0..3 {
        pass(14 * SECOND).await;
        assert_eq!(reader.read(), "-");
        pass(SECOND + TICK).await;
        assert_eq!(reader.read(), ":\n\n");
        assert_eq!(reader.read(), "-");
    }
}

#[tokio::test]
async fn an_event_delays_the_heartbeat() {
    let route = Route::new();
    let mut reader = paused(&route).await;
    pass(14 * SECOND).await;
    route.publish(&Message::new("1")).unwrap();
    pass(SECOND).await;
    assert_eq!(reader.read_data(), ["1", "-"]);
    pass(13 * SECOND).await;
    assert_eq!(reader.read(), "-");
    pass(SECOND + TICK).await;
    assert_eq!(reader.read(), ":\n\n");
}

#[tokio::test]
async fn the_interval_can_be_changed_and_stopped() {
    let route = Route::builder().heartbeat(None).build();
    let mut reader = paused(&route).await;
    pass(3600 * SECOND).await;
    assert_eq!(reader.read(), "-");
    route.set_heartbeat(SECOND);
    // As a woken task does.
    assert_eq!(reader.read(), "-");
    pass(Duration::ZERO).await;
    pass(SECOND + TICK).await;
    assert_eq!(reader.read(), ":\n\n");
    route.set_heartbeat(2 * SECOND);
    pass(SECOND + TICK).await;
    assert_eq!(reader.read(), "-");
    pass(SECOND + TICK).await;
    assert_eq!(reader.read(), ":\n\n");
    route.set_heartbeat(None);
    pass(3600 * SECOND).await;
    assert_eq!(reader.read(), "-");
}

#[tokio::test]
async fn an_interval_of_zero_does_not_spin() {
    let route = Route::builder().heartbeat(Duration::ZERO).build();
    let mut reader = paused(&route).await;
    pass(9 * TICK).await;
    assert_eq!(reader.read(), "-");
    route.set_heartbeat(Duration::ZERO);
    pass(2 * TICK).await;
    assert_eq!(reader.read(), ":\n\n");
    route.set_heartbeat(Duration::ZERO);
    pass(9 * TICK).await;
    assert_eq!(reader.read(), "-");
    pass(2 * TICK).await;
    assert_eq!(reader.read(), ":\n\n");
    assert_eq!(reader.read(), "-");
}

#[tokio::test]
async fn the_heartbeat_begins_anew_with_the_next_subscriber() {
    let route = Route::new();
    drop(paused(&route).await);
    pass(3600 * SECOND).await;
    let mut reader = subscribe(&route, "");
    pass(Duration::ZERO).await;
    pass(14 * SECOND).await;
    assert_eq!(reader.read(), "-");
    pass(SECOND + TICK).await;
    assert_eq!(reader.read(), ":\n\n");
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken_by_the_heartbeat() {
    let route = Route::new();
    let mut body = paused(&route).await.into_body();
    // Time passes without a call when no task can run.
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), ":\n\n");
}

#[tokio::test]
async fn one_timer_serves_all_subscribers_and_ends_with_the_route() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let route = Route::new();
    let readers = [subscribe(&route, ""), subscribe(&route, ""), subscribe(&route, "")];
    assert_eq!(tasks(), 1);
    drop((route, readers));
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn a_new_subscriber_waits_for_the_next_heartbeat() {
    let route = Route::new();
    let mut old = paused(&route).await;
    pass(15 * SECOND + TICK).await;
    assert_eq!(subscribe(&route, "").read(), "-");
    assert_eq!(old.read(), ":\n\n");
}

#[tokio::test]
async fn a_subscriber_that_has_read_an_event_gets_no_heartbeat() {
    let route = Route::new();
    let mut reader = paused(&route).await;
    pass(15 * SECOND + TICK).await;
    route.publish(&Message::new("1")).unwrap();
    assert_eq!(reader.read_data(), ["1", "-"]);
}

#[tokio::test]
async fn the_end_comes_before_the_heartbeat() {
    let route = Route::new();
    let mut reader = paused(&route).await;
    pass(15 * SECOND + TICK).await;
    route.close();
    assert_eq!(reader.read(), ".");
}

#[test]
fn the_timer_moves_to_another_runtime_when_its_runtime_ends() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let route = Route::new();
    let _guest = first.block_on(async { subscribe(&route, "") });
    second.block_on(async {
        let mut body = paused(&route).await.into_body();
        let reader = tokio::spawn(async move { body.frame().await.unwrap().unwrap().into_data().unwrap() });
        tokio::task::yield_now().await;
        std::thread::spawn(move || drop(first)).join().unwrap();
        assert_eq!(reader.await.unwrap(), ":\n\n");
    });
}

#[test]
fn the_heartbeat_survives_the_end_of_a_runtime() {
    let route = Route::new();
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut reader = paused(&route).await;
            pass(15 * SECOND + TICK).await;
            assert_eq!(reader.read(), ":\n\n");
        });
    }
}
