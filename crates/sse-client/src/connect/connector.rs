//! Makes one attempt after the other: the caller's hook, the request, its redirects, and the check of the response.

use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, future};

use reqwest::{Request, Response};

use super::request::{ShownRequest, Template};
use super::transport::Transport;
use crate::error::{BoxError, Error};
use crate::platform::BoxFuture;

/// An attempt to connect that is about to be made ([`on_attempt`](crate::EventSourceBuilder::on_attempt)).
#[non_exhaustive]
pub struct Attempt {
    /// How many attempts there were before this one.
    pub number: u32,
    /// The last event ID; empty if the server has sent no ID. The request has it already, unless no header can hold it.
    pub last_event_id: String,
    /// What ended the connection, or the attempt, before this one; `None` if this one is the first, or if the stream
    /// ended without an error.
    pub error: Option<Error>,
    /// The request as it would be sent.
    pub request: Request,
}

/// Without the headers of the request and the query of its URL, which may hold secrets.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("number", &self.number)
            .field("last_event_id", &self.last_event_id)
            .field("error", &self.error)
            .field("request", &ShownRequest(&self.request))
            .finish()
    }
}

/// The caller's hook: makes the request of an attempt. The sources of one builder share it.
pub(crate) type AttemptHook = Arc<Mutex<dyn FnMut(Attempt) -> BoxFuture<Result<Request, BoxError>> + Send>>;

/// Makes the attempts of an event source.
pub(crate) struct Connector {
    transport: Transport,
    template: Template,
    hook: Option<AttemptHook>,
    /// How many attempts there were.
    attempts: u32,
}

impl Connector {
    pub(crate) fn new(transport: Transport, template: Template, hook: Option<AttemptHook>) -> Self {
        Self { transport, template, hook, attempts: 0 }
    }

    /// Begins an attempt, which gives a response that is an event stream. `error` is what ended the one before it.
    pub(crate) fn connect(
        &mut self,
        last_event_id: &str,
        error: Option<Error>,
    ) -> Result<BoxFuture<Result<Response, Error>>, Error> {
        let request = self.template.request(last_event_id)?;
        let number = self.attempts;
        self.attempts = number.saturating_add(1);
        let prepared = match &self.hook {
            Some(hook) => {
                let attempt = Attempt { number, last_event_id: last_event_id.to_owned(), error, request };
                (hook.lock().unwrap_or_else(PoisonError::into_inner))(attempt)
            }
            None => Box::pin(future::ready(Ok(request))),
        };
        let transport = self.transport.clone();
        Ok(Box::pin(async move {
            let request = prepared.await.map_err(Error::Attempt)?;
            transport.exchange(request).await
        }))
    }
}
