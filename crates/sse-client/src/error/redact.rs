//! Removes secrets from the text of errors.

use reqwest::Url;

/// Returns the error without the parts of its URL that may be secret, because logs and terminals show errors.
pub(super) fn redacted(mut error: reqwest::Error) -> reqwest::Error {
    if let Some(url) = error.url_mut() {
        redact(url);
    }
    error
}

/// Removes the parts that may be secret: the query, where many APIs expect a token, the fragment, the user name and the
/// password.
pub(crate) fn redact(url: &mut Url) {
    if url.query().is_some() {
        url.set_query(Some("redacted"));
    }
    url.set_fragment(None);
    // These fail only for a URL that can't have a user name and a password.
    _ = url.set_username("");
    _ = url.set_password(None);
}

/// Does the same as [`redact`] with a text that is not a valid URL.
pub(crate) fn redacted_text(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (url, rest) = url.split_at(end);
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find('/').map_or(url.len(), |at| authority + at);
    let host = url[authority..path].rfind('@').map_or(authority, |at| authority + at + 1);
    let query = if rest.starts_with('?') { "?redacted" } else { "" };
    format!("{}{}{query}", &url[..authority], &url[host..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_may_be_secret_are_removed() {
        for (url, expected) in [
            ("https://a.b/c?token=secret#secret", "https://a.b/c?redacted"),
            ("https://name:secret@a.b:1/c", "https://a.b:1/c"),
            ("https://secret@a.b/", "https://a.b/"),
            ("https://a.b/@c", "https://a.b/@c"),
        ] {
            let mut found = Url::parse(url).unwrap();
            redact(&mut found);
            assert_eq!(found.as_str(), expected);
            assert_eq!(redacted_text(url), expected);
        }
        assert_eq!(redacted_text("name:secret@a b?secret"), "a b?redacted");
        assert_eq!(redacted_text("a.b/c#secret"), "a.b/c");
        assert_eq!(redacted_text(""), "");
    }
}
