//! Which topics a right is for.

/// A text that names topics: one by its name, or many by `*` or by a URI template.
///
/// It is a list of parts, so that whether a name matches is found in one pass over the parts, however many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// These characters.
    Text(Box<str>),
    /// Any text, also with slashes, or none: `*`, and `{+name}` of a template.
    Any,
    /// What a simple expression of a template expands to (RFC 6570, 3.2.2): unreserved characters and `%20`.
    Unreserved,
}

impl Pattern {
    /// Every topic.
    pub(crate) fn all() -> Self {
        Self(vec![Part::Any])
    }

    /// One topic.
    pub(crate) fn exact(name: &str) -> Self {
        Self(vec![Part::Text(name.into())])
    }

    /// A name in which each `*` stands for any text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        for (number, piece) in text.split('*').enumerate() {
            if number > 0 && parts.last() != Some(&Part::Any) {
                parts.push(Part::Any);
            }
            if !piece.is_empty() {
                parts.push(Part::Text(piece.into()));
            }
        }
        Self(parts)
    }

    /// A selector of Mercure's: `*` for every topic, or a URI template, which may be without an expression.
    ///
    /// Of the expressions, `{name}` and `{+name}` are known.
    pub(crate) fn template(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::all());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((expression, after)) = after.split_once('}') else {
                return Err(format!("the URI template {text:?} has a `{{` without its `}}`"));
            };
            let (part, name) = match expression.strip_prefix('+') {
                Some(name) => (Part::Any, name),
                None => (Part::Unreserved, expression),
            };
            let is_name = |name: &str| {
                !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.%".contains(&byte))
            };
            if !is_name(name) {
                return Err(format!(
                    "the URI template {text:?} has {{{expression}}}; only {{name}} and {{+name}} are understood"
                ));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self(parts))
    }

    /// Returns whether it is for every topic.
    pub(crate) fn is_all(&self) -> bool {
        self.0 == [Part::Any]
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        // Where in the name the parts so far may have ended. It takes time for each part, and not for each way to match.
        let mut ends = vec![false; name.len() + 1];
        ends[0] = true;
        for part in &self.0 {
            part.go_on(name, &mut ends);
        }
        ends[name.len()]
    }
}

impl Part {
    /// From the places where it may begin to those where it may end.
    fn go_on(&self, name: &[u8], ends: &mut [bool]) {
        match self {
            Self::Text(text) => {
                let text = text.as_bytes();
                for end in (0..ends.len()).rev() {
                    let begin = end.checked_sub(text.len());
                    ends[end] = begin.is_some_and(|begin| ends[begin] && name[begin..].starts_with(text));
                }
            }
            Self::Any => {
                let first = ends.iter().position(|&end| end).unwrap_or(ends.len());
                ends[first..].fill(true);
            }
            Self::Unreserved => {
                for end in 1..ends.len() {
                    ends[end] |= ends[end - 1] && is_unreserved(name[end - 1]);
                    ends[end] |= end >= 3 && ends[end - 3] && is_escape(&name[end - 3..end]);
                }
            }
        }
    }
}

/// Returns whether a template's value may have this character (RFC 3986, 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &Pattern, matching: &[&str], others: &[&str]) {
        for name in matching {
            assert!(pattern.matches(name), "{pattern:?} {name:?}");
        }
        for name in others {
            assert!(!pattern.matches(name), "{pattern:?} {name:?}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        check(&Pattern::parse("news"), &["news"], &["", "new", "newsletter", "news/a", "News", "xnews"]);
        check(
            &Pattern::parse("news/*"),
            &["news/", "news/a", "news/a/b"],
            &["news", "newsletter/a", "x/news/a"],
        );
        check(&Pattern::parse("*"), &["", "a", "a/b", "é*"], &[]);
        check(&Pattern::parse("**"), &["", "a/b"], &[]);
        check(&Pattern::parse("*/inbox"), &["/inbox", "a/b/inbox"], &["inbox", "a/inbox/b"]);
        check(&Pattern::parse("a*b*c"), &["abc", "aXbYc", "abbcbc"], &["ab", "acb", "abcd", "xabc"]);
        check(&Pattern::parse("aa*aa"), &["aaaa", "aaaaa"], &["aaa", "aa"]);
        check(&Pattern::parse("é*"), &["é", "éa"], &["e", "è"]);
        check(&Pattern::parse("a{b}"), &["a{b}"], &["ab", "ac"]);
        check(&Pattern::parse(""), &[""], &["a"]);
        check(&Pattern::exact("a*"), &["a*"], &["ab"]);
        assert!(Pattern::parse("*").is_all() && Pattern::parse("***").is_all());
        assert!(!Pattern::parse("a*").is_all() && !Pattern::exact("*").is_all());
    }

    #[test]
    fn a_name_that_almost_matches_takes_no_longer() {
        let pattern = Pattern::parse(&"a*".repeat(10_000));
        assert!(!pattern.matches(&("a".repeat(199) + "b")));
    }

    #[test]
    fn a_template_matches_what_it_expands_to() {
        let template = |text| Pattern::template(text).unwrap();
        let books = template("https://example.com/books/{id}");
        check(
            &books,
            &[
                "https://example.com/books/1",
                "https://example.com/books/a-b_c.d~%2Fe",
                "https://example.com/books/",
            ],
            &[
                "https://example.com/books/1/2",
                "https://example.com/books/a b",
                "https://example.com/books/%2",
                "https://example.com/books",
                "https://example.com/books/1?a",
            ],
        );
        check(
            &template("/users/{id}/{+rest}"),
            &["/users/1/a/b?c", "/users/1/"],
            &["/users/1", "/users/1 /a"],
        );
        check(&template("plain/*"), &["plain/*"], &["plain/a"]);
        check(&template("{a}{b}"), &["", "ab"], &["a/b"]);
        assert!(template("*").is_all() && template("{+any}").is_all());
        for wrong in ["a{b", "a{/b}", "{?q}", "{a,b}", "{}", "{+}", "{a*}", "{a:3}", "{{a}}"] {
            assert!(Pattern::template(wrong).is_err(), "{wrong}");
        }
    }
}
