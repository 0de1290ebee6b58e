//! Comments, in the order of the stream.

mod common;

use common::{Server, Sources as _, client, soon, status, stream};
use sse_client::{Error, Item, ResponseExt as _};

fn shown(item: Result<Item, Error>) -> String {
    match item {
        Ok(Item::Event(event)) => event.into_data(),
        Ok(Item::Comment(text)) => format!(":{text}"),
        Ok(other) => panic!("{other:?}"),
        Err(error) => format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
    }
}

/// Checks the items of a body, in several cuts.
async fn check(body: &str, expected: &[&str]) {
    for cut in 0..body.len() {
        if !body.is_char_boundary(cut) {
            continue;
        }
        let (first, rest) = body.split_at(cut);
        let (first, rest) = (first.to_owned(), rest.to_owned());
        let pause = std::time::Duration::from_millis(5);
        let server = Server::answering(move |_| stream(&first).pause(pause).and(rest.clone()));
        let response = client().get(server.url("/")).send().await.unwrap();
        let mut items = response.events().max_event_bytes(20).with_comments();
        let mut found = Vec::new();
        while let Some(item) = soon(items.next()).await {
            found.push(shown(item));
        }
        assert_eq!(found, expected, "{body:?} cut at {cut}");
    }
}

#[tokio::test]
async fn comments_are_returned_in_the_order_of_the_stream() {
    check(": a\n\ndata: 1\n\n:b\n: c\n\ndata: 2\n\n: d\n", &[":a", "1", ":b", ":c", "2", ":d"]).await;
    check("data: 1\n: in the middle\ndata: 2\n\n:\r\ndata: 3\r\n\r\n", &[":in the middle", "1\n2", ":", "3"])
        .await;
    check("id: 1\n\n: a\n\nevent: x\n\n: b\n\ndata\n\n: é\n", &[":a", ":b", "", ":é"]).await;
    check("data: 123456789012345678901\n\n: a\ndata: 2\n\n: unfinished", &["TooLarge", ":a", "2"]).await;
}

#[tokio::test]
async fn comments_are_returned_over_reconnects_up_to_the_end() {
    let server = Server::start([stream(": a\ndata: 1\n\n: cut"), stream("data: 2\n\n: b\n"), status(204)]);
    let mut items = server.source().with_comments();
    let mut found = Vec::new();
    while let Some(item) = soon(items.next()).await {
        found.push(shown(item));
    }
    assert_eq!(found, [":a", "1", "2", ":b"]);

    let server =
        Server::start([stream("data: skip\n\n: a\n\ndata: 1\n\n: b\n\ndata: [DONE]\n\n: c\n\n").held()]);
    let source = server.builder().end_at("[DONE]").skip_if(|event| event.data() == "skip");
    let mut items = source.build().unwrap().with_comments();
    let mut found = Vec::new();
    while let Some(item) = soon(items.next()).await {
        found.push(shown(item));
    }
    assert_eq!(found, [":a", "1", ":b"]);
}

/// The events and comments around it are returned.
#[tokio::test]
async fn a_comment_that_is_too_long_is_skipped_with_an_error() {
    let long = "x".repeat(8 * 1024 + 1);
    let fits = &long[1..];
    let body = format!(": {long}\n: a\ndata: 1\n:{fits}\n: {long}\ndata: 2\n\n: b\n");
    let server = Server::start([stream(&body)]);
    let response = client().get(server.url("/")).send().await.unwrap();
    let mut items = response.events().with_comments();
    let mut found = Vec::new();
    while let Some(item) = soon(items.next()).await {
        if let Err(error) = &item {
            assert!(!error.is_final());
            assert_eq!(
                error.to_string(),
                "a comment is longer than 8192 bytes; longer ones are always dropped"
            );
        }
        found.push(shown(item));
    }
    assert_eq!(found, ["TooLarge", ":a", &format!(":{fits}"), "TooLarge", "1\n2", ":b"]);
}
