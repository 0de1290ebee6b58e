//! JWTs (RFC 7519): the user, the rights, and the time at which they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;

use super::keys::Key;
use super::pattern::Pattern;
use super::{Right, Rights, verify};

/// Checks tokens.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    keys: Vec<Arc<Key>>,
    audience: Option<String>,
}

/// What a token says, once it has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) rights: Rights,
    pub(crate) user: Option<Arc<str>>,
    /// When it ends.
    pub(crate) expires: SystemTime,
    /// The key that has signed it.
    pub(crate) key: Arc<Key>,
}

/// A larger token is refused unread.
const MAX_BYTES: usize = 8 * 1024;

/// How far the clock of the issuer may be ahead. It is for `nbf` only: a stream ends at the time of `exp`, and its
/// client must not come back with the same token after that.
const LEEWAY: Duration = Duration::from_secs(60);

/// The claims that are of interest.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
    sub: Option<String>,
    sse: Option<Own>,
    mercure: Option<Mercure>,
    authorization_details: Option<Vec<Detail>>,
}

/// The claim `sse`: patterns, as in the file of tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    status: bool,
}

/// The claim `mercure`, of tokens for Mercure before its version 1.
#[derive(Deserialize)]
struct Mercure {
    #[serde(default)]
    publish: Vec<Selector>,
    #[serde(default)]
    subscribe: Vec<Selector>,
}

/// A member of the claim `authorization_details` (RFC 9396), where Mercure has its rights since version 1.
#[derive(Deserialize)]
struct Detail {
    r#type: String,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    topics: Vec<Selector>,
}

/// The types of such members that are Mercure's.
const DETAIL_TYPES: [&str; 2] = ["mercure", "https://mercure.rocks/authorization-detail"];

#[derive(Deserialize)]
#[serde(untagged)]
enum Selector {
    Template(String),
    #[serde(rename_all = "camelCase")]
    Matcher {
        r#match: String,
        match_type: Option<String>,
    },
}

impl Verifier {
    /// Of tokens that one of the keys has signed. Tokens that name their audience must name this one.
    pub(crate) fn new(keys: Vec<Key>, audience: Option<String>) -> Self {
        verify::install();
        Self { keys: keys.into_iter().map(Arc::new).collect(), audience }
    }

    /// Returns whether a token can be one for this: it has the three parts of a signed JWT.
    pub(crate) fn may_be(token: &[u8]) -> bool {
        token.split(|&byte| byte == b'.').count() == 3
    }

    /// Returns whether this key is still used.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.keys.iter().any(|own| own.is_same(key))
    }

    /// What the token says. An error says what is wrong with it.
    pub(crate) fn check(&self, token: &[u8], now: SystemTime) -> Result<Verified, String> {
        if token.len() > MAX_BYTES {
            return Err(format!("it has {} bytes, and more than {MAX_BYTES} are not read", token.len()));
        }
        let header = decode_header(token).map_err(|_| UNREADABLE)?;
        let fitting = self.keys.iter().filter(|key| key.may_be(header.kid.as_deref()));
        let candidates: Vec<_> = fitting.clone().filter(|key| key.algorithm() == header.alg).collect();
        if candidates.is_empty() {
            let is_known = fitting.count() > 0;
            return Err(if is_known {
                format!("no key of this hub is for the algorithm {:?}", header.alg)
            } else {
                "this hub has no key of that name (`kid`)".to_owned()
            });
        }
        let mut error = String::new();
        for key in candidates {
            match decode::<Claims>(token, key.decoding(), &self.validation(key)) {
                Ok(token) => return token.claims.verified(key.clone(), now),
                Err(wrong) if matches!(wrong.kind(), ErrorKind::InvalidSignature) => {
                    error = flaw(wrong.kind());
                }
                // The signature is valid, so this key has made it.
                Err(wrong) => return Err(flaw(wrong.kind())),
            }
        }
        Err(error)
    }

    fn validation(&self, key: &Key) -> Validation {
        let mut validation = Validation::new(key.algorithm());
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        validation
    }
}

impl Claims {
    fn verified(self, key: Arc<Key>, now: SystemTime) -> Result<Verified, String> {
        /// A later end makes no difference, and times have a bound.
        const LATEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

        let since_epoch = Duration::try_from_secs_f64(self.exp).unwrap_or(Duration::MAX);
        let expires =
            SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(now + LATEST).min(now + LATEST);
        if expires <= now {
            return Err(flaw(&ErrorKind::ExpiredSignature));
        }
        let rights = self.rights()?;
        let user = self.sub.filter(|user| !user.is_empty()).map(Arc::from);
        Ok(Verified { rights, user, expires, key })
    }

    fn rights(&self) -> Result<Rights, String> {
        let mut rights = Rights::default();
        if let Some(Own { publish, subscribe, status }) = &self.sse {
            for (right, patterns) in [(Right::Publish, publish), (Right::Subscribe, subscribe)] {
                for pattern in patterns {
                    rights.add(right, Pattern::parse(pattern));
                }
            }
            if *status {
                rights.add_status();
            }
        }
        if let Some(Mercure { publish, subscribe }) = &self.mercure {
            for (right, selectors) in [(Right::Publish, publish), (Right::Subscribe, subscribe)] {
                for selector in selectors {
                    rights.add(right, selector.pattern()?);
                }
            }
        }
        let details = self.authorization_details.iter().flatten();
        for detail in details.filter(|detail| DETAIL_TYPES.contains(&&*detail.r#type)) {
            for right in [Right::Publish, Right::Subscribe] {
                if detail.actions.iter().any(|action| action == right.name()) {
                    for selector in &detail.topics {
                        rights.add(right, selector.pattern()?);
                    }
                }
            }
        }
        Ok(rights)
    }
}

impl Selector {
    fn pattern(&self) -> Result<Pattern, String> {
        match self {
            Self::Template(template) => Pattern::template(template),
            Self::Matcher { r#match, .. } if r#match == "*" => Ok(Pattern::all()),
            Self::Matcher { r#match, match_type } => match match_type.as_deref() {
                None | Some("Exact") => Ok(Pattern::exact(r#match)),
                Some(other) => Err(format!("this hub does not know topic matchers of the type {other:?}")),
            },
        }
    }
}

const UNREADABLE: &str =
    "it is no JWT that this hub reads: signed by HS256, RS256, ES256 or EdDSA, without critical extensions";

/// What is wrong with a token.
fn flaw(error: &ErrorKind) -> String {
    match error {
        ErrorKind::ExpiredSignature => "it has expired (`exp`); get a new one".to_owned(),
        ErrorKind::ImmatureSignature => "it is not valid yet (`nbf`)".to_owned(),
        ErrorKind::InvalidSignature => "no key of this hub has signed it".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no valid claim `{claim}`"),
        ErrorKind::InvalidClaimFormat(claim) => format!("its claim `{claim}` is not valid"),
        ErrorKind::InvalidAudience => {
            "it is for another audience (`aud`); that of this hub is set by --jwt-audience".to_owned()
        }
        ErrorKind::Json(error) => format!("its claims are not as expected: {error}"),
        _ => UNREADABLE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const RSA: &[u8] = include_bytes!("../../../tests/jwt/rsa.pub");
    const P256: &[u8] = include_bytes!("../../../tests/jwt/p256.pub");
    const ED25519: &[u8] = include_bytes!("../../../tests/jwt/ed25519.pub");
    const SECRET: &[u8] = include_bytes!("../../../tests/jwt/secret");
    const JWKS: &[u8] = include_bytes!("../../../tests/jwt/jwks.json");

    /// A token of the folder.
    fn token(name: &str) -> String {
        let tokens: HashMap<String, String> =
            serde_json::from_str(include_str!("../../../tests/jwt/tokens.json")).unwrap();
        tokens[name].clone()
    }

    fn verifier(files: &[&[u8]], audience: Option<&str>) -> Verifier {
        let keys = files.iter().flat_map(|file| Key::parse(file).unwrap()).collect();
        Verifier::new(keys, audience.map(str::to_owned))
    }

    /// Checks one against all keys.
    fn verified(name: &str) -> Result<Verified, String> {
        verifier(&[RSA, P256, ED25519, SECRET], None).check(token(name).as_bytes(), SystemTime::now())
    }

    #[track_caller]
    fn check(files: &[&[u8]], name: &str) {
        let verified = verifier(files, None).check(token(name).as_bytes(), SystemTime::now()).unwrap();
        assert_eq!(verified.user.as_deref(), Some("anna"));
        assert_eq!(verified.expires, SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800));
        let Verified { rights, .. } = verified;
        assert!(rights.cover(Right::Subscribe, "news/a") && rights.cover(Right::Publish, "inbox/bob"));
        assert!(!rights.cover(Right::Subscribe, "inbox/bob") && !rights.cover(Right::Publish, "news/a"));
        assert!(!rights.cover_status());
    }

    #[test]
    fn tokens_of_each_algorithm_are_read() {
        for (file, name) in [(RSA, "rsa"), (P256, "p256"), (ED25519, "ed25519"), (SECRET, "secret")] {
            check(&[file], name);
            check(&[RSA, P256, ED25519, SECRET], name);
            // A file of PEM has no names of keys, and a token need not name its key.
            check(&[file], &format!("{name} by name"));
            check(&[JWKS], &format!("{name} by name"));
            check(&[JWKS], name);
        }
    }

    #[track_caller]
    fn check_wrong(files: &[&[u8]], name: &str, expected: &str) {
        let flaw = verifier(files, None).check(token(name).as_bytes(), SystemTime::now()).unwrap_err();
        assert!(flaw.contains(expected), "{name}: {flaw}");
        assert_eq!(flaw.lines().count(), 1, "{flaw}");
    }

    #[test]
    fn what_is_wrong_with_a_token_is_told() {
        let all = &[RSA, P256, ED25519, SECRET];
        check_wrong(all, "expired", "it has expired (`exp`)");
        check_wrong(all, "early", "it is not valid yet (`nbf`)");
        check_wrong(all, "without exp", "exp");
        check_wrong(all, "exp as text", "exp");
        check_wrong(all, "exp below zero", "exp");
        check_wrong(all, "nbf as text", "its claim `nbf` is not valid");
        check_wrong(all, "rights as text", "its claims are not as expected: ");
        check_wrong(all, "rights with a typo", "unknown field `subscribes`");
        check_wrong(all, "critical", "without critical extensions");
        check_wrong(all, "huge", "bytes, and more than 8192 are not read");
        check_wrong(all, "another algorithm", "no key of this hub is for the algorithm HS512");
        check_wrong(all, "another key", "no key of this hub has signed it");
        check_wrong(all, "none", "it is no JWT that this hub reads");
        check_wrong(all, "none in capitals", "it is no JWT that this hub reads");
        check_wrong(all, "confused", "no key of this hub has signed it");
        check_wrong(all, "other claims", "no key of this hub has signed it");
        check_wrong(all, "without a signature", "no key of this hub has signed it");
        check_wrong(all, "not base64", "it is no JWT that this hub reads");
        check_wrong(all, "not json", "it is no JWT that this hub reads");
        check_wrong(all, "audience", "it is for another audience");
        check_wrong(all, "mercure with a pattern", "topic matchers of the type \"URLPattern\"");
        check_wrong(all, "mercure with an operator", "only {name} and {+name} are understood");
        // A public key is never a secret, and an unknown name fits none that has one.
        check_wrong(&[RSA], "confused", "no key of this hub is for the algorithm HS256");
        check_wrong(&[JWKS], "unknown name", "no key of that name");
        check_wrong(&[RSA], "secret", "no key of this hub is for the algorithm HS256");
        for wrong in ["", ".", "..", "...", "a.b.c", "\u{0}.é.=", &"a.".repeat(4000), &".".repeat(100_000)] {
            assert!(verifier(all, None).check(wrong.as_bytes(), SystemTime::now()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_token_ends_at_its_time() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
        let verifier = verifier(&[SECRET], None);
        let at = |now| verifier.check(token("secret").as_bytes(), now).map(|verified| verified.expires);
        assert_eq!(at(end - Duration::from_millis(1)), Ok(end));
        assert!(at(end).is_err());
    }

    #[test]
    fn an_audience_must_be_named_if_the_hub_has_one() {
        let check =
            |audience, name| verifier(&[SECRET], audience).check(token(name).as_bytes(), SystemTime::now());
        assert!(check(Some("hub"), "audience").is_ok());
        assert!(check(Some("elsewhere"), "audience").is_err());
        assert!(check(Some("hub"), "secret").unwrap_err().contains("it has no valid claim `aud`"));
    }

    #[track_caller]
    fn check_rights(name: &str, publish: &[&str], subscribe: &[&str], status: bool) {
        let topics = ["plain", "https://example.com/books/7", "https://example.com/books/7/pages"];
        let Verified { rights, .. } = verified(name).unwrap();
        for (right, expected) in [(Right::Publish, publish), (Right::Subscribe, subscribe)] {
            let covered = topics.into_iter().filter(|topic| rights.cover(right, topic)).collect::<Vec<_>>();
            assert_eq!(covered, expected, "{name} {right:?}");
        }
        assert_eq!(rights.cover_status(), status, "{name}");
    }

    #[test]
    fn claims_of_mercure_are_understood() {
        let (plain, book, pages) =
            ("plain", "https://example.com/books/7", "https://example.com/books/7/pages");
        check_rights("mercure", &[plain, book, pages], &[plain, book], false);
        check_rights("mercure of all", &[], &[plain, book, pages], true);
        check_rights("mercure since 1", &[], &[book], false);
        check_rights("status", &[], &[], true);
        check_rights("nothing", &[], &[], false);
    }
}
