//! What the application is told of the first event of a stream.

use std::net::Shutdown as Half;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::server::{Connection, Server, WAYS, publish, quiet, until};

/// The time from the request to the first event is at least that from the subscription to the event, and at most that
/// which the client sees.
#[test]
fn the_first_event_is_told_once_for_each_stream() {
    for way in WAYS {
        let told = Arc::<Mutex<Vec<Duration>>>::default();
        let tell = told.clone();
        let route = quiet().on_first_event(move |waited| tell.lock().unwrap().push(waited)).build();
        let server = Server::of(way, &route);
        let begun = Instant::now();
        let mut streams = [(); 3].map(|()| Connection::get(server.address));
        until("all are subscribed", || route.subscribers() == 3);
        let subscribed = Instant::now();
        // A peer that leaves before the first event.
        streams[0].socket.shutdown(Half::Both).unwrap();
        until("it is unsubscribed", || route.subscribers() == 2);
        let least = subscribed.elapsed();
        publish(&route, "1");
        for stream in &mut streams[1..] {
            stream.read_until("data: 1\n");
        }
        until("both are told", || told.lock().unwrap().len() == 2);
        publish(&route, "2");
        for stream in &mut streams[1..] {
            stream.read_until("data: 2\n");
        }
        let (told, most) = (told.lock().unwrap().clone(), begun.elapsed());
        assert!(told.len() == 2 && told.iter().all(|told| (least..most).contains(told)), "{way:?}: {told:?}");
    }
}

/// The function of the application runs on the thread that writes the streams.
#[test]
fn a_function_that_panics_ends_no_stream() {
    for way in WAYS {
        let route = quiet().on_first_event(|_| panic!("of the application")).build();
        let server = Server::of(way, &route);
        let mut streams = [(); 2].map(|()| Connection::get(server.address));
        for data in ["1", "2"] {
            publish(&route, data);
            for stream in &mut streams {
                stream.read_until(&format!("data: {data}\n"));
            }
        }
    }
}
