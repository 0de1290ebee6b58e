//! How the events of some APIs show the end of an answer.

use sse_codec::Event;

use super::json::{elements, member, string};
use super::verdict::Verdict;

/// The API that sends the events.
#[derive(Clone, Debug)]
pub(super) enum Vendor {
    OpenAiChat,
    OpenAiResponses,
    Anthropic,
    Gemini,
    /// The stream of the request with this id.
    Mcp {
        id: Box<str>,
    },
    A2a,
}

/// Which choices of an answer have begun and which are finished, with one bit for each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choices {
    begun: u128,
    finished: u128,
    /// There is a choice whose index has no bit. It is not known whether it is finished.
    has_unknown: bool,
}

impl Choices {
    /// Notes the choices of an event. `finish` is the name of the member with the reason why a choice is finished.
    fn note(&mut self, choices: &str, finish: &str) {
        for choice in elements(choices) {
            let index = member(choice, "index").map_or(Ok(0), str::parse::<u32>);
            let Some(bit) = index.ok().and_then(|index| 1_u128.checked_shl(index)) else {
                self.has_unknown = true;
                continue;
            };
            self.begun |= bit;
            if member(choice, finish).is_some_and(is_set) {
                self.finished |= bit;
            }
        }
    }

    fn verdict(self) -> Verdict {
        let are_finished = self.begun != 0 && self.begun == self.finished && !self.has_unknown;
        if are_finished { Verdict::MayEnd } else { Verdict::More }
    }
}

impl Vendor {
    pub(super) fn judge(&self, event: &Event, choices: &mut Choices) -> Verdict {
        let data = event.data();
        match self {
            Self::OpenAiChat if data.trim() == "[DONE]" => Verdict::End,
            Self::OpenAiChat | Self::Gemini if event.event_type() == "error" || has_error(data) => {
                Verdict::Failed
            }
            Self::OpenAiChat => {
                choices.note(member(data, "choices").unwrap_or_default(), "finish_reason");
                choices.verdict()
            }
            Self::Gemini => {
                choices.note(member(data, "candidates").unwrap_or_default(), "finishReason");
                let feedback = member(data, "promptFeedback").unwrap_or_default();
                if member(feedback, "blockReason").is_some_and(is_set) {
                    return Verdict::MayEnd;
                }
                choices.verdict()
            }
            Self::OpenAiResponses => match event_type(event) {
                Some("response.completed" | "response.incomplete") => Verdict::Last,
                Some("response.failed" | "error") => Verdict::Failed,
                _ if has_error(data) => Verdict::Failed,
                _ => Verdict::More,
            },
            Self::Anthropic => match event_type(event) {
                Some("message_stop") => Verdict::Last,
                Some("error") => Verdict::Failed,
                _ if has_error(data) => Verdict::Failed,
                _ => Verdict::More,
            },
            Self::Mcp { id } => {
                // Servers of early versions send several messages as one array.
                let is_last =
                    is_response_to(id, data) || elements(data).any(|message| is_response_to(id, message));
                if is_last { Verdict::Last } else { Verdict::More }
            }
            Self::A2a => a2a(data),
        }
    }
}

/// Returns the type of an event, or the type in its JSON if a proxy has removed the `event` field.
fn event_type(event: &Event) -> Option<&str> {
    match event.event_type() {
        "message" => member(event.data(), "type").and_then(string),
        event_type => Some(event_type),
    }
}

/// Returns true if `data` is an object with an error.
pub(super) fn has_error(data: &str) -> bool {
    member(data, "error").is_some_and(is_set)
}

fn is_set(value: &str) -> bool {
    !matches!(value, "null" | "false")
}

/// Returns true if `message` is a JSON-RPC response to the request with this id.
fn is_response_to(id: &str, message: &str) -> bool {
    let has = |name| member(message, name).is_some();
    let found = member(message, "id");
    let is_same = found.is_some_and(|found| found == id || string(found) == Some(id));
    is_same && !has("method") && (has("result") || has("error"))
}

fn a2a(data: &str) -> Verdict {
    if has_error(data) {
        return Verdict::Failed;
    }
    let result = member(data, "result").unwrap_or(data);
    // Version 0.3 has the kind in a member `kind`. In version 1.0 the name of the only member is the kind.
    let is_message =
        member(result, "kind").and_then(string) == Some("message") || member(result, "message").is_some();
    let update = ["statusUpdate", "task"].into_iter().find_map(|name| member(result, name)).unwrap_or(result);
    let is_over = match member(update, "final") {
        Some(is_final) => is_final == "true",
        None => member(update, "status").and_then(|status| member(status, "state")).is_some_and(is_over),
    };
    if is_message || is_over { Verdict::Last } else { Verdict::More }
}

/// Returns true if a task in this state has ended or waits for its user.
fn is_over(state: &str) -> bool {
    let state = string(state).unwrap_or_default().to_ascii_lowercase().replace('-', "_");
    matches!(
        state.strip_prefix("task_state_").unwrap_or(&state),
        "completed" | "failed" | "canceled" | "cancelled" | "rejected" | "input_required" | "auth_required"
    )
}
