// region: program
// Follows the dashboard in a browser, with a header that the browser's own EventSource can't send.

use std::error::Error;

use sse_client::EventSource;
use sse_client::reqwest::header::{AUTHORIZATION, HeaderValue};
use wasm_bindgen_futures::spawn_local;

fn main() {
    spawn_local(async {
        if let Err(error) = follow().await {
            show(&error.to_string());
        }
    });
}

async fn follow() -> Result<(), Box<dyn Error>> {
    let window = web_sys::window().ok_or("there is no window")?;
    let url = format!("{}/events", window.origin());
    let mut source = EventSource::builder_for(&url)?
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer alice-token"))
        .on_notice(|notice| show(&notice.to_string()))
        .build()?;
    while let Some(event) = source.next().await {
        let event = event?;
        show(&format!("{}: {}", event.event_type(), event.data()));
    }
    Ok(())
}

/// Adds a line to the page.
fn show(line: &str) {
    let body = web_sys::window().and_then(|window| window.document()?.body());
    if let Some(body) = body {
        // It fails only if the page is gone.
        _ = body.append_with_str_1(&format!("{line}\n"));
    }
}
// endregion
