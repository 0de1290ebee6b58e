//! Who may publish and who may subscribe.

use subtle::{Choice, ConstantTimeEq as _};

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Publish,
    Subscribe,
}

/// Who may do what: everybody everything, or who has a token.
///
/// A file of tokens has a line for each: `publish TOKEN` or `subscribe TOKEN`, where `*` is for everybody. Empty lines,
/// and those that begin with `#`, are left out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Tokens {
    publish: Holders,
    subscribe: Holders,
}

#[derive(Clone, PartialEq, Eq)]
enum Holders {
    Everybody,
    Of(Vec<Box<[u8]>>),
}

/// What is to be said to a request without the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// It has no token, or one that is not known.
    Unknown,
    /// Its token is one for the other right.
    OtherRight,
}

/// A shorter token could be found by trying.
const MIN_BYTES: usize = 16;

impl Tokens {
    /// Everybody may do everything.
    pub(crate) fn none() -> Self {
        Self { publish: Holders::Everybody, subscribe: Holders::Everybody }
    }

    /// The tokens of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Self { publish: Holders::Of(Vec::new()), subscribe: Holders::Of(Vec::new()) };
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let (holders, token) = match words[..] {
                ["publish", token] => (&mut tokens.publish, token),
                ["subscribe", token] => (&mut tokens.subscribe, token),
                // Not the line itself: it may be a secret.
                _ => return Err(format!("line {number} is neither `publish TOKEN` nor `subscribe TOKEN`")),
            };
            holders.add(token).map_err(|error| format!("line {number}: {error}"))?;
        }
        for (name, holders) in [("publish", &tokens.publish), ("subscribe", &tokens.subscribe)] {
            if *holders == Holders::Of(Vec::new()) {
                return Err(format!(
                    "nobody could {name}: add a line `{name} TOKEN`, or `{name} *` to let everybody"
                ));
            }
        }
        Ok(tokens)
    }

    /// Whether everybody has this right.
    pub(crate) fn lets_everybody(&self, right: Right) -> bool {
        *self.holders(right) == Holders::Everybody
    }

    /// Checks the right of who has this token. How long it takes does not depend on how much of a token is right.
    pub(crate) fn check(&self, right: Right, token: Option<&[u8]>) -> Result<(), Denial> {
        let other = match right {
            Right::Publish => Right::Subscribe,
            Right::Subscribe => Right::Publish,
        };
        if self.lets_everybody(right) {
            return Ok(());
        }
        let token = token.ok_or(Denial::Unknown)?;
        let (has_right, has_other) = (self.holders(right).have(token), self.holders(other).have(token));
        match (has_right.into(), has_other.into()) {
            (true, _) => Ok(()),
            (false, true) => Err(Denial::OtherRight),
            (false, false) => Err(Denial::Unknown),
        }
    }

    fn holders(&self, right: Right) -> &Holders {
        match right {
            Right::Publish => &self.publish,
            Right::Subscribe => &self.subscribe,
        }
    }
}

impl Holders {
    fn add(&mut self, token: &str) -> Result<(), String> {
        if token == "*" {
            *self = Self::Everybody;
            return Ok(());
        }
        if token.len() < MIN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "a token has at least {MIN_BYTES} characters of ASCII; make one with `openssl rand -hex 16`"
            ));
        }
        if let Self::Of(tokens) = self {
            tokens.push(token.as_bytes().into());
        }
        Ok(())
    }

    /// Looks at all tokens, whichever it is.
    fn have(&self, token: &[u8]) -> Choice {
        match self {
            Self::Everybody => Choice::from(0),
            Self::Of(tokens) => {
                tokens.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(token))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# the team\n\npublish aaaaaaaaaaaaaaaa\n  subscribe bbbbbbbbbbbbbbbb \r\npublish cccccccccccccccc\nsubscribe cccccccccccccccc\n";

    #[track_caller]
    fn check(file: &str, token: Option<&str>, publish: Result<(), Denial>, subscribe: Result<(), Denial>) {
        let tokens = Tokens::parse(file).unwrap();
        let token = token.map(str::as_bytes);
        assert_eq!(tokens.check(Right::Publish, token), publish, "publish");
        assert_eq!(tokens.check(Right::Subscribe, token), subscribe, "subscribe");
    }

    #[test]
    fn a_token_has_the_rights_of_its_lines() {
        check(FILE, Some("aaaaaaaaaaaaaaaa"), Ok(()), Err(Denial::OtherRight));
        check(FILE, Some("bbbbbbbbbbbbbbbb"), Err(Denial::OtherRight), Ok(()));
        check(FILE, Some("cccccccccccccccc"), Ok(()), Ok(()));
        for unknown in [None, Some(""), Some("aaaaaaaaaaaaaaa"), Some("aaaaaaaaaaaaaaaaa"), Some("*")] {
            check(FILE, unknown, Err(Denial::Unknown), Err(Denial::Unknown));
        }
    }

    #[test]
    fn a_star_is_for_everybody() {
        let file =
            "publish aaaaaaaaaaaaaaaa\nsubscribe bbbbbbbbbbbbbbbb\nsubscribe *\nsubscribe cccccccccccccccc";
        check(file, None, Err(Denial::Unknown), Ok(()));
        check(file, Some("aaaaaaaaaaaaaaaa"), Ok(()), Ok(()));
        check(file, Some("bbbbbbbbbbbbbbbb"), Err(Denial::Unknown), Ok(()));
        check("publish *\nsubscribe *", None, Ok(()), Ok(()));
        assert_eq!(Tokens::none().check(Right::Publish, None), Ok(()));
    }

    #[track_caller]
    fn check_wrong(file: &str, expected: &str) {
        let error = Tokens::parse(file).err().unwrap();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        check_wrong("", "nobody could publish: add a line `publish TOKEN`");
        check_wrong("publish *", "nobody could subscribe");
        check_wrong("publish *\nsecretsecretsecret", "line 2 is neither");
        check_wrong("publish secretsecretsecret now", "line 1 is neither");
        check_wrong("publish secret", "line 1: a token has at least 16");
        check_wrong("publish secretsecretsecreté", "line 1: a token");
    }
}
