//! Reads a response that is not an event stream: its status, its headers, and the beginning of its body.

use std::future::poll_fn;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::Response;

use crate::error::{Refusal, version_of};
use crate::platform::{Body, stays_compressed, within};

/// How many bytes of a body are kept: enough for the errors of any API.
const MAX_BODY: usize = 8 * 1024;

/// How long reading the body may take. The error is more urgent than the rest of the body.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Reads `response` as a refusal.
pub(super) async fn read_refusal(response: Response) -> Refusal {
    let (version, status) = (version_of(&response), response.status());
    let headers = response.headers().clone();
    let mut body = Body::new(response);
    let mut kept = BytesMut::new();
    let reading = async {
        // An error of the body only ends the reading, because the status is the error that counts.
        while let Some(Ok(chunk)) = poll_fn(|cx| body.poll_chunk(cx)).await {
            kept.extend_from_slice(&chunk[..chunk.len().min(MAX_BODY - kept.len())]);
            if kept.len() == MAX_BODY {
                break;
            }
        }
    };
    within(Some(MAX_TIME), reading).await;
    let is_text = !stays_compressed(&headers);
    Refusal::new(version, status, headers, kept.freeze(), is_text)
}
