//! Reads `Retry-After`: how long a client is to wait (RFC 9110, 10.2.3), and the headers that APIs send in addition.
//!
//! No standard has fractions of a second, or milliseconds in another header. Large APIs send them, and their own
//! clients honour them.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// More precise headers, in milliseconds.
const MILLISECONDS: [HeaderName; 2] =
    [HeaderName::from_static("retry-after-ms"), HeaderName::from_static("x-ms-retry-after-ms")];

/// Returns how long to wait after the response: milliseconds, seconds, or the time until a date. `now` is the time
/// since 1970 by our clock, which is used only if the response has no `Date`. Other values are ignored.
pub(crate) fn retry_after(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let milliseconds =
        MILLISECONDS.iter().flat_map(|name| texts(headers, name)).find_map(|text| number(text, 1e-3));
    milliseconds.or_else(|| {
        texts(headers, &RETRY_AFTER).find_map(|text| number(text, 1.0).or_else(|| until(text, headers, now)))
    })
}

/// Reads a decimal number of a unit, which is given in seconds. A number that is too large is the longest time.
fn number(text: &str, unit: f64) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let seconds = text.parse::<f64>().ok()? * unit;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// Returns the time from now until this date.
fn until(text: &str, headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let date = |text| httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok();
    let now = texts(headers, &DATE).find_map(date).unwrap_or(now);
    date(text).map(|then| then.saturating_sub(now))
}

fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::trim)
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

    /// Checks the wait of these headers, in milliseconds. An empty name stands for `retry-after`.
    #[track_caller]
    fn check_headers(headers: &[(&'static str, &'static str)], expected: Option<u64>) {
        let headers = headers.iter().map(|&(name, value)| {
            let name = if name.is_empty() { "retry-after" } else { name };
            (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
        });
        let headers: HeaderMap = headers.collect();
        let found = retry_after(&headers, Duration::ZERO);
        assert_eq!(found, expected.map(Duration::from_millis), "{headers:?}");
    }

    #[test]
    fn seconds() {
        check("120", None, Some(120));
        check(" 0 ", None, Some(0));
        for nothing in
            ["", "-1", "+1", "1e9", "1s", "soon", ".", "1.", ".5", "1.5.5", "NaN", "inf", "0x10", "1,5"]
        {
            check(nothing, None, None);
        }
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "99999999999999999999999".parse().unwrap())]);
        assert_eq!(retry_after(&headers, Duration::ZERO), Some(Duration::MAX));
        assert_eq!(retry_after(&HeaderMap::new(), Duration::ZERO), None);
    }

    #[test]
    fn fractions_and_milliseconds() {
        for (headers, expected) in [
            (&[("", "1.5")][..], Some(1500)),
            (&[("", "0.25")], Some(250)),
            (&[("retry-after-ms", "1500")], Some(1500)),
            (&[("x-ms-retry-after-ms", "70")], Some(70)),
            (&[("retry-after-ms", "12.0")], Some(12)),
            (&[("", "2"), ("retry-after-ms", "1500")], Some(1500)),
            (&[("", "2"), ("retry-after-ms", "soon")], Some(2000)),
            (&[("", "soon"), ("", "2")], Some(2000)),
            (&[("retry-after-ms", "-5")], None),
            (&[("retry-after-ms", "Tue, 15 Nov 1994 12:01:00 GMT")], None),
        ] {
            check_headers(headers, expected);
        }
    }

    #[test]
    fn a_date_counts_from_the_servers_clock_or_from_ours() {
        check("Tue, 15 Nov 1994 12:01:00 GMT", None, Some(60));
        check("Tuesday, 15-Nov-94 12:01:00 GMT", None, Some(60));
        check("Tue Nov 15 12:01:00 1994", None, Some(60));
        check("Tue, 15 Nov 1994 12:01:00 GMT", Some("Tue, 15 Nov 1994 12:00:50 GMT"), Some(10));
        check("Tue, 15 Nov 1994 11:59:00 GMT", None, Some(0));
        check("Tue, 15 Nov 1994 12:01:00 GMT", Some("now"), Some(60));
        check("Tue, 32 Nov 1994 12:01:00 GMT", None, None);
    }
}
