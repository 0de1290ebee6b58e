//! `Retry-After`: how long a server wants to be left alone (RFC 9110, 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// How long to wait, from the response on: seconds, or a date. `now` is the time since 1970 by our clock, which counts
/// only if the server does not tell its own.
pub(crate) fn retry_after(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = |value| httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok();
    let now = text(headers, DATE).and_then(date).unwrap_or(now);
    date(value).map(|then| then.saturating_sub(now))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &'static str, date: Option<&'static str>, expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        date.map(|date| headers.insert(DATE, date.parse().unwrap()));
        // 1994-11-15 12:00:00
        let now = Duration::from_secs(784_900_800);
        assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value:?} at {date:?}");
    }

    #[test]
    fn seconds() {
        check("120", None, Some(120));
        check(" 0 ", None, Some(0));
        check("99999999999999999999999", None, Some(u64::MAX));
        for nothing in ["", "-1", "+1", "1.5", "1s", "soon"] {
            check(nothing, None, None);
        }
        assert_eq!(retry_after(&HeaderMap::new(), Duration::ZERO), None);
    }

    #[test]
    fn a_date_by_the_servers_clock_or_ours() {
        check("Tue, 15 Nov 1994 12:01:00 GMT", None, Some(60));
        check("Tuesday, 15-Nov-94 12:01:00 GMT", None, Some(60));
        check("Tue Nov 15 12:01:00 1994", None, Some(60));
        check("Tue, 15 Nov 1994 12:01:00 GMT", Some("Tue, 15 Nov 1994 12:00:50 GMT"), Some(10));
        check("Tue, 15 Nov 1994 11:59:00 GMT", None, Some(0));
        check("Tue, 15 Nov 1994 12:01:00 GMT", Some("now"), Some(60));
        check("Tue, 32 Nov 1994 12:01:00 GMT", None, None);
    }
}
