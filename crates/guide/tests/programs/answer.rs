//! The answer that outlives its connection.

use sse_client::EventSource;

use crate::program::Program;
use crate::{check_data, http_client, next, post, rest};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_without_its_reader_and_is_read_to_its_end() {
    let server = Program::start(env!("CARGO_BIN_EXE_answer"), &[]);
    let created = post(&server.url("/answers"), "one two three").await;
    assert_eq!(created.status(), 201);
    let url = server.url(created.headers()["location"].to_str().unwrap());

    let mut first = EventSource::get(&url).unwrap();
    check_data(&[next(&mut first).await], &["\"one \""]);
    let id = first.last_event_id().to_owned();
    drop(first);

    let mut again = EventSource::builder_for(&url).unwrap().stored_event_id(&id).unwrap().build().unwrap();
    // The client comes again after the end of the response, is answered with 204, and knows that there is no more.
    let events = rest(&mut again).await;
    check_data(&events, &["\"two \"", "\"three\"", "{}"]);
    assert_eq!(events[2].event_type(), "done");

    // A client that comes late gets all of it.
    let events = rest(EventSource::get(&url).unwrap()).await;
    check_data(&events, &["\"one \"", "\"two \"", "\"three\"", "{}"]);

    let unknown = http_client().get(server.url("/answers/0")).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}
