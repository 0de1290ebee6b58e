//! Runs the examples as a user does, and checks their output.

#![cfg(all(feature = "blocking", feature = "json"))]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use common::{Answer, Server, response, status, stream};

/// Builds the examples and returns their folder.
static EXAMPLES: LazyLock<PathBuf> = LazyLock::new(|| {
    test_support::programs::build("sse-client", &["--examples", "--all-features"]).join("examples")
});

fn example(name: &str) -> Command {
    let mut command = Command::new(EXAMPLES.join(name));
    for variable in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"] {
        command.env_remove(variable);
    }
    command
}

/// Checks the output to stdout and to stderr, and the exit code.
#[track_caller]
fn check(output: &Output, stdout: &str, stderr: &str, success: bool) {
    let found = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert_eq!((&*found[0], &*found[1], output.status.success()), (stdout, stderr, success));
}

#[test]
fn chat_prints_the_answer() {
    let output = example("chat").arg("one two  three").output().unwrap();
    check(&output, "one two  three\n", "", true);
}

#[test]
fn chat_prints_the_error_of_the_api() {
    let output = example("chat").env("OPENAI_API_KEY", "wrong").output().unwrap();
    let refused = "the server answered 401 Unauthorized instead of 200 with an event stream";
    check(&output, "", &format!("\n{refused}: {{\"error\":{{\"message\":\"the key is wrong\"}}}}\n"), false);
}

#[test]
fn chat_ends_with_an_error_of_the_model() {
    let output = example("chat").arg("one overload three").output().unwrap();
    let error = "\nthe server sent an error: {\"error\":{\"message\":\"the model is overloaded\"}}\n";
    check(&output, "one ", error, false);
}

/// Returns the progress and the result of the tool of the example.
fn counted(token: u8) -> String {
    let progress = (1..=5)
        .map(|n| format!("\"notifications/progress\" {{\"progress\":{n},\"progressToken\":{token}}}\n"));
    progress.chain(["{\"counted\":5,\"resultType\":\"complete\"}\n".to_owned()]).collect()
}

#[test]
fn mcp_makes_one_call() {
    check(&example("mcp_call").output().unwrap(), &counted(1), "", true);
}

#[test]
fn mcp_makes_one_call_over_several_connections_to_an_older_server() {
    check(&example("mcp_call").arg("--older").output().unwrap(), &counted(2), "", true);
}

const STREAM: &str = "200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// Returns the first answers of an older server: it does not know the version, opens a session after an event without
/// data, and accepts the notification.
fn older() -> [Answer; 3] {
    let session = "{\"id\":1,\"result\":{\"protocolVersion\":\"2025-06-18\"}}";
    [
        response("400 -\r\nConnection: close\r\n\r\nmissing session"),
        response(&format!(
            "200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: s\r\n\r\nid: 0\ndata:\n\ndata: {session}\n\n"
        )),
        status(202),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_sends_the_session_to_an_older_server() {
    let answer = "id: 7\nretry: 100\ndata:\n\n";
    let rest = "data: {\"id\":9,\"method\":\"ping\"}\n\ndata: {\"id\":2,\"result\":3}\n\n";
    let server = Server::start(older().into_iter().chain([stream(answer), stream(rest).held(), status(200)]));
    let output = example("mcp_call").arg(server.url("/mcp")).output().unwrap();
    check(&output, "\"ping\" null\n3\n", "", true);
    let requests = server.requests();
    let methods: Vec<_> = requests.iter().map(sse_testing::Request::method).collect();
    assert_eq!(methods, ["POST", "POST", "POST", "POST", "GET", "DELETE"]);
    for request in &requests[2..] {
        assert_eq!(request.header("mcp-session-id"), Some("s"));
        assert_eq!(request.header("mcp-protocol-version"), Some("2025-06-18"));
    }
    assert_eq!(requests[4].header("last-event-id"), Some("7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_does_not_request_another_stream() {
    for first in ["retry: 100\ndata: {\"id\":1,\"method\":\"ping\"}\n\n", "retry: 100\nid: \u{7}\ndata:\n\n"]
    {
        let server = Server::start(
            older().into_iter().chain([stream(first), stream("data: {\"id\":2,\"result\":2}\n\n")]),
        );
        let output = example("mcp_call").arg(server.url("/events")).output().unwrap();
        let stderr = "the request for the next attempt could not be made: the stream ended before it could be resumed\n";
        check(&output, if first.contains("ping") { "\"ping\" null\n" } else { "" }, stderr, false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_prints_the_error_of_the_server() {
    let refusal = |code: i32, data: &str| {
        let error = format!("{{\"code\":{code},\"data\":{data},\"message\":\"no\"}}");
        let answer = format!("400 -\r\nConnection: close\r\n\r\n{{\"id\":1,\"error\":{error}}}");
        (response(&answer), format!("the server refused: {error}\n"))
    };
    let unauthorized = "the server answered 401 Unauthorized instead of 200 with an event stream: no token\n";
    let lost = "the stream ended without a response, so the server has cancelled the call\n";
    let broken = format!("{}Content-Length: 99\r\n\r\n", &STREAM[..STREAM.len() - 2]);
    for (answer, told) in [
        refusal(-32022, "{\"requested\":\"2026-07-28\",\"supported\":[\"2027-01-01\"]}"),
        refusal(-32020, "null"),
        (response("401 -\r\nConnection: close\r\n\r\nno token"), unauthorized.to_owned()),
        (stream("data: {\"id\":2,\"result\":{}}\n\n"), lost.to_owned()),
        (response(&broken), lost.to_owned()),
    ] {
        let server = Server::start([answer]);
        check(&example("mcp_call").arg(server.url("/mcp")).output().unwrap(), "", &told, false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_reads_an_answer_in_json() {
    let json = "200 OK\r\nContent-Type: application/json\r\n\r\n{\"id\":1,\"result\":\"at once\"}";
    let server = Server::start([response(json)]);
    let output = example("mcp_call").args([&server.url("/events"), "weather"]).output().unwrap();
    check(&output, "\"at once\"\n", "", true);
    let request = server.request().await;
    assert_eq!(request.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(request.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(request.header("mcp-method"), Some("tools/call"));
    assert_eq!(request.header("mcp-name"), Some("weather"));
    assert!(request.body().contains("\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_listens_again_when_a_stream_ends() {
    let [first, second] = ["acknowledged", "changed"]
        .map(|method| stream(&format!("retry: 100\ndata: {{\"method\":\"{method}\"}}\n\n")));
    let server = Server::start([first, second, status(404)]);
    let output = example("mcp_call").args([&server.url("/mcp"), "--listen"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "\"acknowledged\" null\n\"changed\" null\n");
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert!(request.method() == "POST" && request.body().contains("subscriptions/listen"), "{request}");
    }
}

#[test]
fn a2a_follows_a_task_after_a_break() {
    let told = "TASK_STATE_SUBMITTED\nTASK_STATE_WORKING\nTASK_STATE_COMPLETED\none two three\n";
    check(&example("a2a_task").output().unwrap(), told, "", true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a2a_sends_its_message_once() {
    let json = |body: &str| response(&format!("200 OK\r\nContent-Type: application/json\r\n\r\n{body}"));
    let task = r#"{"id":"t","status":{"state":"TASK_STATE_COMPLETED"},"artifacts":[{"artifactId":"a","parts":[{"text":"all"}]}]}"#;
    let working = r#"{"id":1,"result":{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}}}}"#;
    let refused = r#"{"id":1,"error":{"code":-32004,"message":"it has ended"}}"#;
    // The task has ended when the client reconnects, so the client gets the task.
    let begin = stream(&format!("retry: 100\ndata: {working}\n\n"));
    let server = Server::start([begin, json(refused), json(&format!(r#"{{"id":1,"result":{task}}}"#))]);
    let output = example("a2a_task").arg(server.url("/")).output().unwrap();
    check(&output, "TASK_STATE_WORKING\nTASK_STATE_COMPLETED\nall\n", "", true);
    let methods = server
        .requests()
        .iter()
        .map(|request| {
            let call: serde_json::Value = serde_json::from_str(request.body()).unwrap();
            call["method"].as_str().unwrap().to_owned()
        })
        .collect::<Vec<_>>();
    assert_eq!(methods, ["SendStreamingMessage", "SubscribeToTask", "GetTask"]);
    // The agent may have received the message, so it is not sent again.
    let server = Server::start([stream("retry: 100\n\n"), stream("")]);
    let output = example("a2a_task").arg(server.url("/")).output().unwrap();
    let stderr = "the request for the next attempt could not be made: the agent named no task\n";
    check(&output, "", stderr, false);
    assert_eq!(server.requests().len(), 1);
    // A refusal is printed in the words of the agent.
    let server = Server::start([stream(&format!("data: {refused}\n\n"))]);
    let output = example("a2a_task").arg(server.url("/")).output().unwrap();
    check(&output, "", &format!("the server sent an error: {refused}\n"), false);
}

#[test]
fn blocking_follows_to_the_end() {
    let missing = "the data of an event of type `message` is not the expected JSON: missing field `cents` at line 1 \
                   column 14; the event was skipped: its type is `message`, its id is `1`, and its data begins with \
                   `{\"name\":\"tea\"}`\n";
    check(&example("blocking").output().unwrap(), "tea: 12.50\nrice: 3.10\ntea: 12.05\n", missing, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_resumes_after_the_stored_id() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let server = Server::start([
        stream("id: a\nretry: 100\ndata: 1\n\n"),
        status(204),
        stream("id: b\nretry: 100\nevent: x\ndata: 2\ndata: 3\n\n"),
        status(204),
    ]);
    let second = format!("{:>16} {:>8} 2\n{:>16} {:>8} 3\n", "b", "x", "", "");
    for expected in [format!("{:>16} {:>8} 1\n", "a", "message"), second] {
        let output = example("tail").arg(server.url("/events")).arg(&state).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        assert!(output.status.success());
    }
    assert_eq!(fs::read_to_string(&state).unwrap(), "b");
    assert!(!server.request().await.head().contains("last-event-id"));
    for id in ["a", "a", "b"] {
        assert!(server.request().await.head().contains(&format!("\r\nlast-event-id: {id}\r\n")));
    }
}

#[test]
fn bad_input_is_an_error() {
    for name in ["tail", "blocking", "mcp_call"] {
        let output = example(name).arg("no url").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && !told.is_empty() && !told.contains("panicked"), "{name}: {told}");
    }
}
