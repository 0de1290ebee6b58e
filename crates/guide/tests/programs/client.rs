//! A client against a server that does as the test says.

// region: client
use sse_client::{Error, EventSource};
use sse_testing::{Answer, Server};

/// The client under test: the sum of all numbers of a feed that ends.
async fn sum(url: &str) -> Result<u64, Error> {
    let mut source = EventSource::get(url)?;
    let mut sum = 0;
    while let Some(event) = source.next().await {
        sum += event?.data().parse::<u64>().unwrap_or_default();
    }
    Ok(sum)
}

#[tokio::test]
async fn no_number_is_missing_when_the_connection_breaks() {
    let server = Server::start([
        // The connection ends in the middle of the second event.
        Answer::stream("retry: 100\nid: 1\ndata: 1\n\nid: 2\nda"),
        Answer::stream("id: 2\ndata: 2\n\n"),
        // There is no more.
        Answer::status(204),
    ]);
    assert_eq!(sum(&server.url("/numbers")).await.unwrap(), 3);

    let ids = server
        .requests()
        .iter()
        .map(|request| request.header("last-event-id").map(str::to_owned))
        .collect::<Vec<_>>();
    assert_eq!(ids, [None, Some("1".into()), Some("2".into())]);
}
// endregion
