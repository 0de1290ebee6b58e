//! What the application is told of the first event of a stream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use sse_server::{Message, Route, RouteBuilder};
use sse_testing::{Subscriber, request, subscribe};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// A route, and the seconds that its streams are said to have waited.
struct Scene {
    route: Route,
    told: Arc<Mutex<Vec<u64>>>,
}

impl Scene {
    fn new(builder: RouteBuilder) -> Self {
        let told = Arc::<Mutex<Vec<u64>>>::default();
        let tell = told.clone();
        let builder = builder.on_first_event(move |waited| tell.lock().unwrap().push(waited.as_secs()));
        Self { route: builder.build(), told }
    }

    fn publish(&self, data: &str) -> String {
        let published = self.route.publish(&Message::new(data)).unwrap();
        published.id().unwrap().to_string()
    }

    #[track_caller]
    fn check(&self, expected: &[u64]) {
        assert_eq!(*self.told.lock().unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn each_stream_is_told_of_once() {
    let scene = Scene::new(Route::builder());
    let mut first = subscribe(&scene.route, "");
    assert_eq!(first.read_data(), ["-"]);
    sleep(3 * SECOND).await;
    let id = scene.publish("1");
    scene.check(&[]);
    assert_eq!(first.read_data(), ["1", "-"]);
    scene.check(&[3]);
    sleep(SECOND).await;
    scene.publish("2");
    assert_eq!(first.read_data(), ["2", "-"]);
    scene.check(&[3]);
    // A replay is an event, too.
    assert_eq!(subscribe(&scene.route, &id).read_data(), ["2", "-"]);
    scene.check(&[3, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_of_a_topic_does_not_count() {
    let scene = Scene::new(Route::builder().heartbeat(15 * SECOND));
    let mut idle = subscribe(&scene.route, "");
    idle.read();
    sleep(20 * SECOND).await;
    assert!(idle.read().starts_with(':'), "a heartbeat");
    let mut unknown = subscribe(&scene.route, "an unknown id");
    assert_eq!(unknown.read_data(), [r#"{"missed":null}"#, "-"]);
    let with_state = scene.route.subscribe(&request("")).snapshot(|| [Message::new("state")]);
    let mut with_state = Subscriber::of(with_state.respond());
    assert_eq!(with_state.read_data(), ["state", "-"]);
    scene.check(&[]);
    sleep(SECOND).await;
    scene.publish("1");
    for stream in [&mut idle, &mut unknown, &mut with_state] {
        assert_eq!(stream.read_data(), ["1", "-"]);
    }
    scene.check(&[21, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_filtered_out_does_not_count() {
    let scene = Scene::new(Route::builder());
    let subscription = scene.route.subscribe(&request("")).filter(|event| event.data() == "2");
    let mut stream = Subscriber::of(subscription.respond());
    for (data, expected) in [("1", &[][..]), ("2", &[2])] {
        sleep(SECOND).await;
        scene.publish(data);
        stream.read_data();
        scene.check(expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stream_is_not_told_of() {
    let scene = Scene::new(Route::builder());
    let id = scene.publish("1");
    let head = Request::head("/").header("last-event-id", &*id).body(()).unwrap();
    assert_eq!(scene.route.respond(&head).status(), StatusCode::OK);
    let mut events = scene.route.subscribe(&request("")).from_start().into_events();
    assert!(events.next().now_or_never().flatten().is_some());
    // It ends before it is read.
    drop(scene.route.subscribe(&request("")).from_start().respond());
    scene.route.close();
    assert_eq!(scene.route.subscribe(&request(&id)).respond().status(), StatusCode::NO_CONTENT);
    scene.check(&[]);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_panics_ends_no_stream() {
    let route = Route::builder().on_first_event(|_| panic!("of the application")).build();
    let mut streams = [subscribe(&route, ""), subscribe(&route, "")];
    for data in ["1", "2"] {
        route.publish(&Message::new(data)).unwrap();
        for stream in &mut streams {
            assert_eq!(stream.read_data(), [data, "-"]);
        }
    }
}
