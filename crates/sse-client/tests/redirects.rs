//! Where redirects lead, what goes along, and where they end.
//!
//! C1 and so on are the rules of `docs/standard.md`.

mod common;

use common::{Server, event, header, last_error, next, quick, redirect, response, status, stream};
use reqwest::redirect::Policy;
use reqwest::{Client, Request};
use sse_client::{Error, EventSource};
use tokio::net::TcpListener;

/// A client that leaves redirects alone.
fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// A source that follows so many redirects itself.
fn following(limit: u32, request: Request) -> EventSource {
    EventSource::builder(client(), request).max_redirects(limit).reconnect(quick()).build().unwrap()
}

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// C4: as many redirects as Fetch allows are followed, and no more.
#[tokio::test]
async fn redirects_are_followed_up_to_the_limit() {
    for (limit, redirects) in [(1, 1), (2, 1), (20, 20)] {
        let answers = (0..redirects).map(|number| redirect(STATUSES[number % 5], "/events"));
        let server = Server::start(answers.chain([stream("data: 1\n\n")])).await;
        let mut source = following(limit, client().get(&server.url).build().unwrap());
        assert_eq!(next(&mut source).await, event("1", ""));
    }
    let server =
        Server::start((0..20).map(|_| redirect(302, "/events")).chain([stream("data: 1\n\n")])).await;
    assert_eq!(next(&mut EventSource::get(&server.url).unwrap()).await, event("1", ""));
}

#[tokio::test]
async fn redirects_beyond_the_limit_are_final() {
    for limit in [1, 3, 20] {
        let server = Server::answering(|number, _| redirect(STATUSES[number % 5], "/events")).await;
        let mut source = following(limit, client().get(&server.url).build().unwrap());
        let error = last_error(&mut source).await;
        assert!(matches!(error, Error::TooManyRedirects { limit: found, .. } if found == limit), "{error:?}");
        assert_eq!(server.more_requests(), limit as usize + 1);
    }
    let server = Server::answering(|_, _| redirect(302, "/events")).await;
    let error = last_error(&mut EventSource::get(&server.url).unwrap()).await;
    assert!(matches!(error, Error::TooManyRedirects { limit: 20, .. }), "{error:?}");
    let error = last_error(&mut server.source()).await;
    assert!(matches!(error, Error::Request(_)), "reqwest's own limit: {error:?}");
}

/// C5: a redirect that leads nowhere is a status like any other.
#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_a_refusal() {
    for answer in [
        || response("302 -\r\nContent-Length: 0\r\n\r\n"),
        || redirect(302, "ftp://127.0.0.1/"),
        || redirect(302, "http://["),
        || redirect(300, "/events"),
        || status(304),
    ] {
        let server = Server::answering(move |_, _| answer()).await;
        let request = || client().get(&server.url).build().unwrap();
        for mut source in [following(20, request()), following(0, request())] {
            let error = last_error(&mut source).await;
            assert!(matches!(error, Error::Status(_)), "{error:?}");
        }
        assert_eq!(server.more_requests(), 2);
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_a_refusal_also_at_the_limit() {
    for answer in [response("302 -\r\nContent-Length: 0\r\n\r\n"), status(304)] {
        let server = Server::start([redirect(302, "/events"), answer]).await;
        let mut source = following(1, client().get(&server.url).build().unwrap());
        let error = last_error(&mut source).await;
        assert!(matches!(error, Error::Status(_)), "{error:?}");
    }
}

/// A request with secrets, and an ID.
fn secret(client: &Client, url: &str) -> Request {
    let request = client.get(url).header("last-event-id", "7").bearer_auth("secret");
    request.header("cookie", "secret").header("x-api-key", "secret").build().unwrap()
}

const SECRETS: [&str; 3] = ["authorization", "cookie", "x-api-key"];

#[tokio::test]
async fn secrets_stay_with_their_origin() {
    for status in STATUSES {
        let mut there = Server::start([stream("data: 1\n\n")]).await;
        let mut here = Server::start([redirect(status, "/elsewhere"), redirect(status, &there.url)]).await;
        let mut source = following(20, secret(&client(), &here.url));
        assert_eq!(next(&mut source).await, event("1", "7"));
        for is_secret in [true, true, false] {
            let request = if is_secret { here.request().await } else { there.request().await };
            for name in SECRETS {
                assert_eq!(header(&request, name).is_some(), is_secret, "{status}: {name}");
            }
            assert_eq!(header(&request, "last-event-id"), Some("7"));
            assert_eq!(header(&request, "accept"), Some("text/event-stream"));
        }
    }
}

#[tokio::test]
async fn secrets_do_not_come_back_by_a_detour() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let back = format!("http://{}/back", listener.local_addr().unwrap());
    let there = Server::start([redirect(307, &back)]).await;
    let mut answers = [redirect(307, &there.url), stream("data: 1\n\n")].into_iter();
    let mut here = Server::on(listener, 2, move |_, _| answers.next().unwrap());
    let mut source = following(20, secret(&client(), &here.url));
    assert_eq!(next(&mut source).await, event("1", "7"));
    for is_secret in [true, false] {
        let request = here.request().await;
        for name in SECRETS {
            assert_eq!(header(&request, name).is_some(), is_secret, "{request}");
        }
    }
}

/// What reqwest does, where redirects are left to it.
#[tokio::test]
async fn the_clients_own_redirects_keep_what_it_knows_to_be_secret() {
    let mut there = Server::start([stream("data: 1\n\n")]).await;
    let here = Server::start([redirect(307, &there.url)]).await;
    let client = Client::new();
    let request = secret(&client, &here.url);
    let mut source = EventSource::builder(client, request).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", "7"));
    let request = there.request().await;
    assert_eq!((header(&request, "authorization"), header(&request, "cookie")), (None, None));
    assert_eq!(header(&request, "last-event-id"), Some("7"));
}

#[tokio::test]
async fn a_redirect_keeps_a_body_or_makes_it_a_get() {
    for (status, keeps) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let mut server = Server::start([redirect(status, "/elsewhere"), stream("data: 1\n\n")]).await;
        let request = client().post(&server.url).header("content-type", "text/plain").body("question");
        let mut source = following(20, request.build().unwrap());
        assert_eq!(next(&mut source).await, event("1", ""));
        server.request().await;
        let second = server.request().await;
        let (start, end) =
            if keeps { ("post /elsewhere ", "question") } else { ("get /elsewhere ", "\r\n\r\n") };
        assert!(second.starts_with(start) && second.ends_with(end), "{status}: {second}");
        assert_eq!(header(&second, "content-type").is_some(), keeps, "{status}");
    }
}

/// C17, C18: the URL stays the one that was asked first.
#[tokio::test]
async fn a_reconnect_begins_with_the_first_url() {
    for status in STATUSES {
        let mut there = Server::start([stream("data: 1\nid: a\n\n"), stream("data: 2\n\n")]).await;
        let mut here = Server::start([redirect(status, &there.url), redirect(status, &there.url)]).await;
        let mut source = following(20, secret(&client(), &here.url));
        assert_eq!(next(&mut source).await, event("1", "a"));
        assert_eq!(next(&mut source).await, event("2", "a"));
        for id in ["7", "a"] {
            let (first, second) = (here.request().await, there.request().await);
            assert_eq!([&first, &second].map(|request| header(request, "last-event-id")), [Some(id); 2]);
            assert!(header(&first, "authorization").is_some(), "it is the origin of the secrets again");
        }
    }
}
