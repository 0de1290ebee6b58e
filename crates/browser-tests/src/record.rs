//! What a page's events tell, kept from the start.

use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// An event that an `EventSource` of the page received, whether or not the page listens for its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSourceMessage {
    /// The event's type: `message` unless the stream says otherwise.
    pub event_name: String,
    /// The last event ID, which the page sees as `lastEventId`.
    pub event_id: String,
    /// The data, lines joined by LF.
    pub data: String,
}

/// A request that the page has sent over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Names and values as they were sent, `Last-Event-ID` among them.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Returns the value of the header with this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What is kept of one page's events.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Those that no one has taken yet.
    pub(crate) messages: VecDeque<EventSourceMessage>,
    /// Those that no one has taken yet.
    pub(crate) requests: VecDeque<Request>,
    /// Those that no one has taken yet.
    pub(crate) errors: Vec<String>,
    /// How many times a document, or a frame's, got its place to run JavaScript.
    pub(crate) contexts: u64,
    /// By the browser's id for a request, which its redirections keep.
    halves: HashMap<String, Halves>,
}

/// A page tells method and address, the network tells the headers sent; either may be the first.
#[derive(Debug, Default)]
struct Halves {
    told: VecDeque<Value>,
    sent: VecDeque<Value>,
}

impl Record {
    pub(crate) fn apply(&mut self, event: &str, mut params: Value) {
        match event {
            "Network.eventSourceMessageReceived" => self.messages.push_back(message(&params)),
            "Network.requestWillBeSent" => {
                let told = params["request"].take();
                self.pair(&params, |halves| halves.told.push_back(told));
            }
            "Network.requestWillBeSentExtraInfo" => {
                let sent = params["headers"].take();
                self.pair(&params, |halves| halves.sent.push_back(sent));
            }
            "Runtime.executionContextCreated" => self.contexts += 1,
            "Runtime.exceptionThrown" => self.errors.push(exception_text(&params["exceptionDetails"])),
            "Runtime.consoleAPICalled" if params["type"] == "error" => self.errors.push(said(&params)),
            "Log.entryAdded" => self.errors.extend(refused(&params["entry"])),
            _ => {}
        }
    }

    fn pair(&mut self, params: &Value, add: impl FnOnce(&mut Halves)) {
        let halves = self.halves.entry(text(&params["requestId"])).or_default();
        add(halves);
        if halves.told.is_empty() || halves.sent.is_empty() {
            return;
        }
        self.requests.extend(halves.told.pop_front().zip(halves.sent.pop_front()).map(request));
    }
}

fn message(params: &Value) -> EventSourceMessage {
    EventSourceMessage {
        event_name: text(&params["eventName"]),
        event_id: text(&params["eventId"]),
        data: text(&params["data"]),
    }
}

fn request((told, sent): (Value, Value)) -> Request {
    let headers = sent.as_object().into_iter().flatten();
    Request {
        method: text(&told["method"]),
        url: text(&told["url"]),
        headers: headers.map(|(name, value)| (name.clone(), text(value))).collect(),
    }
}

/// Returns an exception's description: an error's text and stack, or any other value that was thrown.
pub(crate) fn exception_text(details: &Value) -> String {
    let exception = &details["exception"];
    let description = exception["description"].as_str().map(str::to_owned);
    let thrown = || exception.get("value").map(Value::to_string);
    description.or_else(thrown).unwrap_or_else(|| text(&details["text"]))
}

/// Returns what a page wrote to its console.
fn said(params: &Value) -> String {
    let words = params["args"].as_array().into_iter().flatten();
    let words = words.map(|word| match (&word["description"], &word["value"]) {
        (Value::String(text), _) | (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns what the browser says of a page, if it is an error, and not one of the network.
fn refused(entry: &Value) -> Option<String> {
    (entry["level"] == "error" && entry["source"] != "network").then(|| text(&entry["text"]))
}

/// Returns the text of a JSON string, which the protocol promises here.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
