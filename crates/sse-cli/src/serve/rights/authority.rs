//! Finds the rights of a caller, by rules that may be replaced while the hub runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::request::Parts;
use tokio::sync::watch;

use super::caller::Proof;
use super::file::{Token, Tokens};
use super::jwt::Verifier;
use super::keys::Key;
use super::{Caller, Right, Rights, credential};

/// Where the rights come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) jwt_keys: Vec<PathBuf>,
    pub(crate) jwt_audience: Option<String>,
}

/// The rights of everybody and of each token, at one time.
#[derive(Debug)]
pub(crate) struct Rules {
    everybody: Rights,
    tokens: Tokens,
    jwt: Option<Verifier>,
    are_final: bool,
}

/// The rules of the hub. It is a handle: clones have the same rules.
#[derive(Clone, Debug)]
pub(crate) struct Authority(Arc<watch::Sender<Arc<Rules>>>);

impl Sources {
    /// Returns whether there are no sources, so that every program that can reach the hub may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.token_file.is_none() && self.jwt_keys.is_empty()
    }

    /// Reads all of them. An error names the setting and the file, and shows nothing secret of the file.
    pub(crate) fn read(&self) -> Result<Rules, String> {
        if self.is_open() {
            return Ok(Rules::open());
        }
        let tokens = match &self.token_file {
            Some(file) => read("--token-file", file, |bytes| {
                let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
                Tokens::parse(text)
            })?,
            None => Tokens::default(),
        };
        let mut keys = Vec::new();
        for file in &self.jwt_keys {
            keys.extend(read("--jwt-keys", file, Key::parse)?);
        }
        if let Some(file) = self.token_file.as_deref().filter(|_| keys.is_empty()) {
            for right in [Right::Publish, Right::Subscribe] {
                if !tokens.let_anybody(right) {
                    let name = right.name();
                    return Err(format!(
                        "--token-file {}: nobody could {name}: add a line `{name} TOKEN`, or `{name} *` to let everybody",
                        file.display()
                    ));
                }
            }
        }
        let jwt = (!keys.is_empty()).then(|| Verifier::new(keys, self.jwt_audience.clone()));
        Ok(Rules { everybody: tokens.everybody().clone(), tokens, jwt, are_final: false })
    }
}

fn read<T>(setting: &str, file: &Path, parse: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, String> {
    let bytes = fs::read(file).map_err(|error| error.to_string());
    bytes.and_then(|bytes| parse(&bytes)).map_err(|error| format!("{setting} {}: {error}", file.display()))
}

impl Rules {
    /// Everybody may do everything, for ever.
    pub(crate) fn open() -> Self {
        Self { everybody: Rights::all(), tokens: Tokens::default(), jwt: None, are_final: true }
    }

    /// What everybody may do.
    pub(crate) fn everybody(&self) -> &Rights {
        &self.everybody
    }

    /// Returns whether these rules can't be replaced, because they come from no file.
    pub(crate) fn are_final(&self) -> bool {
        self.are_final
    }

    pub(crate) fn token(&self, secret: &[u8]) -> Option<&Arc<Token>> {
        self.tokens.find(secret)
    }

    /// Returns whether tokens of this key are accepted.
    pub(crate) fn accept(&self, key: &Key) -> bool {
        self.jwt.as_ref().is_some_and(|jwt| jwt.has(key))
    }

    fn proof(&self, token: Option<&[u8]>) -> Proof {
        let Some(token) = token else { return Proof::None };
        if let Some(known) = self.token(token) {
            return Proof::Token(known.clone());
        }
        match self.jwt.as_ref().filter(|_| Verifier::may_be(token)) {
            Some(jwt) => match jwt.check(token, SystemTime::now()) {
                Ok(verified) => Proof::Jwt(Arc::new(verified)),
                Err(flaw) => Proof::Invalid(flaw),
            },
            None => Proof::Invalid("this hub does not know it".to_owned()),
        }
    }
}

impl Authority {
    pub(crate) fn new(rules: Rules) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(rules))))
    }

    /// Replaces the rules. Streams end if their callers have lost the right.
    pub(crate) fn replace(&self, rules: Rules) {
        self.0.send_replace(Arc::new(rules));
    }

    /// Returns the caller of a request.
    pub(crate) fn caller(&self, head: &Parts) -> Caller {
        // In this order, so that rules that are replaced meanwhile are seen as a change.
        let receiver = self.0.subscribe();
        let token = credential::of_request(head);
        let rules = self.0.borrow().clone();
        let proof = rules.proof(token.as_deref());
        Caller::new(proof, receiver)
    }

    /// Returns whether everybody has this right for every topic.
    pub(crate) fn lets_everybody(&self, right: Right) -> bool {
        self.0.borrow().everybody.cover_all(right)
    }
}
