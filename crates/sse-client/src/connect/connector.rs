//! Makes the attempts of an event source: the caller's hook, the request, its redirects, and the check of the response.

use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, future};

use reqwest::{Request, Response};

use super::request::{ShownRequest, Template};
use super::transport::Transport;
use crate::error::{BoxError, Error};
use crate::platform::BoxFuture;

/// An attempt to connect that follows now. The hook [`on_attempt`](crate::EventSourceBuilder::on_attempt) receives it.
#[non_exhaustive]
pub struct Attempt {
    /// The number of attempts before this one.
    pub number: u32,
    /// The last event ID. It is empty if the server has sent no ID. The request has it as a header already, unless it
    /// has control characters, which a header can't have.
    pub last_event_id: String,
    /// The error of the connection or attempt before this one. It is `None` for the first attempt, and after a response
    /// that ended without an error.
    pub error: Option<Error>,
    /// The request, which the hook can change and return.
    pub request: Request,
}

/// The headers of the request and the query of its URL are left out, because they may hold secrets.
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

/// The caller's hook, which prepares the request of an attempt. The sources of one builder share it.
pub(crate) type AttemptHook = Arc<Mutex<dyn FnMut(Attempt) -> BoxFuture<Result<Request, BoxError>> + Send>>;

/// Makes the attempts of an event source.
pub(crate) struct Connector {
    transport: Transport,
    template: Template,
    hook: Option<AttemptHook>,
    /// The number of attempts so far.
    attempts: u32,
}

impl Connector {
    pub(crate) fn new(transport: Transport, template: Template, hook: Option<AttemptHook>) -> Self {
        Self { transport, template, hook, attempts: 0 }
    }

    /// Begins an attempt, which returns a response that is an event stream. `error` is that of the attempt before.
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
