//! Records the events of a page from its start.

use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// An event that an `EventSource` of the page received, whether or not the page listens for its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSourceMessage {
    /// The type of the event: `message` unless the stream sets another.
    pub event_name: String,
    /// The last event ID, which the page sees as `lastEventId`.
    pub event_id: String,
    /// The data. Its lines are joined by LF.
    pub data: String,
}

/// A request that the page has sent over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Names and values as they were sent, including `Last-Event-ID`.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Returns the value of the header with this name, in upper or lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The recorded events of one page.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Events that the test has not taken yet.
    pub(crate) messages: VecDeque<EventSourceMessage>,
    /// Requests that the test has not taken yet.
    pub(crate) requests: VecDeque<Request>,
    /// Errors that the test has not taken yet.
    pub(crate) errors: Vec<String>,
    /// How often a document, or a frame's document, could begin to run JavaScript.
    pub(crate) contexts: u64,
    /// By the browser's id of a request, which its redirects keep.
    halves: HashMap<String, Halves>,
}

/// The page reports the method and the address, and the network reports the headers. Either may come first.
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

/// Returns the description of an exception: the text and stack of an error, or any other value that was thrown.
pub(crate) fn exception_text(details: &Value) -> String {
    let exception = &details["exception"];
    let description = exception["description"].as_str().map(str::to_owned);
    let thrown = || exception.get("value").map(Value::to_string);
    description.or_else(thrown).unwrap_or_else(|| text(&details["text"]))
}

/// Returns the text that a page wrote to its console.
fn said(params: &Value) -> String {
    let words = params["args"].as_array().into_iter().flatten();
    let words = words.map(|word| match (&word["description"], &word["value"]) {
        (Value::String(text), _) | (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the browser's report on a page, if it is an error and not one of the network.
fn refused(entry: &Value) -> Option<String> {
    (entry["level"] == "error" && entry["source"] != "network").then(|| text(&entry["text"]))
}

/// Returns the text of a JSON string. The protocol promises a string here.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
