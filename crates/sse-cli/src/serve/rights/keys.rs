//! The keys by which JWTs are checked.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;

/// A key, and the one algorithm that it is used with.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    algorithm: Algorithm,
    /// How tokens name it. Only keys of a JWKS have names.
    id: Option<String>,
    decoding: DecodingKey,
}

/// A shorter secret could be guessed (RFC 7518, 3.2).
const MIN_SECRET: usize = 32;

/// The least size of the modulus of an RSA key, in bytes (RFC 7518, 3.3).
const MIN_MODULUS: usize = 2048 / 8;

impl Key {
    /// The keys of a file: public keys in PEM, a JWKS (a set of keys in JSON), or a secret.
    ///
    /// An error shows nothing of the file.
    pub(crate) fn parse(file: &[u8]) -> Result<Vec<Self>, String> {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        match std::str::from_utf8(file).map(str::trim) {
            Ok(text) if text.contains("-----BEGIN ") => of_pem(text),
            Ok(text) if text.starts_with('{') => of_json(text),
            Ok(text) => of_secret(text.as_bytes()),
            Err(_) => of_secret(file),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// Returns whether a token with this name of a key may be signed by this one. A key or a token without a name fits
    /// all.
    pub(crate) fn may_be(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(own), Some(id)) => own == id,
            _ => true,
        }
    }

    /// Returns whether it is the same key.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        use DecodingKeyKind::{RsaModulusExponent, SecretOrDer};

        let is_same_key = match (self.decoding.kind(), other.decoding.kind()) {
            (SecretOrDer(own), SecretOrDer(other)) => own == other,
            (RsaModulusExponent { n, e }, RsaModulusExponent { n: other_n, e: other_e }) => {
                n == other_n && e == other_e
            }
            _ => false,
        };
        self.algorithm == other.algorithm && self.id == other.id && is_same_key
    }
}

fn of_pem(text: &str) -> Result<Vec<Key>, String> {
    const BEGIN: &str = "-----BEGIN ";

    let starts: Vec<usize> = text.match_indices(BEGIN).map(|(start, _)| start).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let blocks = starts.iter().zip(ends).map(|(&start, end)| &text[start..end]);
    blocks.map(of_pem_block).collect()
}

fn of_pem_block(block: &str) -> Result<Key, String> {
    let label = block["-----BEGIN ".len()..].split("-----").next().unwrap_or_default();
    if label.ends_with("PRIVATE KEY") {
        return Err("it has a private key, which the hub must not have; give it the public key \
             (openssl pkey -pubout)"
            .to_owned());
    }
    if label.ends_with("CERTIFICATE") {
        return Err(
            "it has a certificate; give the hub its public key (openssl x509 -pubkey -noout)".to_owned()
        );
    }
    let block = block.as_bytes();
    if let Ok(key) = DecodingKey::from_rsa_pem(block) {
        return rsa(None, key);
    }
    if let Ok(key) = DecodingKey::from_ec_pem(block) {
        return p256(None, key);
    }
    match DecodingKey::from_ed_pem(block) {
        Ok(key) => Ok(Key { algorithm: Algorithm::EdDSA, id: None, decoding: key }),
        Err(_) => Err("it has a PEM block that is not a public key of RSA, P-256 or Ed25519".to_owned()),
    }
}

/// A JWKS, or one key of it.
fn of_json(text: &str) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }

    // The place of the error, but not the text there.
    let wrong = |error: &serde_json::Error| {
        format!("it is not a JWKS: there is an error at line {}, column {}", error.line(), error.column())
    };
    let json: Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    let keys = if json.get("keys").is_some() {
        serde_json::from_value::<Set>(json).map_err(|_| "its `keys` are not a list".to_owned())?.keys
    } else {
        vec![json]
    };
    let mut usable = Vec::new();
    for (number, key) in (1..).zip(keys) {
        let key = of_jwk(key).map_err(|error| format!("key {number}: {error}"))?;
        usable.extend(key);
    }
    if usable.is_empty() {
        return Err("it has no key for signatures of HS256, RS256, ES256 or EdDSA".to_owned());
    }
    Ok(usable)
}

/// A key of a JWKS; `None` if it is for something else: identity providers have keys for many things.
fn of_jwk(jwk: Value) -> Result<Option<Key>, String> {
    if jwk.get("d").is_some() {
        return Err(
            "it is a private key, which the hub must not have; leave out all but its public part".to_owned()
        );
    }
    let jwk: Jwk = serde_json::from_value(jwk).map_err(|_| "it is not a key of RFC 7517".to_owned())?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        _ => return Ok(None),
    };
    let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let own = match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
        _ => KeyAlgorithm::HS256,
    };
    if !is_for_signatures || jwk.common.key_algorithm.is_some_and(|algorithm| algorithm != own) {
        return Ok(None);
    }
    let key = DecodingKey::from_jwk(&jwk).map_err(|_| "its value is not in Base64url".to_owned())?;
    let id = jwk.common.key_id;
    match algorithm {
        Algorithm::RS256 => rsa(id, key),
        Algorithm::ES256 => p256(id, key),
        Algorithm::HS256 => secret(id, key),
        _ => Ok(Key { algorithm, id, decoding: key }),
    }
    .map(Some)
}

fn of_secret(bytes: &[u8]) -> Result<Vec<Key>, String> {
    if is_public(bytes) {
        // As a secret, it would let everybody who knows it sign tokens.
        return Err(
            "it looks like a public key that is not in PEM; convert it (openssl pkey -pubin)".to_owned()
        );
    }
    if std::str::from_utf8(bytes).is_ok_and(|text| text.contains('\n')) {
        return Err("it is neither PEM nor a JWKS, and a secret is one line".to_owned());
    }
    let key = DecodingKey::from_secret(bytes).map_err(|_| "it is empty".to_owned())?;
    Ok(vec![secret(None, key)?])
}

/// Returns whether it is a public key: in DER, in PEM without its first line, or in the form of SSH.
fn is_public(bytes: &[u8]) -> bool {
    /// How Base64 of the DER of public keys begins: of RSA, of P-256, of Ed25519.
    const BEGINNINGS: [&[u8]; 8] = [b"MIIB", b"MIIC", b"MIID", b"MIGf", b"MFkw", b"MCow", b"ssh-", b"ecdsa-"];

    let is_der = match bytes {
        [0x30, 0x82, high, low, rest @ ..] => usize::from(u16::from_be_bytes([*high, *low])) == rest.len(),
        [0x30, 0x81, length, rest @ ..] | [0x30, length, rest @ ..] => usize::from(*length) == rest.len(),
        _ => false,
    };
    is_der || BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning))
}

fn secret(id: Option<String>, key: DecodingKey) -> Result<Key, String> {
    let length = key.try_get_as_bytes().map_or(0, <[u8]>::len);
    if length < MIN_SECRET {
        return Err(format!(
            "its secret has {length} bytes; at least {MIN_SECRET} are needed (openssl rand -hex 32)"
        ));
    }
    Ok(Key { algorithm: Algorithm::HS256, id, decoding: key })
}

fn rsa(id: Option<String>, key: DecodingKey) -> Result<Key, String> {
    let length = match key.kind() {
        // The exponent and the framing are some ten bytes.
        DecodingKeyKind::SecretOrDer(der) => der.len(),
        DecodingKeyKind::RsaModulusExponent { n, .. } => n.len(),
    };
    if length < MIN_MODULUS {
        return Err("its RSA key is too short; 2048 bits are needed".to_owned());
    }
    Ok(Key { algorithm: Algorithm::RS256, id, decoding: key })
}

fn p256(id: Option<String>, key: DecodingKey) -> Result<Key, String> {
    /// An uncompressed point of the curve.
    const POINT: usize = 65;

    if key.try_get_as_bytes().is_ok_and(|point| point.len() == POINT) {
        Ok(Key { algorithm: Algorithm::ES256, id, decoding: key })
    } else {
        Err("its key is not of the curve P-256".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: &str = include_str!("../../../tests/jwt/rsa.pub");
    const P256: &str = include_str!("../../../tests/jwt/p256.pub");
    const ED25519: &str = include_str!("../../../tests/jwt/ed25519.pub");
    const JWKS: &str = include_str!("../../../tests/jwt/jwks.json");

    #[track_caller]
    fn check(file: &[u8], expected: &[(Algorithm, Option<&str>)]) {
        let keys = Key::parse(file).unwrap();
        let found: Vec<_> = keys.iter().map(|key| (key.algorithm, key.id.as_deref())).collect();
        assert_eq!(found, expected);
        for key in &keys {
            assert!(key.is_same(key));
        }
    }

    #[test]
    fn a_key_has_one_algorithm() {
        check(RSA.as_bytes(), &[(Algorithm::RS256, None)]);
        check(P256.as_bytes(), &[(Algorithm::ES256, None)]);
        check(ED25519.as_bytes(), &[(Algorithm::EdDSA, None)]);
        check(&[b'a'; 32], &[(Algorithm::HS256, None)]);
        check(&[0xff; 32], &[(Algorithm::HS256, None)]);
        check(
            format!("\u{feff}# the old one\n{RSA}and the new one\n{P256}").as_bytes(),
            &[(Algorithm::RS256, None), (Algorithm::ES256, None)],
        );
        check(
            JWKS.as_bytes(),
            &[
                (Algorithm::RS256, Some("rsa")),
                (Algorithm::ES256, Some("p256")),
                (Algorithm::EdDSA, Some("ed25519")),
                (Algorithm::HS256, Some("secret")),
            ],
        );
    }

    #[test]
    fn a_line_ending_after_a_secret_is_not_of_it() {
        let [key] = &Key::parse(&[&[b'a'; 32][..], b"\r\n"].concat()).unwrap()[..] else { panic!() };
        assert_eq!(key.decoding.try_get_as_bytes().unwrap(), [b'a'; 32]);
    }

    #[track_caller]
    fn check_wrong(file: &[u8], expected: &str) {
        let error = Key::parse(file).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secretsecret"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_told() {
        check_wrong(b"", "it is empty");
        check_wrong(b"secretsecret", "12 bytes; at least 32");
        check_wrong(
            format!("{}\n{}", "secretsecret".repeat(3), "b".repeat(40)).as_bytes(),
            "a secret is one line",
        );
        check_wrong(b"-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----", "private key");
        check_wrong(b"-----BEGIN EC PRIVATE KEY-----\nsecretsecret", "private key");
        check_wrong(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate");
        check_wrong(
            b"-----BEGIN PUBLIC KEY-----\nsecretsecret\n-----END PUBLIC KEY-----",
            "not a public key of RSA",
        );
        check_wrong(RSA.replace('A', "B").as_bytes(), "not a public key");
        check_wrong(b"{\n  \"keys\": [secretsecret", "line 2, column ");
        check_wrong(b"{\"keys\": 1}", "not a list");
        check_wrong(b"{\"keys\": []}", "no key for signatures");
        check_wrong(b"{\"keys\": [1]}", "key 1: it is not a key");
        check_wrong(br#"{"kty":"oct","k":"c2VjcmV0"}"#, "key 1: its secret has 6 bytes");
        check_wrong(br#"{"kty":"oct","k":"***"}"#, "key 1: its value");
        check_wrong(br#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "key 1: its RSA key is too short");
        check_wrong(
            br#"{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}"#,
            "key 1: its key is not of the curve",
        );
        check_wrong(
            br#"{"kty":"OKP","crv":"Ed25519","x":"AQAB","d":"secretsecret"}"#,
            "key 1: it is a private key",
        );
    }

    #[test]
    fn keys_for_other_things_are_left_out() {
        let other = r#"{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}, {"kty":"EC","crv":"P-384","x":"a","y":"a"},
            {"kty":"RSA","alg":"PS256","n":"AQAB","e":"AQAB"}, {"kty":"unknown"}"#;
        let ours = r#"{"kty":"oct","kid":"a","k":"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}"#;
        check(format!("{{\"keys\": [{other}, {ours}]}}").as_bytes(), &[(Algorithm::HS256, Some("a"))]);
        check_wrong(format!("{{\"keys\": [{other}]}}").as_bytes(), "no key for signatures");
    }

    #[test]
    fn a_public_key_is_never_a_secret() {
        let body: String = RSA.lines().filter(|line| !line.starts_with('-')).collect();
        check_wrong(body.as_bytes(), "public key that is not in PEM");
        let der = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
        check_wrong(&der, "public key that is not in PEM");
        check_wrong(&[&[0x30, 0x59][..], &[7; 0x59]].concat(), "public key that is not in PEM");
        check_wrong(b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtlZXA= me@here", "public key that is not in PEM");
    }
}
