//! Reads what a response that is no event stream says: its status, its headers, and the beginning of its body.

use std::future::poll_fn;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::Response;

use super::content_encoding::is_compressed;
use crate::error::{Refusal, version_of};
use crate::platform::{Body, within};

/// How much of a body is kept: enough for the errors of any API.
const MAX_BODY: usize = 8 * 1024;

/// How long the body may take: it is good to have, and nothing waits for it.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Reads the refusal that `response` is.
pub(super) async fn read_refusal(response: Response) -> Refusal {
    let (version, status) = (version_of(&response), response.status());
    let headers = response.headers().clone();
    let mut body = Body::new(response);
    let mut kept = BytesMut::new();
    let reading = async {
        // An error of the body's ends it: what counts is the status.
        while let Some(Ok(chunk)) = poll_fn(|cx| body.poll_chunk(cx)).await {
            kept.extend_from_slice(&chunk[..chunk.len().min(MAX_BODY - kept.len())]);
            if kept.len() == MAX_BODY {
                break;
            }
        }
    };
    within(Some(MAX_TIME), reading).await;
    let is_text = !is_compressed(&headers);
    Refusal::new(version, status, headers, kept.freeze(), is_text)
}
