//! The events that end an answer.

mod json;
mod vendor;
mod verdict;

use std::fmt;
use std::sync::Arc;

use sse_codec::Event;

use self::vendor::{Choices, Vendor};
pub use self::verdict::Verdict;

/// Recognizes the event that ends an answer ([`EventStream::end_at`](crate::EventStream::end_at)).
///
/// There are ready endings for some APIs, which also recognize the events that report a failure. You can write others:
///
/// ```
/// use sse_client::{Ending, Verdict};
///
/// let chat = Ending::openai_chat();
/// // The event `done` is returned, and then the stream ends.
/// let after_done = Ending::after(|event| event.event_type() == "done");
/// // The stream ends at an event with this data, which is not returned.
/// let at_eof = Ending::at_data("EOF");
/// // The verdict about each event.
/// let own = Ending::new(|event| match event.event_type() {
///     "result" => Verdict::Last,
///     "fault" => Verdict::Failed,
///     _ => Verdict::More,
/// });
/// ```
///
/// Text is converted into an ending by [`at_data`](Self::at_data).
#[derive(Clone)]
pub struct Ending(Kind);

#[derive(Clone)]
enum Kind {
    Custom(Arc<dyn Fn(&Event) -> Verdict + Send + Sync>),
    Vendor(Vendor),
}

impl Ending {
    /// Creates an ending from a function that returns a verdict about each event.
    pub fn new(judge: impl Fn(&Event) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Kind::Custom(Arc::new(judge)))
    }

    /// Ends the stream after the first event for which `is_last` returns `true`. That event is returned.
    pub fn after(is_last: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        Self::new(move |event| if is_last(event) { Verdict::Last } else { Verdict::More })
    }

    /// Ends the stream at the first event for which `is_end` returns `true`. That event is not returned.
    pub fn before(is_end: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        Self::new(move |event| if is_end(event) { Verdict::End } else { Verdict::More })
    }

    /// Ends the stream at the first event with this data. That event is not returned. White space around the data is
    /// ignored.
    pub fn at_data(data: impl Into<String>) -> Self {
        let data = data.into();
        Self::before(move |event| event.data().trim() == data.trim())
    }

    /// Recognizes the end of an answer of `OpenAI`'s chat completions, and of the many APIs like it. `[DONE]` ends it
    /// and is not returned. The answer is also complete if the response ends when all of its choices have a
    /// `finish_reason`. An event whose JSON has an `error` reports a failure.
    pub fn openai_chat() -> Self {
        Self(Kind::Vendor(Vendor::OpenAiChat))
    }

    /// Recognizes the end of an answer of `OpenAI`'s responses API. It ends with `response.completed` or
    /// `response.incomplete`, which is returned and has the whole response. `response.failed` and `error` report a
    /// failure.
    pub fn openai_responses() -> Self {
        Self(Kind::Vendor(Vendor::OpenAiResponses))
    }

    /// Recognizes the end of an answer of Anthropic's messages API. It ends with `message_stop`, which is returned.
    /// `error` reports a failure.
    pub fn anthropic() -> Self {
        Self(Kind::Vendor(Vendor::Anthropic))
    }

    /// Recognizes the end of an answer of Gemini's `streamGenerateContent` (with `alt=sse`). It is complete if the
    /// response ends when all of its candidates have a `finishReason`, or when the prompt was blocked. An event whose
    /// JSON has an `error` reports a failure.
    pub fn gemini() -> Self {
        Self(Kind::Vendor(Vendor::Gemini))
    }

    /// Recognizes the end of the stream of one request of the Model Context Protocol. It ends with the response to the
    /// request with this `id`. That event, a result or an error, is returned.
    pub fn mcp(id: impl fmt::Display) -> Self {
        Self(Kind::Vendor(Vendor::Mcp { id: id.to_string().into() }))
    }

    /// Recognizes the end of the stream of a task of A2A, the protocol between agents, in version 0.3 or 1.0, with or
    /// without JSON-RPC. It ends with a message, or with a status in which the task has ended or waits for its user.
    /// That event is returned. A JSON-RPC error reports a failure.
    pub fn a2a() -> Self {
        Self(Kind::Vendor(Vendor::A2a))
    }

    fn judge(&self, event: &Event, choices: &mut Choices) -> Verdict {
        match &self.0 {
            Kind::Custom(judge) => judge(event),
            Kind::Vendor(vendor) => vendor.judge(event, choices),
        }
    }
}

impl<T: Into<String>> From<T> for Ending {
    fn from(data: T) -> Self {
        Self::at_data(data)
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Custom(_) => f.debug_struct("Ending").finish_non_exhaustive(),
            Kind::Vendor(vendor) => f.debug_tuple("Ending").field(vendor).finish(),
        }
    }
}

/// Returns true if an event reports a failure in the form of most APIs: its type is `error`, or its data is a JSON
/// object with an `error` that is neither `null` nor `false`.
///
/// ```
/// use sse_client::{ResponseExt as _, reports_error};
///
/// # fn example(response: sse_client::reqwest::Response) {
/// let events = response.events().end_at("EOF").fail_at(reports_error);
/// # }
/// ```
pub fn reports_error(event: &Event) -> bool {
    event.event_type() == "error" || vendor::has_error(event.data())
}

/// Follows an answer to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    ending: Option<Ending>,
    choices: Choices,
    may_end: bool,
}

impl Progress {
    pub(super) fn set_ending(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    pub(super) fn has_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Returns the verdict about the next event.
    pub(super) fn judge(&mut self, event: &Event) -> Verdict {
        let Some(ending) = &self.ending else { return Verdict::More };
        let verdict = ending.judge(event, &mut self.choices);
        self.may_end = verdict == Verdict::MayEnd;
        verdict
    }

    /// Returns true if the answer is complete when the response ends now.
    pub(super) fn may_end(&self) -> bool {
        self.may_end
    }

    /// Returns true if the answer is not complete when the response ends now.
    pub(super) fn lacks_end(&self) -> bool {
        self.ending.is_some() && !self.may_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_codec::Decoder;

    /// Checks the verdict about each event of `stream`.
    #[track_caller]
    fn check(ending: Ending, stream: &str, expected: &[Verdict]) {
        let mut progress = Progress::default();
        progress.set_ending(ending);
        let (mut decoder, mut rest, mut found) = (Decoder::new(), stream.as_bytes(), Vec::new());
        while let Some(event) = decoder.next_event(&mut rest).unwrap() {
            found.push(progress.judge(&event.to_event()));
        }
        assert_eq!(found, expected, "{stream}");
    }

    /// Checks the verdict about an event with this data and no type.
    #[track_caller]
    fn check_data(ending: &Ending, data: &str, expected: Verdict) {
        check(ending.clone(), &format!("data: {data}\n\n"), &[expected]);
    }

    use Verdict::{End, Failed, Last, MayEnd, More};

    #[test]
    fn white_space_around_the_data_is_ignored() {
        for data in ["[DONE]", "[DONE] ", "  [DONE]", "[DONE]\t"] {
            check_data(&"[DONE]".into(), data, End);
            check_data(&" [DONE] ".into(), data, End);
        }
        for data in ["", "[done]", "[DONE]!", "\"[DONE]\""] {
            check_data(&"[DONE]".into(), data, More);
        }
    }

    #[test]
    fn openai_chat() {
        let stream = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Say \"error\": {}"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"chatcmpl-1","choices":[],"usage":{"total_tokens":7}}

data: [DONE]

"#;
        check(Ending::openai_chat(), stream, &[More, More, MayEnd, MayEnd, End]);
        for (data, expected) in [
            (r#"{"error":{"message":"The server had an error","type":"server_error"}}"#, Failed),
            (r#"{ "id": 1, "error" : "overloaded" }"#, Failed),
            (r#"{"error":null,"choices":[]}"#, More),
            (r#"{"choices":[{"delta":{"content":"{\"error\":1}"}}]}"#, More),
            (r#"{"choices":[{"delta":{"error":1}}]}"#, More),
            ("[DONE] ", End),
            ("error", More),
            ("", More),
        ] {
            check_data(&Ending::openai_chat(), data, expected);
        }
        check(Ending::openai_chat(), "event: error\ndata: overloaded\n\n", &[Failed]);
    }

    #[test]
    fn all_choices_must_be_finished() {
        let stream = r#"data: {"choices":[{"index":0,"delta":{}},{"index":1,"delta":{}}]}

data: {"choices":[{"index":1,"finish_reason":"stop"}]}

data: {"choices":[{"index":0,"finish_reason":"length"}]}

data: {"choices":[{"index":2,"delta":{}}]}

data: {"choices":[{"index":200,"finish_reason":"stop"},{"index":2,"finish_reason":"stop"}]}

"#;
        check(Ending::openai_chat(), stream, &[More, More, MayEnd, More, More]);
    }

    #[test]
    fn openai_responses() {
        let stream = r#"event: response.created
data: {"type":"response.created","response":{"id":"resp_1","status":"in_progress","error":null}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","delta":"response.completed"}

event: response.completed
data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","error":null,"usage":{}}}

"#;
        check(Ending::openai_responses(), stream, &[More, More, Last]);
        for (data, expected) in [
            (r#"{"type":"response.completed"}"#, Last),
            (r#"{"type":"response.incomplete","response":{}}"#, Last),
            (r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#, Failed),
            (r#"{"type":"error","message":"too fast"}"#, Failed),
            (r#"{"error":{"message":"too fast"}}"#, Failed),
            (r#"{"type":"response.in_progress"}"#, More),
        ] {
            check_data(&Ending::openai_responses(), data, expected);
        }
    }

    #[test]
    fn anthropic() {
        let stream = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","content":[],"stop_reason":null}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"message_stop"}}

event: ping
data: {"type": "ping"}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"#;
        check(Ending::anthropic(), stream, &[More, More, More, More, Last]);
        let error = r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#;
        check(Ending::anthropic(), &format!("event: error\ndata: {error}\n\n"), &[Failed]);
        check_data(&Ending::anthropic(), error, Failed);
        check_data(&Ending::anthropic(), r#"{"type":"message_stop"}"#, Last);
    }

    #[test]
    fn gemini() {
        let stream = r#"data: {"candidates":[{"content":{"parts":[{"text":"finishReason"}],"role":"model"},"index":0}]}

data: {"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{}}

data: {"usageMetadata":{"totalTokenCount":7}}

"#;
        check(Ending::gemini(), stream, &[More, MayEnd, MayEnd]);
        for (data, expected) in [
            (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, MayEnd),
            (r#"{"promptFeedback":{"safetyRatings":[]}}"#, More),
            (r#"{"error":{"code":503,"message":"The model is overloaded."}}"#, Failed),
            (r#"{"candidates":[]}"#, More),
        ] {
            check_data(&Ending::gemini(), data, expected);
        }
    }

    #[test]
    fn mcp() {
        for (id, data, expected) in [
            ("1", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Last),
            ("1", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}"#, Last),
            ("a", r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, Last),
            ("1", r#"[{"method":"x"},{"id":1,"result":{}}]"#, Last),
            ("1", r#"{"jsonrpc":"2.0","id":2,"result":{}}"#, More),
            ("1", r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#, More),
            (
                "1",
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"id":1,"result":1}}"#,
                More,
            ),
            ("1", r#"{"jsonrpc":"2.0","id":1}"#, More),
            ("1", "", More),
        ] {
            check_data(&Ending::mcp(id), data, expected);
        }
        check_data(&Ending::mcp(1), r#"{"id":1,"result":{}}"#, Last);
    }

    #[test]
    fn a2a() {
        for (data, expected) in [
            (r#"{"id":1,"result":{"kind":"task","status":{"state":"submitted"}}}"#, More),
            (
                r#"{"id":1,"result":{"kind":"artifact-update","artifact":{"status":{"state":"completed"}}}}"#,
                More,
            ),
            (
                r#"{"id":1,"result":{"kind":"status-update","status":{"state":"working"},"final":false}}"#,
                More,
            ),
            (
                r#"{"id":1,"result":{"kind":"status-update","status":{"state":"completed"},"final":true}}"#,
                Last,
            ),
            (
                r#"{"id":1,"result":{"kind":"status-update","status":{"state":"completed"},"final":false}}"#,
                More,
            ),
            (r#"{"id":1,"result":{"kind":"task","status":{"state":"completed"}}}"#, Last),
            (r#"{"id":1,"result":{"kind":"message","parts":[]}}"#, Last),
            (r#"{"kind":"status-update","status":{"state":"input-required"},"final":true}"#, Last),
            (r#"{"id":1,"error":{"code":-32001,"message":"no such task"}}"#, Failed),
            (r#"{"statusUpdate":{"status":{"state":"TASK_STATE_WORKING"}}}"#, More),
            (r#"{"statusUpdate":{"status":{"state":"TASK_STATE_COMPLETED"}}}"#, Last),
            (r#"{"id":1,"result":{"statusUpdate":{"status":{"state":"TASK_STATE_AUTH_REQUIRED"}}}}"#, Last),
            (r#"{"id":1,"result":{"task":{"status":{"state":"TASK_STATE_SUBMITTED"}}}}"#, More),
            (r#"{"id":1,"result":{"artifactUpdate":{"artifact":{}}}}"#, More),
            (r#"{"message":{"parts":[]}}"#, Last),
            ("", More),
        ] {
            check_data(&Ending::a2a(), data, expected);
        }
    }

    #[test]
    fn events_that_report_an_error() {
        for (stream, expected) in [
            ("event: error\ndata: no\n\n", true),
            ("data: {\"error\": {}}\n\n", true),
            ("data: {\"error\": null}\n\n", false),
            ("data: {\"error\": false}\n\n", false),
            ("data: {\"a\": {\"error\": 1}}\n\n", false),
            ("data: error\n\n", false),
        ] {
            let mut decoder = Decoder::new();
            let event = decoder.next_event(&mut stream.as_bytes()).unwrap().unwrap().to_event();
            assert_eq!(reports_error(&event), expected, "{stream}");
        }
    }
}
