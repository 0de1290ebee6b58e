//! Parses the URL of an event stream, as a caller writes it.

use reqwest::{IntoUrl, Url};

use crate::error::{Error, InvalidUrl};

/// Parses an HTTP URL. The error says what is missing.
pub(crate) fn parse(url: impl IntoUrl) -> Result<Url, Error> {
    let text = url.as_str().to_owned();
    let invalid = |fault: String| Error::Request(InvalidUrl::new(&text, fault).into());
    // `into_url` is not used, because its error does not say what is missing.
    let parsed = Url::parse(&text);
    match parsed {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Err(invalid(wrong_scheme(&url, &text))),
        Ok(_) => url.into_url().map_err(|error| invalid(error.to_string())),
        Err(error) if error.to_string().contains("without a base") => {
            Err(invalid(format!("it has no scheme; {}", advice(&text))))
        }
        Err(error) => Err(invalid(error.to_string())),
    }
}

fn wrong_scheme(url: &Url, text: &str) -> String {
    let scheme = url.scheme();
    // `localhost:8080` parses as a URL of the scheme `localhost`.
    let is_host = !url.has_host() && !text.contains("//");
    let advice = if is_host { format!("; {}", advice(text)) } else { String::new() };
    format!("its scheme `{scheme}` is neither http nor https{advice}")
}

fn advice(text: &str) -> String {
    let text = crate::error::redacted_text(text.trim_start_matches('/'));
    if text.is_empty() || text.contains(char::is_whitespace) {
        return "write it as https://example.com/events".to_owned();
    }
    format!("write it as https://{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: &str) {
        match parse(url) {
            Ok(found) => assert_eq!(found.as_str(), expected),
            Err(error) => assert!(error.to_string().contains(expected), "{url:?}: {error}"),
        }
    }

    #[test]
    fn an_error_says_what_is_missing() {
        check("https://a.b/c?d", "https://a.b/c?d");
        check("HTTP://a.b", "http://a.b/");
        check(
            "a.b/c?token=secret",
            "`a.b/c?redacted` is not a valid URL: it has no scheme; write it as https://a.b/c",
        );
        check("//a.b/c", "it has no scheme; write it as https://a.b/c");
        check("", "`` is not a valid URL: it has no scheme; write it as https://example.com/events");
        check(
            "localhost:8080/a",
            "its scheme `localhost` is neither http nor https; write it as https://localhost:8080/a",
        );
        check("ftp://a.b/c", "its scheme `ftp` is neither http nor https");
        check("file:///a", "its scheme `file` is neither http nor https");
        check("https://", "`https://` is not a valid URL: empty host");
        check("https://a:99999/", "invalid port number");
        check("https://[::1/", "invalid IPv6 address");
        check("https://name:secret@a b/", "`https://a b/` is not a valid URL");
    }
}
