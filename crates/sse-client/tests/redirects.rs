//! Redirects: where they lead, which headers are sent there, and how many are followed.
//!
//! C1 and so on are the rules of `docs/standard.md`.

mod common;

use std::net::TcpListener;

use common::{Server, Sources as _, event, last_error, next, quick, redirect, response, status, stream};
use reqwest::redirect::Policy;
use reqwest::{Client, Request};
use sse_client::{Error, EventSource, client_builder};

/// Returns a client that follows no redirects.
fn client() -> Client {
    client_builder().redirect(Policy::none()).build().unwrap()
}

/// Returns a source that follows this many redirects itself.
fn following(limit: u32, request: Request) -> EventSource {
    EventSource::builder(client(), request).max_redirects(limit).reconnect(quick()).build().unwrap()
}

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// C4: as many redirects as Fetch allows are followed, and no more.
#[tokio::test]
async fn redirects_are_followed_up_to_the_limit() {
    for (limit, redirects) in [(1, 1), (2, 1), (20, 20)] {
        let answers = (0..redirects).map(|number| redirect(STATUSES[number % 5], "/events"));
        let server = Server::start(answers.chain([stream("data: 1\n\n")]));
        let mut source = following(limit, client().get(server.url("/events")).build().unwrap());
        assert_eq!(next(&mut source).await, event("1", ""));
    }
    let server = Server::start((0..20).map(|_| redirect(302, "/events")).chain([stream("data: 1\n\n")]));
    assert_eq!(next(&mut EventSource::get(server.url("/events")).unwrap()).await, event("1", ""));
}

#[tokio::test]
async fn redirects_beyond_the_limit_are_final() {
    for limit in [1, 3, 20] {
        let server = Server::answering(|request| redirect(STATUSES[request.number() % 5], "/events"));
        let mut source = following(limit, client().get(server.url("/events")).build().unwrap());
        let error = last_error(&mut source).await;
        assert!(matches!(error, Error::TooManyRedirects { limit: found, .. } if found == limit), "{error:?}");
        assert_eq!(server.requests().len(), limit as usize + 1);
    }
    let server = Server::answering(|_| redirect(302, "/events"));
    let error = last_error(&mut EventSource::get(server.url("/events")).unwrap()).await;
    assert!(matches!(error, Error::TooManyRedirects { limit: 20, .. }), "{error:?}");
    let error = last_error(&mut server.source()).await;
    assert!(matches!(error, Error::Request(_)), "reqwest's own limit: {error:?}");
}

/// C5: a redirect without a valid `Location` is a status like any other.
#[tokio::test]
async fn a_redirect_without_a_target_is_a_refusal() {
    for answer in [
        || response("302 -\r\nContent-Length: 0\r\n\r\n"),
        || redirect(302, "ftp://127.0.0.1/"),
        || redirect(302, "http://["),
        || redirect(300, "/events"),
        || status(304),
    ] {
        let server = Server::answering(move |_| answer());
        let request = || client().get(server.url("/events")).build().unwrap();
        for mut source in [following(20, request()), following(0, request())] {
            let error = last_error(&mut source).await;
            assert!(matches!(error, Error::Status(_)), "{error:?}");
        }
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_redirect_without_a_target_at_the_limit_is_a_refusal() {
    for answer in [response("302 -\r\nContent-Length: 0\r\n\r\n"), status(304)] {
        let server = Server::start([redirect(302, "/events"), answer]);
        let mut source = following(1, client().get(server.url("/events")).build().unwrap());
        let error = last_error(&mut source).await;
        assert!(matches!(error, Error::Status(_)), "{error:?}");
    }
}

/// Returns a request with secrets and an ID.
fn secret(client: &Client, url: &str) -> Request {
    let request = client.get(url).header("last-event-id", "7").bearer_auth("secret");
    request.header("cookie", "secret").header("x-api-key", "secret").build().unwrap()
}

const SECRETS: [&str; 3] = ["authorization", "cookie", "x-api-key"];

#[tokio::test]
async fn secrets_stay_with_their_origin() {
    for status in STATUSES {
        let there = Server::start([stream("data: 1\n\n")]);
        let here = Server::start([redirect(status, "/elsewhere"), redirect(status, &there.url("/events"))]);
        let mut source = following(20, secret(&client(), &here.url("/events")));
        assert_eq!(next(&mut source).await, event("1", "7"));
        for is_secret in [true, true, false] {
            let request = if is_secret { here.request().await } else { there.request().await };
            for name in SECRETS {
                assert_eq!(request.header(name).is_some(), is_secret, "{status}: {name}");
            }
            assert_eq!(request.header("last-event-id"), Some("7"));
            assert_eq!(request.header("accept"), Some("text/event-stream"));
        }
    }
}

#[tokio::test]
async fn secrets_are_not_sent_again_after_a_detour() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let back = format!("http://{}/back", listener.local_addr().unwrap());
    let there = Server::start([redirect(307, &back)]);
    let here = Server::start_on(listener, [redirect(307, &there.url("/events")), stream("data: 1\n\n")]);
    let mut source = following(20, secret(&client(), &here.url("/events")));
    assert_eq!(next(&mut source).await, event("1", "7"));
    for is_secret in [true, false] {
        let request = here.request().await;
        for name in SECRETS {
            assert_eq!(request.header(name).is_some(), is_secret, "{request}");
        }
    }
}

/// What reqwest does if the client follows redirects.
#[tokio::test]
async fn redirects_of_the_client_keep_the_secrets_that_it_knows() {
    let there = Server::start([stream("data: 1\n\n")]);
    let here = Server::start([redirect(307, &there.url("/events"))]);
    let client = common::client();
    let request = secret(&client, &here.url("/events"));
    let mut source = EventSource::builder(client, request).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", "7"));
    let request = there.request().await;
    assert_eq!((request.header("authorization"), request.header("cookie")), (None, None));
    assert_eq!(request.header("last-event-id"), Some("7"));
}

#[tokio::test]
async fn a_redirect_keeps_the_body_or_becomes_a_get() {
    for (status, keeps) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let server = Server::start([redirect(status, "/elsewhere"), stream("data: 1\n\n")]);
        let request =
            client().post(server.url("/events")).header("content-type", "text/plain").body("question");
        let mut source = following(20, request.build().unwrap());
        assert_eq!(next(&mut source).await, event("1", ""));
        server.request().await;
        let second = server.request().await;
        let expected = if keeps { ("POST", "question") } else { ("GET", "") };
        assert_eq!((second.method(), second.body()), expected, "{status}: {second}");
        assert_eq!(second.path(), "/elsewhere");
        assert_eq!(second.header("content-type").is_some(), keeps, "{status}");
    }
}

/// C17, C18: the URL of the source stays the same.
#[tokio::test]
async fn a_reconnect_begins_with_the_first_url() {
    for status in STATUSES {
        let there = Server::start([stream("data: 1\nid: a\n\n"), stream("data: 2\n\n")]);
        let here =
            Server::start([redirect(status, &there.url("/events")), redirect(status, &there.url("/events"))]);
        let mut source = following(20, secret(&client(), &here.url("/events")));
        assert_eq!(next(&mut source).await, event("1", "a"));
        assert_eq!(next(&mut source).await, event("2", "a"));
        for id in ["7", "a"] {
            let (first, second) = (here.request().await, there.request().await);
            assert_eq!([&first, &second].map(|request| request.header("last-event-id")), [Some(id); 2]);
            assert!(
                first.header("authorization").is_some(),
                "the request goes to the origin of the secrets again"
            );
        }
    }
}
