//! One attempt: a request, the redirects that it meets, and the response.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Request, Response};

use super::redirect;
use super::response::check;
use crate::error::Error;
use crate::platform::{BoxFuture, within};

/// Sends requests: reqwest's client, or a network that is simulated.
#[derive(Clone)]
pub(crate) struct Transport(Arc<SendRequest>);

#[cfg(not(target_family = "wasm"))]
type SendRequest = dyn Fn(Request) -> BoxFuture<reqwest::Result<Response>> + Send + Sync;
#[cfg(target_family = "wasm")]
type SendRequest = dyn Fn(Request) -> BoxFuture<reqwest::Result<Response>>;

impl Transport {
    pub(crate) fn new(client: Client) -> Self {
        Self(Arc::new(move |request| Box::pin(client.execute(request))))
    }

    #[cfg(test)]
    pub(crate) fn simulated(
        send: impl Fn(Request) -> BoxFuture<reqwest::Result<Response>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(send))
    }

    /// The response to `request`, if it is an event stream and begins within `limit`.
    pub(crate) async fn exchange(
        &self,
        request: Request,
        max_redirects: u32,
        limit: Option<Duration>,
    ) -> Result<Response, Error> {
        let Some(response) = within(limit, self.follow(request, max_redirects)).await else {
            return Err(Error::ResponseTimeout { after: limit.unwrap_or_default() });
        };
        check(response?).await
    }

    async fn follow(&self, mut request: Request, max_redirects: u32) -> Result<Response, Error> {
        let mut followed = 0;
        loop {
            let again = if max_redirects > 0 { request.try_clone() } else { None };
            let response = (self.0)(request).await.map_err(Error::from_sending)?;
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
