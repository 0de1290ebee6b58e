//! The file of tokens.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::pattern::Pattern;
use super::{Right, Rights};

/// The tokens of a file, and what everybody may do.
///
/// Each line is a right, a token, and the topics that the right is for: `subscribe TOKEN news/* user=anna`.
///
/// - The rights are `publish`, `subscribe`, and `status`, which is to see all topics and has no topics of its own.
/// - The token `*` is for everybody.
/// - A topic is a name, in which `*` stands for any text. A line without topics is for all of them.
/// - `user=NAME` says whose token it is.
///
/// The lines of one token add up. Empty lines, those that begin with `#`, and what follows a `#` are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    everybody: Rights,
    tokens: Vec<Arc<Token>>,
}

/// What the holders of one token may do.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    secret: Box<[u8]>,
    rights: Rights,
    user: Option<Arc<str>>,
}

/// A shorter token could be guessed.
const MIN_BYTES: usize = 16;

impl Tokens {
    /// Parses the tokens of a file. An error names the line and does not show it, because it may contain a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Self::default();
        // Editors of some systems write a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if !line.is_empty() && !line.starts_with('#') {
                tokens.add(line).map_err(|error| format!("line {number}: {error}"))?;
            }
        }
        Ok(tokens)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let right = match words.next() {
            Some("publish") => Some(Right::Publish),
            Some("subscribe") => Some(Right::Subscribe),
            Some("status") => None,
            _ => {
                return Err("begin it with `publish TOKEN`, `subscribe TOKEN` or `status TOKEN`".to_owned());
            }
        };
        let Some(secret) = words.next() else {
            return Err("the token is missing; write it after the right, or `*` for everybody".to_owned());
        };
        let (mut topics, mut user) = (Vec::new(), None);
        for word in words.take_while(|word| !word.starts_with('#')) {
            match word.strip_prefix("user=") {
                None => topics.push(Pattern::parse(word)),
                Some("") => return Err("`user=` is without a name".to_owned()),
                Some(_) if user.is_some() => return Err("there are two names of a user".to_owned()),
                Some(name) => user = Some(name),
            }
        }
        let rights = self.rights_of(secret, user)?;
        let Some(right) = right else {
            rights.add_status();
            return if topics.is_empty() {
                Ok(())
            } else {
                Err("`status` is for all topics; leave the topics out".to_owned())
            };
        };
        if topics.is_empty() {
            topics.push(Pattern::all());
        }
        for topic in topics {
            rights.add(right, topic);
        }
        Ok(())
    }

    /// The rights of a token, for a line to add to.
    fn rights_of(&mut self, secret: &str, user: Option<&str>) -> Result<&mut Rights, String> {
        if secret == "*" {
            return match user {
                None => Ok(&mut self.everybody),
                Some(_) => Err("the token `*` is for everybody; leave `user=` out".to_owned()),
            };
        }
        if secret.len() < MIN_BYTES || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "a token has at least {MIN_BYTES} characters of ASCII; make one with `openssl rand -hex 16`"
            ));
        }
        let known = self.tokens.iter().position(|token| *token.secret == *secret.as_bytes());
        let index = known.unwrap_or_else(|| {
            let secret = secret.as_bytes().into();
            self.tokens.push(Arc::new(Token { secret, rights: Rights::default(), user: None }));
            self.tokens.len() - 1
        });
        let token = Arc::make_mut(&mut self.tokens[index]);
        match (&token.user, user) {
            (Some(known), Some(user)) if **known != *user => {
                return Err("an earlier line of this token has another user".to_owned());
            }
            (None, Some(user)) => token.user = Some(user.into()),
            _ => {}
        }
        Ok(&mut token.rights)
    }

    /// What everybody may do.
    pub(crate) fn everybody(&self) -> &Rights {
        &self.everybody
    }

    /// Returns whether anybody has this right for any topic.
    pub(crate) fn let_anybody(&self, right: Right) -> bool {
        let tokens = self.tokens.iter().map(|token| &token.rights);
        tokens.chain([&self.everybody]).any(|rights| rights.cover_any(right))
    }

    /// Returns the token with this secret. All tokens are compared, each in constant time.
    pub(crate) fn find(&self, secret: &[u8]) -> Option<&Arc<Token>> {
        self.tokens.iter().fold(None, |found, token| {
            if bool::from(token.secret.ct_eq(secret)) { Some(token) } else { found }
        })
    }
}

impl Token {
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    pub(crate) fn user(&self) -> Option<&Arc<str>> {
        self.user.as_ref()
    }
}

impl std::fmt::Debug for Token {
    /// Does not show the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbb";

    /// The topics out of some that a token may publish and subscribe to, and whether it may see all.
    #[track_caller]
    fn check(file: &str, token: &str, publish: &[&str], subscribe: &[&str], status: bool) {
        let tokens = Tokens::parse(file).unwrap();
        let rights = match token {
            "*" => tokens.everybody(),
            token => tokens.find(token.as_bytes()).unwrap().rights(),
        };
        for (right, expected) in [(Right::Publish, publish), (Right::Subscribe, subscribe)] {
            let covered =
                ["news", "news/a", "inbox/anna"].into_iter().filter(|topic| rights.cover(right, topic));
            assert_eq!(covered.collect::<Vec<_>>(), expected, "{right:?} {token}");
        }
        assert_eq!(rights.cover_status(), status, "{token}");
    }

    const ALL: &[&str] = &["news", "news/a", "inbox/anna"];

    #[test]
    fn a_line_without_topics_is_for_all_of_them() {
        let file = format!("# the team\n\npublish {A}\n  subscribe {B} \r\n");
        check(&file, A, ALL, &[], false);
        check(&file, B, &[], ALL, true);
        check(&file, "*", &[], &[], false);
        check(&format!("publish {A} # {B} news\npublish {B} news #all"), A, ALL, &[], false);
        check(&format!("\u{feff}publish *\nsubscribe {B}"), "*", ALL, &[], false);
    }

    #[test]
    fn a_line_may_name_its_topics_and_its_user() {
        let file = format!("subscribe {A} news/* inbox/anna user=anna\npublish {A} news\nsubscribe * news");
        check(&file, A, &["news"], &["news/a", "inbox/anna"], false);
        check(&file, "*", &[], &["news"], false);
        let tokens = Tokens::parse(&file).unwrap();
        assert_eq!(tokens.find(A.as_bytes()).unwrap().user().map(|user| &**user), Some("anna"));
        check(&format!("subscribe {A} news\nstatus {A}"), A, &[], &["news"], true);
        check(&format!("subscribe {A} *"), A, &[], ALL, true);
    }

    #[test]
    fn only_the_whole_token_is_found() {
        let tokens = Tokens::parse(&format!("publish {A}\npublish {A}{B}")).unwrap();
        for unknown in ["", "*", "a", &A[1..], &format!("{A}a"), B] {
            assert_eq!(tokens.find(unknown.as_bytes()), None, "{unknown}");
        }
        assert_eq!(tokens.find(A.as_bytes()).unwrap().secret(), A.as_bytes());
    }

    #[test]
    fn it_is_known_whether_anybody_has_a_right() {
        let tokens = Tokens::parse(&format!("publish {A} news\nstatus {B}")).unwrap();
        assert!(tokens.let_anybody(Right::Publish) && !tokens.let_anybody(Right::Subscribe));
        assert!(Tokens::parse("subscribe * a").unwrap().let_anybody(Right::Subscribe));
    }

    #[track_caller]
    fn check_wrong(file: &str, expected: &str) {
        let error = Tokens::parse(file).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        check_wrong("publish *\nsecretsecretsecret", "line 2: begin it with `publish TOKEN`");
        check_wrong("Publish secretsecretsecret", "line 1: begin it with");
        check_wrong("publish", "line 1: the token is missing");
        check_wrong("publish secret", "line 1: a token has at least 16");
        check_wrong("publish secretsecretsecreté", "line 1: a token has at least 16");
        check_wrong("status secretsecretsecret news", "line 1: `status` is for all topics");
        check_wrong("publish secretsecretsecret user=", "line 1: `user=` is without a name");
        check_wrong("publish secretsecretsecret user=a user=b", "line 1: there are two names");
        check_wrong("publish * user=a", "line 1: the token `*` is for everybody");
        check_wrong(
            "publish secretsecretsecret user=a\nsubscribe secretsecretsecret\npublish secretsecretsecret user=b",
            "line 3: an earlier line of this token has another user",
        );
    }
}
