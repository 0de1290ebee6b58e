//! Reads `Content-Type`: whether a body is an event stream (Fetch Standard, "extract a MIME type").
//!
//! - All headers and all members of their lists count. The last valid type decides, so that a value that a framework or
//!   a proxy has added does not hide it.
//! - The whole type is compared without case. Its parameters are ignored.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

/// Returns true if the type is that of an event stream.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let values: Vec<_> = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes).collect();
    let joined = values.join(&b", "[..]);
    let last = members(&joined).filter_map(essence).filter(|essence| *essence != b"*/*").last();
    last.is_some_and(|essence| essence.eq_ignore_ascii_case(sse_codec::CONTENT_TYPE.as_bytes()))
}

/// Iterates over the members of a list. A comma in a quoted string does not separate members.
fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
        byte == b',' && !quoted
    })
}

/// Returns the type without its parameters, or `None` if it is not valid (MIME Sniffing Standard, 4.4).
fn essence(value: &[u8]) -> Option<&[u8]> {
    let essence = value.split(|&byte| byte == b';').next()?.trim_ascii();
    let slash = essence.iter().position(|&byte| byte == b'/')?;
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|&byte| is_token(byte));
    (is_token(&essence[..slash]) && is_token(&essence[slash + 1..])).then_some(essence)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&'static str], expected: bool) {
        let headers = values.iter().map(|value| (CONTENT_TYPE, value.parse().unwrap()));
        assert_eq!(is_event_stream(&headers.collect()), expected, "{values:?}");
    }

    #[test]
    fn the_type_of_an_event_stream_is_recognized() {
        for value in [
            "text/event-stream",
            "text/event-stream;charset=utf-8",
            "text/event-stream; charset=latin1",
            "TEXT/Event-Stream",
            " text/event-stream ; x",
            "text/event-stream;",
            "text/event-stream; x=\"a, text/html\"",
            "text/event-stream; x=\"a\\\", text/html\"",
        ] {
            check(&[value], true);
        }
    }

    #[test]
    fn other_types_are_refused() {
        for value in [
            "text/html",
            "text/event-streamx",
            "text/event-stream x",
            "text /event-stream",
            "text/event-stream/x",
            "text/event",
            "text/",
            "/event-stream",
            "event-stream",
            "",
            ";",
            "*/*",
        ] {
            check(&[value], false);
        }
        check(&[], false);
    }

    #[test]
    fn the_last_valid_type_of_several_decides() {
        for values in [
            &["application/json, text/event-stream"][..],
            &["text/html", "text/event-stream"],
            &["text/event-stream", ""],
            &["text/event-stream", "html"],
            &["text/event-stream, */*"],
            &["text/event-stream; charset=utf-8, charset=utf-8"],
            &["text/html; x=\"a\", text/event-stream; x"],
        ] {
            check(values, true);
        }
        for values in [
            &["text/event-stream, text/html"][..],
            &["text/event-stream", "application/json"],
            // The string is not closed and goes on to the end.
            &["text/html; x=\"", "text/event-stream"],
        ] {
            check(values, false);
        }
    }
}
