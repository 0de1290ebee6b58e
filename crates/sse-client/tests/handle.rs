//! Handles, and several sources of one builder.

mod common;

use std::io::Read as _;
use std::thread;
use std::time::Duration;

use common::{Answer, Log, Server, Sources as _, event, next, raw, soon, status, stream};
use sse_client::{Error, Handle, Notice, ReadyState, Reconnect};
use tokio::sync::mpsc;

/// Returns an answer that reports when the client has closed the connection.
fn told(answer: Answer) -> (Answer, mpsc::UnboundedReceiver<()>) {
    let (hung_up, told) = mpsc::unbounded_channel();
    let answer = answer.then(move |mut stream| {
        _ = stream.read(&mut [0]);
        hung_up.send(()).unwrap();
    });
    (answer, told)
}

#[tokio::test]
async fn another_thread_can_close_a_source() {
    for answer in [raw(""), stream(""), stream("data: 1\n\n"), status(503)] {
        let (answer, mut hung_up) = told(answer);
        let server = Server::start([answer]);
        let (handle, log) = (Handle::new(), Log::default());
        let policy = Reconnect::new().backoff(Duration::from_secs(600)..=Duration::from_secs(600));
        let source = server.builder().reconnect(policy).handle(&handle).on_notice(log.observer());
        let mut source = source.build().unwrap();
        let reading = tokio::spawn(async move {
            while source.next().await.is_some() {}
            source.ready_state()
        });
        server.request().await;
        thread::spawn(move || handle.close()).join().unwrap();
        assert_eq!(soon(reading).await.unwrap(), ReadyState::Closed);
        soon(hung_up.recv()).await.unwrap();
        assert_eq!(log.entries().last().unwrap(), "closed");
    }
}

/// No event follows, not even one that was received already.
#[tokio::test]
async fn an_observer_can_close_its_source() {
    for at in ["opened", "received", "id"] {
        let server = Server::start([stream("id: a\ndata: 1\n\ndata: 2\n\n").held()]);
        let handle = Handle::new();
        let closing = handle.clone();
        let source = server.builder().handle(&handle).on_notice(move |notice| match notice {
            Notice::Opened { .. } if at == "opened" => closing.close(),
            Notice::Received(_) if at == "received" => closing.close(),
            Notice::LastEventId(_) if at == "id" => closing.close(),
            _ => {}
        });
        let mut source = source.build().unwrap();
        assert!(soon(source.next()).await.is_none(), "{at}");
        assert_eq!(source.ready_state(), ReadyState::Closed);
        assert!(handle.is_closed());
        assert!(
            soon(server.builder().handle(&handle).build().unwrap().next()).await.is_none(),
            "later sources are closed as well"
        );
    }
}

#[tokio::test]
async fn a_handle_reconnects_a_source() {
    let (first, mut hung_up) = told(stream("id: a\ndata: 1\n\n"));
    let server = Server::start([first, status(503), stream("data: 2\n\n").held()]);
    let (handle, log) = (Handle::new(), Log::default());
    let hour = Duration::from_secs(3600);
    let source = server.builder().reconnect(Reconnect::new().backoff(hour..=hour));
    let mut source = source.handle(&handle).on_notice(log.observer()).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", "a"));
    // It closes the connection. A second reconnect ends the wait after the 503.
    let steering = tokio::spawn(async move {
        while log.entries().len() < 2 {
            handle.reconnect();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        handle.reconnect();
        log
    });
    assert_eq!(next(&mut source).await, event("2", "a"));
    soon(hung_up.recv()).await.unwrap();
    let entries = steering.await.unwrap().entries();
    assert_eq!(entries, ["opened", "wait after Status", "opened"]);
    assert_eq!(server.requests()[1].header("last-event-id"), Some("a"));
    source.close();
    source.reconnect();
    assert!(soon(source.next()).await.is_none(), "a closed source stays closed");
}

#[tokio::test]
async fn a_handle_closes_all_its_sources() {
    let server = Server::answering(|_| stream("data: 1\n\n").held());
    let handle = Handle::new();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let mut source = server.builder().handle(&handle).build().unwrap();
        assert_eq!(next(&mut source).await, event("1", ""));
        tasks.push(tokio::spawn(async move { source.next().await.is_none() }));
    }
    tokio::task::yield_now().await;
    handle.close();
    for task in tasks {
        assert!(soon(task).await.unwrap());
    }
}

#[tokio::test]
async fn a_builder_can_build_many_sources() {
    let server = Server::answering(|request| {
        assert_eq!(request.header("x-attempt"), Some("yes"));
        stream("data: 1\n\ndata: skipped\n\ndata: 2\n\ndata: [DONE]\n\n")
    });
    let log = Log::default();
    let builder = server
        .builder()
        .header("x-attempt".parse().unwrap(), "yes".parse().unwrap())
        .on_attempt(async |attempt| Ok::<_, Error>(attempt.request))
        .on_notice(log.observer())
        .skip_if(|event| event.data() == "skipped")
        .end_at("[DONE]");
    for source in [builder.clone(), builder.clone(), builder] {
        let mut source = source.build().unwrap();
        assert_eq!(next(&mut source).await, event("1", ""));
        assert_eq!(next(&mut source).await, event("2", ""));
        assert!(soon(source.next()).await.is_none());
    }
    assert_eq!(log.entries(), ["opened", "closed"].repeat(3));
}
