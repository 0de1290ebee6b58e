//! The proxy, before a chat API that does as the test says.

use sse_client::ResponseExt as _;
use sse_client::reqwest::Response;
use sse_testing::{Answer, Server};

use crate::program::Program;
use crate::{http_client, rest};

const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"one \"}}]}\n\n";

async fn ask(proxy: &Program) -> Response {
    let question = http_client().post(proxy.url("/chat"));
    let response = question.header("content-type", "application/json").body(r#"{"prompt":"Count!"}"#);
    response.send().await.expect("an answer")
}

fn proxy_to(api: &Server) -> Program {
    let variables = [("OPENAI_BASE_URL", &*api.url("/v1")), ("OPENAI_API_KEY", "secret")];
    Program::start_with(env!("CARGO_BIN_EXE_proxy"), &[], &variables)
}

/// Checks which events the client gets when the API gives these answers.
async fn check(answers: Vec<Answer>, expected: &[(&str, &str)]) {
    let requests = answers.len();
    let api = Server::start(answers);
    let proxy = proxy_to(&api);
    let seen = rest(ask(&proxy).await.events()).await;
    let found: Vec<_> = seen.iter().map(|event| (event.event_type(), event.data())).collect();
    assert_eq!(found, expected);
    let sent = api.requests();
    assert_eq!(sent.len(), requests);
    for request in sent {
        assert_eq!(request.path(), "/v1/chat/completions");
        assert_eq!(request.header("authorization"), Some("Bearer secret"));
        assert!(request.body().contains(r#""content":"Count!""#), "{}", request.body());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_how_the_answer_ended() {
    let one = ("token", "\"one \"");
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    let whole = format!("{role}{TOKEN}data: [DONE]\n\n");
    check(vec![Answer::stream(&whole)], &[one, ("done", "{}")]).await;

    check(vec![Answer::stream(TOKEN)], &[one, ("failed", r#"{"reason":"the answer was cut off"}"#)]).await;

    let failed = format!("{TOKEN}data: {{\"error\":{{\"message\":\"overloaded\"}}}}\n\n");
    check(vec![Answer::stream(&failed)], &[one, ("failed", r#"{"reason":"the model failed"}"#)]).await;

    let busy = || Answer::response("429 -\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    check(vec![busy(), Answer::stream(&whole)], &[one, ("done", "{}")]).await;

    let refused = Answer::response("401 -\r\nContent-Length: 0\r\n\r\n");
    check(vec![refused], &[("failed", r#"{"reason":"there is no answer"}"#)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_the_request_to_the_api() {
    let (ended, end) = std::sync::mpsc::channel();
    let api = Server::start([Answer::stream(TOKEN).then(move |mut socket| {
        // Returns when the proxy closes its connection.
        let read = std::io::Read::read(&mut socket, &mut [0]);
        _ = ended.send(read.map_or(0, |length| length));
    })]);
    let proxy = proxy_to(&api);
    let mut events = ask(&proxy).await.events();
    assert_eq!(events.next().await.unwrap().unwrap().event_type(), "token");
    drop(events);
    let read = tokio::task::spawn_blocking(move || end.recv_timeout(crate::SOON)).await.unwrap();
    assert_eq!(read, Ok(0), "the request has ended");
}
