//! A page: its scripts, its events, and its look.

use crate::keyboard;
use crate::process::{COMMAND_TIMEOUT, Process};
use crate::record::{Record, exception_text, text};
use crate::{Error, EventSourceMessage, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one attempt with an expression may take. If a navigation swallows the reply, the attempt is lost after this
/// time.
const SLICE: Duration = Duration::from_secs(2);

/// How much later than asked a page may report that the time is over.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait for a new document if the old one ended in the middle of an expression.
const NEW_DOCUMENT: Duration = Duration::from_millis(100);

/// How long a page may take to close. The drop reports nothing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A page of a [`Browser`](crate::Browser), in a window of its own; closed when dropped.
#[derive(Debug)]
pub struct Page {
    process: Arc<Process>,
    target: String,
    session: String,
}

/// The colour scheme of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorScheme {
    /// `prefers-color-scheme: light`.
    Light,
    /// `prefers-color-scheme: dark`.
    Dark,
}

impl ColorScheme {
    fn value(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Page {
    /// Opens a blank page, and records its events from the start.
    pub(crate) fn create(process: Arc<Process>) -> Result<Self, Error> {
        // A page that shares its window with another one may not be drawn.
        let params = json!({ "url": "about:blank", "newWindow": true });
        let target = process.call(None, "Target.createTarget", &params, COMMAND_TIMEOUT)?;
        let mut page = Self { process, target: text(&target["targetId"]), session: String::new() };

        let params = json!({ "targetId": page.target, "flatten": true });
        let session = page.process.call(None, "Target.attachToTarget", &params, COMMAND_TIMEOUT)?;
        page.session = text(&session["sessionId"]);

        page.process.devtools.record(&page.session);
        for command in ["Page.enable", "Runtime.enable", "Network.enable", "Log.enable"] {
            page.call(command, &json!({}))?;
        }
        // Keys go to the page that has the focus, and only one window can have it.
        page.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }))?;
        Ok(page)
    }

    /// Goes to this address. Returns when the new document has begun, which is before it has loaded.
    ///
    /// # Errors
    ///
    /// If the address can't be opened, or is a download.
    pub fn navigate(&self, url: &str) -> Result<(), Error> {
        let result = self.call("Page.navigate", &json!({ "url": url }))?;
        match result["errorText"].as_str() {
            Some(reason) => Err(Error::Navigation { url: url.to_owned(), reason: reason.to_owned() }),
            None => Ok(()),
        }
    }

    /// Returns the value of a JavaScript expression, or of its promise, as JSON.
    ///
    /// `undefined` is `null`. A value that JSON doesn't have (`NaN`, `1n`) is its source text as a string.
    ///
    /// # Errors
    ///
    /// If the expression throws, rejects, or takes longer than 90 seconds, or if the page goes elsewhere meanwhile.
    /// Also if the value holds half a surrogate pair, because Rust's strings can't hold it.
    pub fn evaluate(&self, expression: &str) -> Result<Value, Error> {
        self.evaluate_within(expression, COMMAND_TIMEOUT)
    }

    /// Returns the value of a JavaScript expression, or of its promise, as soon as the value is truthy.
    ///
    /// An exception counts as "not yet", because elements and scripts may be missing while a page loads. If the page
    /// goes elsewhere, the expression is tried there. The page counts the time. A page that doesn't answer at all gets
    /// two seconds more.
    ///
    /// # Errors
    ///
    /// If the time is over. The error names the expression, and the last exception if there was one. Also, and at once,
    /// if the expression has a syntax error.
    pub fn wait_for(&self, expression: &str, timeout: Duration) -> Result<Value, Error> {
        let start = Instant::now();
        loop {
            let left = timeout.saturating_sub(start.elapsed()).min(SLICE);
            let contexts = self.look(|record| record.contexts);
            let obstacle = match self.evaluate_within(&checks(expression, left), left + GRACE) {
                Ok(mut outcome) if outcome.get("value").is_some() => return Ok(outcome["value"].take()),
                Ok(outcome) => outcome["thrown"].as_str().map(str::to_owned),
                // The page is stuck, or a navigation swallowed the reply.
                Err(Error::Timeout { .. }) => Some("the page doesn't answer".to_owned()),
                // The document has ended, or hasn't begun.
                Err(Error::Refused { reason, .. }) => {
                    self.wait(NEW_DOCUMENT, |record| (record.contexts > contexts).then_some(()))?;
                    Some(reason)
                }
                Err(Error::Exception { text, .. }) => {
                    return Err(Error::Exception { expression: expression.to_owned(), text });
                }
                Err(error) => return Err(error),
            };
            if start.elapsed() >= timeout {
                return Err(Error::Timeout { waited_for: expression.to_owned(), timeout, obstacle });
            }
        }
    }

    /// Takes the next event that an `EventSource` of the page receives or has received; `None` if no event comes in
    /// time.
    ///
    /// Events are recorded from the page's start, in order, whether or not the page listens for their type. Events of a
    /// worker aren't seen.
    ///
    /// # Errors
    ///
    /// If the browser has ended.
    pub fn next_message(&self, timeout: Duration) -> Result<Option<EventSourceMessage>, Error> {
        self.wait(timeout, |record| record.messages.pop_front())
    }

    /// Takes all events that were received and not taken yet.
    pub fn take_messages(&self) -> Vec<EventSourceMessage> {
        self.look(|record| mem::take(&mut record.messages)).into()
    }

    /// Takes the next request that the page sends or has sent; `None` if no request comes in time.
    ///
    /// All requests over the network are recorded from the page's start, including the request for the icon.
    ///
    /// # Errors
    ///
    /// If the browser has ended.
    pub fn next_request(&self, timeout: Duration) -> Result<Option<Request>, Error> {
        self.wait(timeout, |record| record.requests.pop_front())
    }

    /// Takes the errors of the page since it was opened, or since the last call: uncaught exceptions, texts of
    /// `console.error`, and actions that the browser refused, such as by a `Content-Security-Policy`. Failed requests
    /// aren't among them.
    pub fn take_errors(&self) -> Vec<String> {
        self.look(|record| mem::take(&mut record.errors))
    }

    /// Presses and releases a key: the name of a character or of a key, such as `Tab`, `a` or `Control+Enter`.
    ///
    /// # Errors
    ///
    /// If the browser has ended, or doesn't answer.
    pub fn press(&self, keys: &str) -> Result<(), Error> {
        let press = keyboard::press(keys);
        for event_type in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", &press.event(event_type))?;
        }
        Ok(())
    }

    /// Writes text where the focus is, all at once.
    ///
    /// # Errors
    ///
    /// If the browser has ended, or doesn't answer.
    pub fn write(&self, text: &str) -> Result<(), Error> {
        self.call("Input.insertText", &json!({ "text": text }))?;
        Ok(())
    }

    /// Gives the page a window of this size, in CSS pixels, and this colour scheme, from now on.
    ///
    /// # Errors
    ///
    /// If the browser has ended, or doesn't answer.
    pub fn resize(&self, width: u32, height: u32, scheme: ColorScheme) -> Result<(), Error> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size)?;
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme.value() });
        self.call("Emulation.setEmulatedMedia", &json!({ "features": [feature] }))?;
        Ok(())
    }

    /// Writes a PNG of the page in a window of this size, in CSS pixels, which are the image's pixels, too.
    ///
    /// The page keeps the size and the scheme.
    ///
    /// # Errors
    ///
    /// If the file can't be written, or if the browser has ended or doesn't answer.
    pub fn screenshot(&self, path: &Path, width: u32, height: u32, scheme: ColorScheme) -> Result<(), Error> {
        self.resize(width, height, scheme)?;
        let image = self.call("Page.captureScreenshot", &json!({ "format": "png" }))?;
        let bytes = BASE64.decode(text(&image["data"])).map_err(io::Error::other);
        bytes
            .and_then(|bytes| fs::write(path, bytes))
            .map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    fn evaluate_within(&self, expression: &str, timeout: Duration) -> Result<Value, Error> {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut outcome = self.process.call(Some(&self.session), "Runtime.evaluate", &params, timeout)?;
        if let Some(exception) = outcome.get("exceptionDetails") {
            return Err(Error::Exception {
                expression: expression.to_owned(),
                text: exception_text(exception),
            });
        }
        let result = &mut outcome["result"];
        let key = if result.get("unserializableValue").is_some() { "unserializableValue" } else { "value" };
        Ok(result[key].take())
    }

    fn call(&self, command: &'static str, params: &Value) -> Result<Value, Error> {
        self.process.call(Some(&self.session), command, params, COMMAND_TIMEOUT)
    }

    fn look<T: Default>(&self, look: impl FnOnce(&mut Record) -> T) -> T {
        self.process.devtools.look(&self.session, look)
    }

    fn wait<T>(
        &self,
        timeout: Duration,
        look: impl FnMut(&mut Record) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        self.process.devtools.wait(&self.session, timeout, look).map_err(|ended| self.process.ended(ended))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // If the browser has ended, the page has ended, too.
        let params = json!({ "targetId": self.target });
        let _ = self.process.call(None, "Target.closeTarget", &params, CLOSE_TIMEOUT);
        self.process.devtools.forget(&self.session);
    }
}

/// Returns JavaScript that checks the expression until it is truthy, up to this time.
///
/// At the end, its value is `{ value }` or `{ thrown }`. `thrown` is missing if the expression was only falsy. The
/// expression is the body of a function outside the loop, so that it sees only the page's names. The newlines keep a
/// comment in it from hiding the rest.
fn checks(expression: &str, within: Duration) -> String {
    let milliseconds = within.as_millis();
    format!(
        "(async (check) => {{
            const end = performance.now() + {milliseconds};
            for (;;) {{
                let thrown;
                try {{
                    const value = await check();
                    if (value) return {{ value }};
                }} catch (exception) {{
                    thrown = String(exception);
                }}
                if (performance.now() >= end) return {{ thrown }};
                await new Promise((again) => setTimeout(again, 20));
            }}
        }})(async () => (
{expression}
        ))"
    )
}
