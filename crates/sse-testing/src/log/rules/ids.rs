//! The rules of ids.

use http::HeaderValue;
use sse_server::log::Log;

use crate::log::checked::{Checked, PAGE, filled, with_start};

pub(crate) async fn a_position_is_its_id<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 12).await;
    for position in with_start(&entries) {
        let id = log.log.id(position);
        log.same(
            &format!("position of the id {:?}", id.as_str()),
            &log.log.position(id.as_str()),
            &Some(position),
        );
    }
}

pub(crate) async fn an_id_passes_through_a_header<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 3).await;
    for position in with_start(&entries) {
        let id = log.log.id(position);
        let id = id.as_str();
        let value = HeaderValue::from_str(id).ok();
        // White space around a value is not part of it.
        let came = value.as_ref().and_then(|value| value.to_str().ok()).map(str::trim);
        log.same(&format!("the id {id:?} as a header"), &came, &Some(id));
        log.require(!id.is_empty(), || {
            format!("the id of {position} is empty, which a client does not send")
        });
    }
}

pub(crate) async fn an_id_of_no_position_is_none<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 3).await;
    let real = log.log.id(entries[1].position);
    let real = real.as_str();
    let mut texts: Vec<String> = [
        "", "x", "-1", "1-", "-", "1-1-1", "0x1", "1e3", "1.0", "\u{fffd}", "\u{661}", "\0", " 1 ", "1 ",
        "00",
    ]
    .map(str::to_owned)
    .into();
    texts.extend(["0", " ", "+", "-", "\u{feff}"].map(|ahead| format!("{ahead}{real}")));
    texts.extend(["0", " ", "-", "-0", "\n", "\u{301}"].map(|suffix| format!("{real}{suffix}")));
    texts.extend([u64::MAX.to_string(), "9".repeat(23), "9".repeat(100_000), real.repeat(2)]);
    for text in texts {
        let Some(position) = log.log.position(&text) else { continue };
        log.same(
            &format!("the id of the position of {text:?}"),
            &log.log.id(position).as_str(),
            &text.as_str(),
        );
        // The result does not matter, but an error would be tried again and again.
        log.after(position, PAGE).await;
    }
}
