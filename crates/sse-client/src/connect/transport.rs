//! One attempt: the request, its redirects, and the response.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Request, Response};

use super::redirect;
use super::response::Accepted;
use crate::error::Error;
#[cfg(test)]
use crate::platform::BoxFuture;
use crate::platform::{SendRequest, within};

/// Sends requests, with a client of reqwest or into a simulated network, and follows their redirects.
#[derive(Clone)]
pub(crate) struct Transport {
    send: Arc<SendRequest>,
    max_redirects: u32,
    response_timeout: Option<Duration>,
    accepted: Accepted,
}

impl Transport {
    pub(crate) fn new(client: Client) -> Self {
        Self::sending(Arc::new(move |request| Box::pin(client.execute(request))))
    }

    #[cfg(test)]
    pub(crate) fn simulated(
        send: impl Fn(Request) -> BoxFuture<reqwest::Result<Response>> + Send + Sync + 'static,
    ) -> Self {
        Self::sending(Arc::new(send))
    }

    fn sending(send: Arc<SendRequest>) -> Self {
        let response_timeout = Some(Duration::from_secs(60));
        Self { send, max_redirects: 0, response_timeout, accepted: Accepted::default() }
    }

    pub(crate) fn set_max_redirects(&mut self, limit: u32) {
        self.max_redirects = limit;
    }

    pub(crate) fn set_response_timeout(&mut self, limit: Option<Duration>) {
        self.response_timeout = limit;
    }

    pub(crate) fn set_any_content_type(&mut self) {
        self.accepted.set_any_content_type();
    }

    pub(crate) fn set_accepted(&mut self, accepted: Accepted) {
        self.accepted = accepted;
    }

    /// Returns which responses are read.
    pub(crate) fn accepted(&self) -> Accepted {
        self.accepted
    }

    /// Returns the response to `request`, if it comes in time and is an event stream.
    pub(super) async fn exchange(&self, request: Request) -> Result<Response, Error> {
        let limit = self.response_timeout;
        let Some(response) = within(limit, self.follow(request)).await else {
            return Err(Error::ResponseTimeout { after: limit.unwrap_or_default() });
        };
        self.accepted.check(response?).await
    }

    async fn follow(&self, mut request: Request) -> Result<Response, Error> {
        let max_redirects = self.max_redirects;
        let mut followed = 0;
        loop {
            let again = if max_redirects > 0 { request.try_clone() } else { None };
            let response = (self.send)(request).await.map_err(Error::from_sending)?;
            let next = again.and_then(|request| {
                redirect::follow(request, response.url(), response.status(), response.headers())
            });
            match next {
                None => return Ok(response),
                Some(_) if followed == max_redirects => {
                    return Err(Error::TooManyRedirects { limit: max_redirects });
                }
                Some(next) => request = next,
            }
            followed += 1;
        }
    }
}
