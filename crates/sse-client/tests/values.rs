//! Endings, error events, values of the caller's type, and iterators.

mod common;

use common::{Log, Server, Sources as _, event, get, last_error, next, soon, status, stream};
use sse_client::{Error, Event, ReadyState, Reconnect, ResponseExt as _, Typed};

// Events that end a stream

#[tokio::test]
async fn an_event_can_end_the_stream() {
    let body = "data: 1\n\ndata: [DONE]!\n\ndata: [DONE] \n\ndata: 2\n\n";
    let server = Server::answering(move |_| stream(body));
    let log = Log::default();
    let mut source = server.builder().end_at("[DONE]").on_notice(log.observer()).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(next(&mut source).await, event("[DONE]!", ""), "other data does not end the stream");
    assert!(soon(source.next()).await.is_none());
    assert!(soon(source.next()).await.is_none());
    assert_eq!(source.ready_state(), ReadyState::Closed);
    assert_eq!(log.entries(), ["opened", "closed"]);
    assert_eq!(server.requests().len(), 1);

    let mut events = get(server.url("/events")).await.unwrap().events().end_at("[DONE]");
    for data in ["1", "[DONE]!"] {
        assert_eq!(soon(events.next()).await.unwrap().unwrap().data(), data);
    }
    assert!(soon(events.next()).await.is_none());
    assert!(soon(events.next()).await.is_none());
}

#[tokio::test]
async fn a_stream_without_its_ending_is_incomplete() {
    let server = Server::answering(|_| stream("data: 1\n\n"));
    let mut events = get(server.url("/events")).await.unwrap().events().end_at("[DONE]");
    assert_eq!(soon(events.next()).await.unwrap().unwrap().data(), "1");
    assert!(matches!(soon(events.next()).await, Some(Err(Error::Incomplete))));
    assert!(soon(events.next()).await.is_none());

    let once = server.builder().reconnect(Reconnect::never()).end_at("[DONE]");
    let mut once = once.build().unwrap();
    assert_eq!(next(&mut once).await, event("1", ""));
    assert!(matches!(last_error(&mut once).await, Error::Incomplete));

    let mut again = server.builder().end_at("[DONE]").build().unwrap();
    for _ in 0..3 {
        assert_eq!(
            next(&mut again).await,
            event("1", ""),
            "the stream goes on after the end of a connection"
        );
    }
}

#[tokio::test]
async fn an_event_can_be_an_error() {
    let body = "data: 1\n\nevent: error\ndata: overloaded\nid: a\n\ndata: 2\n\n";
    let server = Server::answering(move |_| stream(body));
    let is_error = |event: &Event| event.event_type() == "error";
    let log = Log::default();
    let mut source = server.builder().fail_at(is_error).on_notice(log.observer()).build().unwrap();
    let mut events = get(server.url("/events")).await.unwrap().events().fail_at(is_error);
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(soon(events.next()).await.unwrap().unwrap().data(), "1");
    for error in [last_error(&mut source).await, soon(events.next()).await.unwrap().unwrap_err()] {
        assert_eq!(error.to_string(), "the server sent an error: overloaded");
        let Error::Event(event) = error else { panic!("{error:?}") };
        assert_eq!((event.event_type(), event.data(), event.last_event_id()), ("error", "overloaded", "a"));
    }
    assert!(soon(events.next()).await.is_none());
    assert_eq!(log.entries(), ["opened", "closed after Event"]);
    assert_eq!(server.requests().len(), 2, "no reconnect follows");
}

// Events as values

#[derive(Debug, PartialEq)]
struct Number(u8);

impl TryFrom<Event> for Number {
    type Error = std::num::ParseIntError;

    fn try_from(event: Event) -> Result<Self, Self::Error> {
        event.data().parse().map(Self)
    }
}

#[tokio::test]
async fn an_event_that_can_not_be_converted_is_skipped() {
    let server = Server::answering(|_| stream("data: 1\nid: a\n\ndata: many\nid: b\n\ndata: 3\n\n"));
    let mut source: Typed<_, Number> = server.source().decode();
    let mut events = get(server.url("/events")).await.unwrap().events().decode::<Number>();
    macro_rules! check {
        ($values:expr) => {
            assert_eq!(soon($values.next()).await.unwrap().unwrap(), Number(1));
            let error = soon($values.next()).await.unwrap().unwrap_err();
            assert!(
                !error.is_final() && error.to_string().contains("invalid digit found in string"),
                "{error}"
            );
            let Error::Decode(error) = error else { panic!("{error:?}") };
            let event = (error.event_type(), error.last_event_id(), error.data_start());
            assert_eq!(event, ("message", "b", "many"));
            assert_eq!($values.get_ref().last_event_id(), "b");
            assert_eq!(soon($values.next()).await.unwrap().unwrap(), Number(3));
        };
    }
    check!(source);
    check!(events);
    assert!(soon(events.next()).await.is_none(), "the end of the response");
    assert_eq!(soon(source.next()).await.unwrap().unwrap(), Number(1), "the source goes on");
    assert!(soon(source.next()).await.unwrap().is_err());
    let mut source = source.into_inner();
    assert_eq!(next(&mut source).await, event("3", "b"));
    let mut source = source.decode::<Number>();
    source.get_mut().close();
    assert!(soon(source.next()).await.is_none());
    assert_eq!(source.get_ref().ready_state(), ReadyState::Closed);
}

/// An error that ends a source ends its values.
#[tokio::test]
async fn the_errors_of_a_source_are_those_of_its_values() {
    let server = Server::start([status(404)]);
    let mut source = server.source().decode::<Number>();
    assert!(matches!(soon(source.next()).await, Some(Err(Error::Status(_)))));
    assert!(soon(source.next()).await.is_none());
}

#[cfg(feature = "json")]
#[tokio::test]
async fn data_that_is_not_json_is_skipped() {
    use std::collections::BTreeMap;

    let body = "data: {\"x\":\ndata: 1}\n\ndata: {\"x\": \"one\"}\n\ndata: {\n\ndata: {\"x\":2}\n\n";
    let server = Server::answering(move |_| stream(body));
    let mut source = server.source().json::<BTreeMap<String, u8>>();
    let mut events = get(server.url("/events")).await.unwrap().events().json::<BTreeMap<String, u8>>();
    macro_rules! check {
        ($values:expr) => {
            assert_eq!(soon($values.next()).await.unwrap().unwrap()["x"], 1);
            for _ in 0..2 {
                let error = soon($values.next()).await.unwrap().unwrap_err();
                let Error::Decode(error) = error else { panic!("{error:?}") };
                assert!(error.get_ref().is::<sse_client::JsonError>(), "{error:?}");
            }
            assert_eq!(soon($values.next()).await.unwrap().unwrap()["x"], 2);
        };
    }
    check!(source);
    check!(events);
    assert!(soon(events.next()).await.is_none());
}

#[tokio::test]
async fn keep_alives_that_are_events_can_be_skipped() {
    let body = "data: 1\n\nevent: ping\nid: a\ndata: {}\n\ndata\n\ndata: 2\n\ndata: [DONE]\n\n";
    let server = Server::answering(move |_| stream(body));
    let is_skipped =
        |event: &Event| event.event_type() == "ping" || !event.data().starts_with(char::is_numeric);
    let source = server.builder().end_at("[DONE]").skip_if(is_skipped);
    let mut source = source.build().unwrap().decode::<Number>();
    let events = get(server.url("/events")).await.unwrap().events().end_at("[DONE]");
    let mut events = events.skip_if(is_skipped).decode::<Number>();
    for number in [1, 2] {
        assert_eq!(soon(source.next()).await.unwrap().unwrap(), Number(number));
        assert_eq!(soon(events.next()).await.unwrap().unwrap(), Number(number));
    }
    assert!(soon(source.next()).await.is_none() && soon(events.next()).await.is_none());
    assert_eq!((source.get_ref().last_event_id(), events.get_ref().last_event_id()), ("a", "a"));
}

// Events without async

#[cfg(feature = "blocking")]
mod blocking {
    use tokio::runtime::Runtime;

    use super::*;

    #[test]
    fn an_iterator_reconnects() {
        let server = Server::start([
            stream("data: 1\nid: a\n\n"),
            status(503),
            stream("data: 2\nid: b\n\n"),
            status(204),
        ]);
        let mut events = server.source().blocking();
        let found: Vec<_> = events.by_ref().map(|event| event.unwrap().into_data()).collect();
        assert_eq!(found, ["1", "2"]);
        assert!(events.next().is_none(), "the iterator stays ended");
        assert_eq!(events.get_ref().last_event_id(), "b");
        for id in [None, Some("a"), Some("a"), Some("b")] {
            assert_eq!(server.blocking_request().header("last-event-id"), id);
        }
    }

    #[test]
    fn an_iterator_returns_errors_and_can_be_closed() {
        let server = Server::start([status(404), stream("data: 1\n\ndata: 2\n\n")]);
        let mut events = server.source().blocking();
        assert!(matches!(events.next(), Some(Err(Error::Status(_)))));
        assert!(events.next().is_none());
        let mut events = server.source().blocking();
        assert_eq!(events.next().unwrap().unwrap().data(), "1");
        events.get_mut().close();
        assert!(events.next().is_none());
    }

    /// Between two calls of `next` the runtime does not run, so that it can't close the socket.
    #[test]
    fn closing_an_iterator_closes_its_socket_at_once() {
        use std::io::Read as _;

        let (hung_up, told) = std::sync::mpsc::channel();
        let server = Server::answering(move |_| {
            let hung_up = hung_up.clone();
            stream("data: 1\n\n").then(move |mut stream| {
                _ = stream.read(&mut [0]);
                hung_up.send(()).unwrap();
            })
        });
        let is_told = || told.recv_timeout(std::time::Duration::from_secs(30)).is_ok();
        let mut events = server.source().blocking();
        assert_eq!(events.next().unwrap().unwrap().data(), "1");
        events.get_mut().close();
        assert!(is_told());
        let mut values = server.source().decode::<Number>().blocking();
        assert_eq!(values.next().unwrap().unwrap(), Number(1));
        values.get_mut().get_mut().close();
        assert!(is_told());
        assert!(events.next().is_none() && values.next().is_none());
    }

    #[test]
    fn values_are_returned_with_ids() {
        let server = Server::start([
            stream("data: 1\nid: a\n\ndata: 2\n\n"),
            stream("id\ndata: 3\n\ndata: 4\nid: b\n\n"),
            status(204),
        ]);
        let values = server.source().decode::<Number>().with_ids().blocking();
        let found: Vec<_> =
            values.map(Result::unwrap).map(|value| (value.value.0, value.last_event_id)).collect();
        let expected = [(1, "a"), (2, "a"), (3, ""), (4, "b")].map(|(value, id)| (value, id.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn values_can_be_iterated_over() {
        let server = Server::start([stream("data: 1\n\ndata: many\n\n"), stream("data: 3\n\n"), status(204)]);
        let found: Vec<_> = server.source().decode::<Number>().blocking().map(Result::ok).collect();
        assert_eq!(found, [Some(Number(1)), None, Some(Number(3))]);
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_values_can_be_iterated_over() {
        let server = Server::start([stream("data: 1\n\ndata: many\n\n"), stream("data: 3\n\n"), status(204)]);
        let found: Vec<_> = server.source().json::<u8>().blocking().map(Result::ok).collect();
        assert_eq!(found, [Some(1), None, Some(3)]);
    }

    #[tokio::test]
    async fn within_a_runtime_an_iterator_returns_one_error() {
        let server = Server::start([]);
        let mut events = server.source().blocking();
        assert!(matches!(events.next(), Some(Err(Error::Runtime(_)))));
        assert!(events.next().is_none());
        assert!(events.next().is_none());
    }

    #[test]
    fn within_a_runtime_an_iterator_can_be_dropped() {
        let runtime = Runtime::new().unwrap();
        let server = Server::start([stream("data: 1\n\n").held()]);
        let mut events = server.source().blocking();
        assert_eq!(events.next().unwrap().unwrap().data(), "1");
        runtime.block_on(async move { drop(events) });
    }

    #[test]
    fn within_a_runtime_an_iterator_ends_even_if_it_began_outside() {
        let runtime = Runtime::new().unwrap();
        let server = Server::start([stream("data: 1\n\ndata: 2\n\n").held()]);
        let mut events = server.source().blocking();
        assert_eq!(events.next().unwrap().unwrap().data(), "1");
        runtime.block_on(async {
            assert!(matches!(events.next(), Some(Err(Error::Runtime(_)))));
            assert!(events.next().is_none());
        });
    }
}
