//! The texts of errors: what they say, and which secrets they leave out.

mod common;

use common::{
    Answer, Server, Sources as _, client, get, last_error, name, quick, raw, response, soon, stream,
};
use sse_client::{Error, EventSource, Reconnect, ResponseExt as _, reports_error};

/// Returns the errors of a source and of a stream with this answer.
async fn errors(answer: impl Fn() -> Answer + Send + 'static) -> [Error; 2] {
    let server = Server::answering(move |_| answer());
    let events = get(server.url("/events")).await.unwrap().events();
    let mut events = events.fail_at(reports_error);
    let source = server.builder().reconnect(Reconnect::never()).fail_at(reports_error);
    [last_error(&mut source.build().unwrap()).await, soon(events.next()).await.unwrap().unwrap_err()]
}

/// Checks the end of the text, and that the text and the debug output are one short line without control characters.
async fn check(answer: impl Fn() -> Answer + Send + 'static, expected: &str) {
    for error in errors(answer).await {
        assert!(error.to_string().ends_with(expected), "{error}");
        for text in [format!("{error:#}"), format!("{error:?}")] {
            assert!(text.chars().count() < 450, "{text}");
            assert!(!text.contains(char::is_control), "{text}");
        }
    }
}

#[tokio::test]
async fn the_body_of_a_refusal_is_shown_in_one_line() {
    let json = "{\n  \"error\": {\n    \"message\": \"no such key\"\n  }\n}\n";
    for (status, body, expected) in [
        ("401 Unauthorized", json.to_owned(), ": { \"error\": { \"message\": \"no such key\" } }"),
        ("403 Forbidden", "<html>\r\n<title>No</title>\r\n".to_owned(), ": <html> <title>No</title>"),
        ("500 -", "\u{1b}]0;title\u{7}\u{202e}no".to_owned(), ": \\u{1b}]0;title\\u{7}\\u{202e}no"),
        ("529 -", String::new(), "the server answered 529 Overloaded instead of 200 with an event stream"),
        ("555 -", String::new(), "the server answered 555 instead of 200 with an event stream"),
        ("404 -", "no ".repeat(3000), "no no…"),
        (
            "404 -",
            "\n \t".repeat(3000),
            "the server answered 404 Not Found instead of 200 with an event stream",
        ),
    ] {
        let text = format!("{status}\r\nSet-Cookie: {}\r\n\r\n{body}", "a".repeat(5000));
        check(move || response(&text), expected).await;
    }
    for (coding, expected) in [("none", ": no such key"), ("br", "instead of 200 with an event stream")] {
        let text = format!("401 -\r\nContent-Encoding: {coding}\r\n\r\nno such key");
        check(move || response(&text), expected).await;
    }
    let header = "200 OK\r\nContent-Type: text/\u{9b}html; ";
    let text = format!("{header}{}\r\n\r\n", "a".repeat(5000));
    check(move || response(&text), "…`, not text/event-stream; is this the URL of an event stream?").await;
}

#[tokio::test]
async fn the_data_of_an_error_event_is_shown_in_one_line() {
    for (body, expected) in [
        (
            "event: error\ndata: {\ndata:   \"message\": \"no\u{1b}\"\ndata: }\n\n".to_owned(),
            "{ \"message\": \"no\\u{1b}\" }",
        ),
        (format!("event: error\ndata: {}\n\n", "no ".repeat(3000)), "no no…"),
        (format!("data: {{\"error\": \"{}\"}}\n\n", "no".repeat(3000)), "…"),
    ] {
        check(move || stream(&body), expected).await;
    }
}

/// A server that can't be reached, one that closes the connection, and one that does not speak HTTP.
#[tokio::test]
async fn a_missing_and_an_unreadable_response_have_their_own_texts() {
    for (answer, expected) in [
        ("", "the connection broke before there was a response"),
        ("HTTP/1.1 200 OK\r\n", "the connection broke before there was a response"),
        (
            "SSH-2.0-OpenSSH\r\n\r\n",
            "the server's response can't be read: it is not HTTP, or its head is too large",
        ),
        ("<html>\r\n", "the server's response can't be read: it is not HTTP, or its head is too large"),
    ] {
        let server = Server::answering(move |_| raw(answer));
        let error = last_error(&mut server.source_with(Reconnect::never())).await;
        assert_eq!((name(&error).as_str(), error.to_string().as_str()), ("Connect", expected), "{error:#}");
    }
    let server = Server::start([]);
    let client = client();
    let request = client.get(server.url("/")).build().unwrap();
    drop(server);
    let source = EventSource::builder(client, request).reconnect(Reconnect::never());
    let error = last_error(&mut source.build().unwrap()).await;
    assert_eq!(error.to_string(), "the server could not be reached");
}

#[tokio::test]
async fn a_token_in_the_url_is_not_shown() {
    let broken = "200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: 1\n\n";
    for answer in ["HTTP/1.1 200", "no HTTP\r\n\r\n", &format!("HTTP/1.1 {broken}")] {
        let answer = answer.to_owned();
        let server = Server::answering(move |_| raw(answer.clone()));
        let url = server.url("/events?api_key=secret#secret").replace("://", "://name:secret@");
        let builder = || EventSource::builder_for(&url).unwrap().reconnect(Reconnect::never());
        assert!(!format!("{:?}", builder()).contains("secret"), "{:?}", builder());
        let mut source = builder().build().unwrap();
        let error = loop {
            match soon(source.next()).await.unwrap() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        for text in [format!("{error:#}"), format!("{error:?}")] {
            assert!(!text.contains("secret"), "{text}");
        }
        assert!(server.request().await.path().ends_with("?api_key=secret"), "the token is sent");
    }
    for url in ["a.b/c?secret", "ftp://a.b/c?secret", "https://name:secret@a b/c"] {
        let error = EventSource::get(url).unwrap_err();
        assert!(!format!("{error:#} {error:?}").contains("secret"), "{error:?}");
    }
    let client = client();
    let request = client.get("ftp://a.b/c?secret").build().unwrap();
    let error = last_error(&mut EventSource::builder(client, request).build().unwrap()).await;
    assert!(!format!("{error:#} {error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_token_in_the_request_of_an_attempt_is_not_shown() {
    let server = Server::start([stream("data: 1\n\n").held()]);
    let client = client();
    let request = client.get(server.url("/?secret")).header("x-api-key", "secret").build().unwrap();
    let source = EventSource::builder(client, request).reconnect(quick()).on_attempt(async |attempt| {
        assert!(!format!("{attempt:?}").contains("secret"), "{attempt:?}");
        Ok::<_, Error>(attempt.request)
    });
    assert!(soon(source.build().unwrap().next()).await.unwrap().is_ok());
}

/// Another attempt would fail as well, so no policy tries again.
#[cfg(feature = "default-tls")]
#[tokio::test]
async fn an_untrusted_server_is_an_error_at_once() {
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring::default_provider;

    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], signing_key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The handshake fails, because the client does not trust the certificate.
            _ = acceptor.accept(stream).await;
        }
    });
    let mut source = EventSource::get(format!("https://{address}/")).unwrap();
    let error = last_error(&mut source).await;
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert!(error.to_string().starts_with("the server's certificate is not trusted"), "{error}");

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let mut source = EventSource::get(url).unwrap();
    let error = last_error(&mut source).await;
    assert!(matches!(error, Error::Tls(_)), "{error:#?}");
    assert!(error.to_string().starts_with("the server does not speak TLS"), "{error}");
}
